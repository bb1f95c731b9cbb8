/*
 * marker.h - marks in a process's environment that tell from outside whose it is.
 *
 * The supervisor starts its children with both variables. DROVER_RUN names the state folder, so
 * that a new supervisor finds what an earlier one left. DROVER_UNIT is a place of fixed width that a
 * unit process overwrites in the memory where /proc/PID/environ is read from: so the mark is seen in
 * the process, in all that it forks, and in all that those exec with their environment.
 */
#ifndef PROC_MARKER_H
#define PROC_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MARKER_RUN "DROVER_RUN"
#define MARKER_UNIT "DROVER_UNIT"
/* A handle as 16 hexadecimal digits; this one is no unit's. */
#define MARKER_NO_UNIT "ffffffffffffffff"

/* Names this process's unit; without the place in the environment it does nothing. */
void marker_set_unit(uint64_t handle);
/* The unit that a process belongs to, by its mark. False: no such mark can be read. */
bool marker_get_unit(pid_t pid, uint64_t *handle);

#endif
