/*
 * summary.h - how a task ended, for people: what hosts wrote, folded; then those that are not ok, each with
 * why; then one line with the counts.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "cli/session.h"

/*
 * Reads the task's results and prints them to stdout (with --json: `{"task": …, "items": [rows]}`). `*largest_rc`
 * becomes the largest exit code of the hosts; may be NULL. Returns CLI_OK, or says what is wrong and returns what
 * to exit with.
 */
int summary_print(struct session *session, const struct cli *cli, struct json_object *task, int64_t *largest_rc);
/* `26 ok, 4 timeout of 30 hosts in 8.1 s   (task ID)` and a newline. */
void summary_line(const struct cli *cli, FILE *out, struct json_object *task);

#endif
