/*
 * private.h - the private daemon: one of this user's own, on a unix socket, started where it is needed and
 * gone by itself when it has had nothing to do for a few seconds. What it knows stays in its state folder.
 */
#ifndef CLI_PRIVATE_H
#define CLI_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

struct drover_error;

/* $XDG_STATE_HOME/drover or ~/.local/state/drover; owned by the caller. DROVER_EFAULT: there is no home. */
int private_state(char **state, struct drover_error *err);
/* Has a private daemon been here? */
bool private_exists(const char *state);
/* `unix:…` of the daemon with that state; owned by the caller. */
char *private_url(const char *state);
/*
 * Makes sure that it runs and answers: 10 s at most. Two that do so at once share one daemon. `*pid` becomes the
 * process if it was started here, else 0; may be NULL. On an error its log's last lines are on stderr.
 */
int private_start(const char *state, pid_t *pid, struct drover_error *err);
/* Asks the process started here to end and waits for it; after 10 s it is killed. */
void private_stop(pid_t pid);

#endif
