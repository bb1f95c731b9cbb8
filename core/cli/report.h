/* report.h - the results of a task that has ended, as its user wants to see them. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdint.h>

#include "cli/session.h"
#include "cli/view.h"

/*
 * Reads the task's results, page by page, and shows them as `view` says: folded, to stdout with the summary; line by
 * line, to stdout and stderr, and the summary to stderr; streamed ones have been shown, so that only the summary
 * follows. With --json `{"task": …, "items": [rows]}`; nothing where it was streamed. Writes the files of --outdir.
 *
 * `*largest_rc` becomes the largest exit code of the hosts; may be NULL. Returns CLI_OK, or says what is wrong and
 * returns what to exit with.
 */
int report_print(struct session *session, const struct cli *cli, struct json_object *task, const struct view *view,
		 int64_t *largest_rc);

#endif
