/*
 * tokens.h - the file of tokens: who may ask, and what.
 *
 * One JSON object a line, written by `drover token`:
 *
 *	{"id":"k3v9x2m7qa","name":"ci","role":"submit","hosts":"web[1-9]","created":"…","expires":null,"hash":"…"}
 *
 * What its members are and when it is read again: principals/principals.h. A token's text is `drover_ID_SECRET`; only
 * its BLAKE2b-256 is kept, so the file cannot be used to log in. A revoked token is refused within a second.
 *
 * Thread: any.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include <pthread.h>
#include <stdbool.h>

#include "principals/principals.h"

struct tokens {
	pthread_mutex_t lock; /* of the file; there is one where it is open */
	struct principals file;
};

enum token_verdict {
	TOKEN_GOOD = 0,
	TOKEN_MALFORMED, /* not what a token looks like */
	TOKEN_UNKNOWN,   /* revoked, or never given out, or another secret */
	TOKEN_EXPIRED
};

int tokens_open(struct tokens *tokens, const char *path, struct drover_error *err);
void tokens_close(struct tokens *tokens);

/*
 * The token whose text this is, copied into `*found`, for principal_dispose; also where it has expired. Compares in
 * constant time; what takes longer says at most whether an id exists, which is no secret.
 */
enum token_verdict tokens_find(struct tokens *tokens, const char *text, struct principal *found);
/* Whether a token that was found earlier is still there, unchanged, and has not expired. */
bool tokens_still(struct tokens *tokens, const struct principal *token);

#endif
