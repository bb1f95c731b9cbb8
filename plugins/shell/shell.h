/*
 * shell.h - the shell executor's options, and how what became of a host is told.
 */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H

#include <drover/executor.h>

#include "ssh/fanout.h"

enum transport { TRANSPORT_AUTO = 0, TRANSPORT_LOCAL = 1, TRANSPORT_SSH = 2 };

/* Filled by the host from the options' table. */
struct shell {
	int transport;
	bool allow_localhost;
	char *shell;
	char *user;
	char *credential;
	int64_t port;
	struct drover_list key;
	bool agent;
	struct drover_list known_hosts, ssh_config;
	int host_keys;
	int64_t connect_timeout, banner_timeout, kex_timeout, auth_timeout, channel_timeout, become_timeout;
	int64_t agent_timeout, end_timeout, end_timeout_become, stop_timeout, term_grace, kill_grace;
	int64_t keepalive;
	int become_method; /* of become_methods */
	int64_t fanout;
};

/* Reports target number `target` of the unit. `via`: "ssh" or "local". */
void report_result(struct drover_unit *unit, size_t target, const char *via, const struct fanout_result *result);
/* Reports targets that were never begun. */
void report_never_begun(struct drover_unit *unit, size_t first);

#endif
