/* session.h - a session through an OpenSSH master that is there already, without starting OpenSSH's client.
 *
 * A start of ssh costs more than 3 ms of CPU, nearly all of it for libraries that a session of a master never uses,
 * and Ansible starts it several times for each task of each host. What is not understood here to the last word is
 * left to ssh itself, which is then exec'd with the same arguments. Sources: PROTOCOL.mux, ssh_config(5), mux.c and
 * sshtty.c of OpenSSH 9.2.
 */
#ifndef DROVER_ANSIBLE_SSH_SESSION_H
#define DROVER_ANSIBLE_SSH_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#define SEND_ENV_MOST 16
#define SEND_ENV_SIZE 64

/* What the session is to be. Strings are borrowed from argv, but for the patterns. */
struct session {
	const char *control_path; /* with its length: it may have been quoted */
	size_t control_path_size;
	const char *host;
	const char *command;
	bool tty;
	bool subsystem;
	bool no_config;                              /* -F none */
	char send_env[SEND_ENV_MOST][SEND_ENV_SIZE]; /* patterns of names */
	size_t send_env_count;
};

/* false: this is one for ssh itself. */
bool options_parse(struct session *self, char *const *argv);
/* What ssh's configuration files say of sessions; the same. */
bool config_read(struct session *self);

/* A session by the master; its exit status, or -1: there is no master or it refuses, and nothing was begun. */
int mux_run(const struct session *self);

#endif
