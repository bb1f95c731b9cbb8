/* completion.h - completion for shells: the script, made from the table of commands, and the words that it asks for. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include <stdio.h>

#include "cli/cli.h"

/* For bash 4 and later; zsh reads it by bashcompinit. */
void completion_script(FILE *out);
/*
 * Words that only the daemon knows, one a line: `kind` is tasks, groups or engines. Nothing where none answers within a
 * second; nothing is started, and nothing said on stderr. False: no such kind.
 */
bool completion_words(struct cli *cli, const char *kind, FILE *out);

#endif
