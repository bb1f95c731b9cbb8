/*
 * client.h - a conversation with the daemon: JSON over HTTP, on TCP (with TLS where the address says https) or a
 * unix socket.
 *
 * One connection, kept between calls; not thread-safe. A call may be broken off by a descriptor that
 * becomes readable (interrupt.h).
 */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <curl/curl.h>
#include <json-c/json.h>

#include "cli/address.h"
#include "util/buf.h"

struct drover_error;

struct client {
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct address address; /* owned: where the daemon is */
	char *base;             /* owned: what paths are appended to */
	int wake;               /* a call ends when it is readable; -1: none */
	long patience;          /* ms that connecting and a call may take; 0: as long as a large task needs */
	bool unreachable;       /* the last call failed because there was no connection or no answer */
	long status;            /* of the last answer, or 0 */
	size_t size;            /* of the last answer, in bytes */
	/*
	 * Called when a call found nobody: 0 if there is somebody now, and the call is made once more. (All calls
	 * may be repeated: a task is submitted with an id.) NULL: none.
	 */
	int (*revive)(void *context);
	void *revive_context;
	struct json_object *problem; /* owned: the problem document of the last answer, or NULL */
};

int client_open(struct client *client, const struct address *address, struct drover_error *err);
void client_close(struct client *client);

/*
 * One call; `path` begins with `/`, `body` may be NULL (borrowed). `*answer` is owned by the caller, NULL where
 * the answer has no body. An answer above 299 is an error with the problem document's words: 400, 413, 415, 422
 * DROVER_EINVALID; 401, 403 _EDENIED; 404 _ENOTFOUND; 409 _ECONFLICT; 429, 503 and no connection _ERETRY; others
 * _EFAULT. DROVER_ECANCELLED: `wake` became readable.
 */
int client_call(struct client *client, const char *method, const char *path, struct json_object *body,
		struct json_object **answer, struct drover_error *err);
/* The same with a body that is text already. */
int client_send(struct client *client, const char *method, const char *path, const char *body, size_t size,
		struct json_object **answer, struct drover_error *err);
/* Takes a piece of an answer's body; non-zero ends the call, which returns it. */
typedef int client_data_fn(void *context, const char *data, size_t size);
/*
 * A GET whose answer is given piece by piece, as it comes. `header` (or NULL) is sent along. `endless`: it lasts as long
 * as its task, with something to read every 15 s; else it is bounded in time as all calls are.
 */
int client_raw(struct client *client, const char *path, const char *header, bool endless, client_data_fn *fn,
	       void *context, struct drover_error *err);
/* Appends `text` as a part of a path or query. */
void client_escape(struct client *client, struct buf *path, const char *text);
/* Says on stderr that `what` failed, and every error of the problem document; returns what to exit with. */
int client_fail(struct client *client, const char *what, const struct drover_error *err);

#endif
