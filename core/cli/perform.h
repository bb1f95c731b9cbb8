/* perform.h - a task from its JSON to its end: asked about, submitted, followed, summed up. */
#ifndef CLI_PERFORM_H
#define CLI_PERFORM_H

#include "cli/session.h"
#include "cli/task_args.h"
#include "cli/view.h"

/* As the options in `args` say. Returns what to exit with. */
int perform_task(struct session *session, struct cli *cli, const struct task_args *args, const struct view *view);
/* Follows a task that is submitted and shows how it ended. Returns what to exit with. */
int perform_follow(struct session *session, struct cli *cli, const char *id, const struct view *view);

#endif
