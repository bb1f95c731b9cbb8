/*
 * drover/status.h - the states that tasks, units and hosts go through, and the words for them.
 *
 * The numbers are stored in databases: never renumber, only append.
 */
#ifndef DROVER_STATUS_H
#define DROVER_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A host's status within one task. The last eight are final. */
enum drover_status {
	DROVER_PENDING = 0,
	DROVER_RUNNING = 1,
	DROVER_OK = 2,
	DROVER_FAILED = 3,
	DROVER_UNREACHABLE = 4, /* no name, route, connection, host key or authentication */
	DROVER_TIMEOUT = 5,     /* connected and then silent or too long; `phase` says in what */
	DROVER_SKIPPED = 6,     /* nothing applied to it */
	DROVER_CANCELLED = 7,
	DROVER_EXPIRED = 8, /* its task's queueing deadline passed first */
	DROVER_LOST = 9,    /* the process executing it died: the outcome is unknown */
	DROVER_STATUS_COUNT = 10
};

/* What a host was in when it ended; 0 where that says nothing. */
enum drover_phase {
	DROVER_PHASE_NONE = 0,
	DROVER_PHASE_CONNECT = 1,
	DROVER_PHASE_BANNER = 2,
	DROVER_PHASE_KEY_EXCHANGE = 3,
	DROVER_PHASE_AUTHENTICATION = 4,
	DROVER_PHASE_EXECUTION = 5,
	DROVER_PHASE_WAITING = 6,
	DROVER_PHASE_COUNT = 7
};

/* What is known of the remote process after a host ended before its command did. */
enum drover_remote {
	DROVER_REMOTE_NONE = 0,    /* there is none: it ended by itself or never began */
	DROVER_REMOTE_DEAD = 1,    /* it was seen to end */
	DROVER_REMOTE_UNKNOWN = 2, /* it may live on */
	DROVER_REMOTE_COUNT = 3
};

/* Whether a host was changed. */
enum drover_changed { DROVER_CHANGED_UNKNOWN = 0, DROVER_CHANGED_NO = 1, DROVER_CHANGED_YES = 2 };

enum drover_task_state {
	DROVER_TASK_ACCEPTING = 0, /* being inserted; no query shows it */
	DROVER_TASK_QUEUED = 1,
	DROVER_TASK_RUNNING = 2,
	DROVER_TASK_CANCELLING = 3,
	DROVER_TASK_ABORTING = 4,
	DROVER_TASK_DONE = 5,
	DROVER_TASK_CANCELLED = 6,
	DROVER_TASK_ABORTED = 7,
	DROVER_TASK_STATE_COUNT = 8
};

enum drover_unit_state {
	DROVER_UNIT_READY = 0,   /* may be claimed */
	DROVER_UNIT_CLAIMED = 1, /* an incarnation executes it */
	DROVER_UNIT_DONE = 2,    /* all its hosts are final */
	DROVER_UNIT_STATE_COUNT = 3
};

static inline const char *drover_word_(const char *const *words, size_t count, int value)
{
	return value >= 0 && (size_t)value < count ? words[value] : "?";
}

static inline const char *drover_status_name(enum drover_status status)
{
	static const char *const words[] = { "pending", "running", "ok",        "failed",  "unreachable",
					     "timeout", "skipped", "cancelled", "expired", "lost" };

	return drover_word_(words, DROVER_STATUS_COUNT, (int)status);
}

/* Returns a status, or -1 for an unknown word. */
static inline int drover_status_parse(const char *word)
{
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		if (!strcmp(word, drover_status_name((enum drover_status)i)))
			return i;
	return -1;
}

static inline bool drover_status_is_final(enum drover_status status)
{
	return status >= DROVER_OK && status < DROVER_STATUS_COUNT;
}

static inline const char *drover_phase_name(enum drover_phase phase)
{
	static const char *const words[] = { "",          "connect", "banner", "key exchange", "authentication",
					     "execution", "waiting" };

	return drover_word_(words, DROVER_PHASE_COUNT, (int)phase);
}

static inline const char *drover_remote_name(enum drover_remote remote)
{
	static const char *const words[] = { "none", "dead", "unknown" };

	return drover_word_(words, DROVER_REMOTE_COUNT, (int)remote);
}

static inline const char *drover_task_state_name(enum drover_task_state state)
{
	static const char *const words[] = { "accepting", "queued", "running",   "cancelling",
					     "aborting",  "done",   "cancelled", "aborted" };

	return drover_word_(words, DROVER_TASK_STATE_COUNT, (int)state);
}

static inline bool drover_task_state_is_final(enum drover_task_state state)
{
	return state >= DROVER_TASK_DONE && state < DROVER_TASK_STATE_COUNT;
}

static inline const char *drover_unit_state_name(enum drover_unit_state state)
{
	static const char *const words[] = { "ready", "claimed", "done" };

	return drover_word_(words, DROVER_UNIT_STATE_COUNT, (int)state);
}

#endif
