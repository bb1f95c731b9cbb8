/*
 * oracle.h - what the simulated hosts themselves saw: each keeps a file that it locks while it
 * executes and writes to at its start and end. An independent witness of what ran, and of what ran
 * twice at a time.
 *
 * FOLDER/HOST has lines "start TASK UNIT ATTEMPT PID MS" and "end TASK UNIT ATTEMPT PID MS STATUS"; a
 * lock that was refused gives a line "HOST TASK UNIT ATTEMPT PID MS" in FOLDER/overlaps. MS is UTC.
 * One thread.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include <stddef.h>

#include <drover/executor.h>

struct oracle {
	const char *folder; /* borrowed; NULL: no witness, every call does nothing */
	const struct drover_unit_info *unit;
	int *files; /* owned: of each target, -1: none */
};

/* Makes the folder where it is missing. */
int oracle_open(struct oracle *oracle, const char *folder, const struct drover_unit_info *unit,
		struct drover_error *err);
void oracle_close(struct oracle *oracle);
/* Locks and notes the start. DROVER_ECONFLICT: somebody executes that host now. */
int oracle_start(struct oracle *oracle, size_t target, struct drover_error *err);
void oracle_end(struct oracle *oracle, size_t target, enum drover_status status);

#endif
