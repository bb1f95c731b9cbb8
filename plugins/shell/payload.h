/*
 * payload.h - what a shell task says, and what of it is sent to a host.
 *
 * A payload has one of `command` (text for the user's shell), `argv` (words) or `script` (a text of
 * its own, with its #! respected), and beside it `env`, `stdin` and `become`.
 */
#ifndef SHELL_PAYLOAD_H
#define SHELL_PAYLOAD_H

#include <stddef.h>

#include <drover/executor.h>

struct payload {
	char *command; /* for a shell: the command, or the quoted words; NULL with a script */
	char *script;
	char **env; /* NAME=value, ended by NULL */
	size_t env_count;
	char *become_user; /* or NULL: nobody */
	int become_method; /* of become_methods, or -1: the executor's */
	char *input;       /* of the command, or NULL */
	size_t input_size;
};

/* sudo, su, doas; ended by NULL. */
extern const char *const become_methods[];
/* The fields, for the executor's table. */
extern const struct drover_payload_field payload_fields[];

/* Reads a payload. Errors: DROVER_EINVALID naming the member, DROVER_ENOMEM. Dispose of it in any case. */
int payload_parse(struct payload *p, const char *json, struct drover_error *err);
void payload_dispose(struct payload *p);

/* What an ssh server is given: a command line for the user's shell and bytes for its standard input. */
struct payload_remote {
	char *command;
	char *input;
	size_t input_size;
};

/*
 * Environment, script and standard input travel over the connection, so that no other user of the
 * host sees them in the process table. A plain command is sent as it is. Errors: DROVER_ENOMEM.
 */
int payload_remote(const struct payload *p, struct payload_remote *remote, struct drover_error *err);
void payload_remote_dispose(struct payload_remote *remote);

/*
 * The words that run a script file as the kernel would by its #! line, without needing a file
 * system that allows execution: up to an interpreter and one argument; /bin/sh without a #!. Both
 * are owned by the caller; `argument` may be NULL. Returns 0 or DROVER_ENOMEM.
 */
int payload_interpreter(const char *script, char **interpreter, char **argument);

#endif
