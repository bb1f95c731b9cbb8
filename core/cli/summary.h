/*
 * summary.h - how a task ended, for people: what hosts wrote, folded; then those that are not ok, each with
 * why; then one line with the counts.
 */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <stdio.h>

#include "cli/cli.h"
#include "cli/fold.h"

/* The groups with their outputs, to stdout; those that are not ok and wrote nothing are left to the next one. */
void summary_folded(const struct cli *cli, struct fold *fold);
/* Those that are not ok, one line for all that ended in the same way, whatever they wrote. */
void summary_problems(const struct cli *cli, FILE *out, struct fold *fold);
/* `26 ok, 4 timeout of 30 hosts in 8.1 s   (task ID)` and a newline. */
void summary_line(const struct cli *cli, FILE *out, struct json_object *task);

#endif
