/* perform.h - a task from its JSON to its end: asked about, submitted, followed, summed up. */
#ifndef CLI_PERFORM_H
#define CLI_PERFORM_H

#include "cli/interrupt.h"
#include "cli/session.h"
#include "cli/task_args.h"
#include "cli/view.h"

/* As the options in `args` say. Returns what to exit with. */
int perform_task(struct session *session, struct cli *cli, const struct task_args *args, const struct view *view);
/*
 * One call that makes a task. With `interrupt`, which is opened before it, Ctrl-C ends the waiting for its answer, and
 * one that comes later is for perform_follow. Returns CLI_OK, or says what is wrong (`what` could not be done) and
 * returns what to exit with; nothing is open then.
 */
int perform_submit(struct session *session, const char *path, struct json_object *body, const char *what,
		   struct interrupt *interrupt, struct json_object **answer);
/* Follows a task that is submitted and shows how it ended. `interrupt`: as for follow_task. Returns what to exit with. */
int perform_follow(struct session *session, struct cli *cli, const char *id, const struct view *view,
		   struct interrupt *interrupt);

#endif
