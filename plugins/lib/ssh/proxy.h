/*
 * proxy.h - a command that connects to a host in our place, as ssh_config's ProxyCommand has it.
 *
 * Its standard input and output are one end of a socket pair, the other is what libssh talks by. It
 * has a process group of its own, which is killed with the host's connection.
 */
#ifndef LIB_SSH_PROXY_H
#define LIB_SSH_PROXY_H

#include <sys/types.h>

/* Starts `command` by /bin/sh. `*fd` is the caller's, non-blocking. Returns 0 or a negative errno. */
int proxy_start(const char *command, pid_t *pid, int *fd);
/* Kills and reaps it. */
void proxy_end(pid_t pid);

#endif
