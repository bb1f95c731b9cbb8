/*
 * inventory_keeper.h - keeps the snapshot of the configured inventory fresh.
 *
 * A thread of its own reads it at the start, when the configuration is read again, when a file of it has changed, and
 * every `refresh`. A reading that fails leaves the last good snapshot in use; it is logged once for each reason.
 * All functions may be called from any thread.
 */
#ifndef DAEMON_INVENTORY_KEEPER_H
#define DAEMON_INVENTORY_KEEPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inventory;
struct json_object;
struct keeper;

struct keeper_state {
	const char *state; /* "none", "reading" (for the first time), "ok", "stale", "failed" */
	int64_t read_at;   /* UTC ms: of the snapshot; 0: there is none */
	int64_t tried_at;  /* UTC ms: of the last reading's end; 0: none has ended */
	char message[600]; /* why the last reading failed, or "" */
};

/* `folder` is for temporary files of readings. */
struct keeper *keeper_new(const char *folder);
/* Breaks a reading off. `keeper` may be NULL. */
void keeper_free(struct keeper *keeper);
/* The core's section `inventory`, or NULL: none. Has it read at once. */
void keeper_configure(struct keeper *keeper, struct json_object *section);

/*
 * A reference to the snapshot, or NULL; `*state` says why. During the very first reading it waits for its end, at
 * most `wait` ms: so a task right after the start does not miss how its hosts are reached.
 */
struct inventory *keeper_take(struct keeper *keeper, int64_t wait, struct keeper_state *state);
/* The configured sources with blanks between. Owned by the caller. */
char *keeper_sources(struct keeper *keeper);

#endif
