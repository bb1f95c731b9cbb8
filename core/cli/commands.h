/* commands.h - finding a command in the table (cli.h), and saying which there are. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

/* NULL: there is none of that name. */
const struct command *commands_find(const char *name);
/* All of them, each with its line. */
void commands_print(FILE *out);
/* Says that there is none of that name, and which may be meant; returns what to exit with. */
int commands_unknown(const char *name);

int cmd_help(struct cli *cli, int argc, char **argv);

#endif
