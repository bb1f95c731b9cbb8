/*
 * waiting.h - why nothing of a task is executed, in words: what nodes announce, held against what it needs.
 *
 * It is known as of the last reading of the nodes, at most a second ago when somebody asks. Any thread.
 */
#ifndef DAEMON_WAITING_H
#define DAEMON_WAITING_H

#include "daemon/core.h"

struct waiting;

struct waiting *waiting_new(const struct core *core);
void waiting_free(struct waiting *waiting);
/* Reads the nodes anew if it is time to. Takes a reading session: not from within a query. */
void waiting_refresh(struct waiting *waiting);
/* Writes the reason; "": it runs, it has ended, or it waits for its turn only. */
void waiting_say(struct waiting *waiting, const struct drover_task *task, char *text, size_t size);

/*
 * Writes why nothing of the task can be executed as far as the first unit that waits tells: what the store has of it is
 * not verified by this node's keys; else "". Asks several questions in `session`, of a task that nothing runs of.
 */
void waiting_judge(const struct core *core, struct drover_session *session, const char *id, char *text, size_t size);

#endif
