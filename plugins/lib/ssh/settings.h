/*
 * settings.h - how one host is reached and logged in on: what the task, the executor, the
 * credential and ssh_config say, put together.
 *
 * Who wins, where several say something:
 *	user     the task's host; the credential that the task names; the executor's `user`; the executor's
 *	         credential; ssh_config; the daemon's user (the first four come as one from the caller)
 *	port     the task's host; the executor's `port`; ssh_config; 22
 *	address  the task's host; ssh_config's HostName; the name
 *	keys     the credential's, and then nothing else; the executor's `key`; ssh_config; those in ~/.ssh
 */
#ifndef LIB_SSH_SETTINGS_H
#define LIB_SSH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ssh/config.h"
#include "ssh/identity.h"

struct agent;
struct fanout;
struct fanout_target;
struct hostkeys;

enum auth_method { AUTH_PUBLIC_KEY, AUTH_PASSWORD, AUTH_KEYBOARD, AUTH_METHOD_COUNT };

struct settings {
	char *known_name; /* owned: by which its host key is known */
	bool alias;       /* known_name stands for itself, without a port */
	char *address;    /* owned */
	char *user;       /* owned */
	int port, family;
	char *bind_address;                   /* owned, or NULL */
	char *proxy;                          /* owned: a command that connects instead, or NULL */
	const struct config_line *proxy_line; /* that says so */
	int64_t connect;                      /* ms; 0: the configuration's */
	int64_t keepalive;                    /* ms; 0: none */
	int keepalive_count;
	bool accept_new, compression;
	struct hostkeys *hostkeys;          /* borrowed from the fan-out, as are those below */
	const struct identity **identities; /* owned array */
	size_t identity_count;
	struct agent *agent;  /* or NULL: none is to be used */
	const char *password; /* or NULL */
	enum auth_method methods[AUTH_METHOD_COUNT];
	size_t method_count;
	struct config_answer answer;
};

/*
 * 0, -ENOMEM, or -EINVAL: what it says cannot be followed, and `problem` says why. Dispose of it in
 * any case.
 */
int settings_make(struct settings *s, struct fanout *fanout, const struct fanout_target *target, char *problem,
		  size_t size);
void settings_dispose(struct settings *s);

/* settings_expand.c: what may be written with `%h` and the like. */
struct expansion {
	const char *name, *address, *user, *local_user, *home;
	int port;
};

/* `~`, `%` tokens and `${VARIABLE}`; owned by the caller. NULL: memory, or `*bad` says what is not understood. */
char *expand(const char *text, const struct expansion *e, bool tilde, char *bad, size_t size);

#endif
