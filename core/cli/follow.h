/*
 * follow.h - staying with a task until all its hosts are final, with its progress on stderr, and what Ctrl-C
 * does meanwhile: it detaches and, pressed again within two seconds, cancels; a private daemon's task is
 * cancelled at once.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/interrupt.h"
#include "cli/session.h"

struct tail;

/*
 * With `tail` (or NULL) what hosts write is shown meanwhile, and no bar; where it is for watching only, Ctrl-C just
 * ends that. `*task` becomes the task as it ended; owned by the caller. Returns CLI_OK, CLI_INTERRUPTED (detached, said so),
 * or says what is wrong and returns what to exit with; `*task` is NULL then. `interrupt` is open since before the task
 * was there, so that no Ctrl-C falls between, and is closed here; NULL: one of its own.
 */
int follow_task(struct session *session, const struct cli *cli, const char *id, struct tail *tail,
		struct interrupt *interrupt, struct json_object **task);
/* What the end of a task means for the program's exit. */
int follow_exit_code(struct json_object *task);

#endif
