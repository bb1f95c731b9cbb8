/* key_sign.h - `drover key sign-task`: lets a message's task be taken from a topic of tasks. */
#ifndef CLI_KEY_SIGN_H
#define CLI_KEY_SIGN_H

#include <stdint.h>

#include "cli/cli.h"

struct key_sign {
	const char *file;    /* the message's value; "-": standard input */
	const char *key;     /* file of the private key */
	const char *cluster; /* for which it is valid */
	int64_t expires;     /* ms from now */
};

/* Prints the headers that the message needs, NAME=VALUE a line. The exit code. */
int key_sign_task(const struct cli *cli, const struct key_sign *what);

#endif
