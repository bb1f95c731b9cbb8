/* status_arg.h - a list of hosts' statuses on the command line: `timeout,failed`. */
#ifndef CLI_STATUS_ARG_H
#define CLI_STATUS_ARG_H

#include <argp.h>

/* Ends the program, by argp, where one of them does not exist. */
void status_arg_check(const char *list, struct argp_state *state);

#endif
