/*
 * session.h - a command's daemon: found, or started where it is the private one; and the id of the task that
 * its user means.
 */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include "cli/cli.h"
#include "cli/client.h"

struct session {
	struct client client;
	bool private; /* it is the private daemon */
	char *state;  /* owned: its state folder, or NULL */
	pid_t pid;    /* of the private daemon, if it was started here */
};

/*
 * Connects. With nothing configured and no daemon at the default address the private one is taken: where
 * `start` is true always, else only where there has been one. Returns CLI_OK, or says what is wrong and
 * returns what to exit with; nothing is to be closed then.
 */
int session_open(struct session *session, struct cli *cli, bool start);
/* The private daemon with the state folder `state`. */
int session_open_private(struct session *session, const char *state);
void session_close(struct session *session);

/*
 * The task that `word` means: its id, the only one that begins so, or the newest for `last` and `-`. `*task` is
 * owned by the caller. Returns CLI_OK, or says what is wrong and returns what to exit with.
 */
int session_task(struct session *session, const char *word, struct json_object **task);
/* Its path below /v1/tasks/, as in "/v1/tasks/ID/results"; `rest` may be "". Owned by the caller. */
char *session_task_path(struct session *session, const char *id, const char *rest);

#endif
