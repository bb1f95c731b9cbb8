/*
 * term.h - text that others made (output of hosts, messages), shown without harm: on a terminal a
 * control character of theirs is written as `\x1b`, elsewhere every byte is passed on as it is.
 */
#ifndef CLI_TERM_H
#define CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <json-c/json.h>

#include "cli/cli.h"

/* Of many lines: newlines and tabs pass. Writes a newline behind text that has none. */
void term_text(const struct cli *cli, FILE *out, const char *text, size_t size);
/* The same of one line's bytes, and nothing behind them. */
void term_bytes(const struct cli *cli, FILE *out, const char *line, size_t size);
/* Of one line: newlines become blanks. `text` may be NULL. */
void term_line(const struct cli *cli, FILE *out, const char *text);
/* A value as JSON on stdout, harmless there as well; `flags` as json-c has them. Without a newline. */
void term_json(const struct cli *cli, struct json_object *value, int flags);
/* The same on a line of its own; `pretty` over several. */
void term_json_line(const struct cli *cli, struct json_object *value, bool pretty);
/* The colour in which a host's status (or a task's state or outcome) is shown, or ""; and what ends it. */
const char *term_color(const struct cli *cli, const char *status);
const char *term_reset(const struct cli *cli);
/* How many columns stderr has; 80 where it does not say. */
int term_columns(void);

#endif
