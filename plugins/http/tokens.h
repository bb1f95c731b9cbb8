/*
 * tokens.h - the file of tokens: who may ask, and what.
 *
 * One JSON object a line, written by `drover token`:
 *
 *	{"id":"k3v9x2m7qa","name":"ci","role":"submit","hosts":"web[1-9]","created":"…","expires":null,"hash":"…"}
 *
 * A token's text is `drover_ID_SECRET`; only its BLAKE2b-256 is kept, so the file cannot be used to log in. The file
 * is looked at at most twice a second, and read again when it has changed, so that a revoked token is refused within
 * a second. A file that cannot be read, or is wrong anywhere, changes nothing: the tokens before it stand, and it is
 * logged, once.
 *
 * Thread: any.
 */
#ifndef TOKENS_H
#define TOKENS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <drover/source.h>

#define TOKEN_ID_SIZE 33   /* with its NUL */
#define TOKEN_NAME_SIZE 65 /* with its NUL */
#define TOKEN_HASH 32

struct token {
	char id[TOKEN_ID_SIZE];
	char name[TOKEN_NAME_SIZE];
	enum drover_role role;
	char *hosts;     /* owned, or NULL: any */
	int64_t expires; /* UTC ms, 0: never */
	unsigned char hash[TOKEN_HASH];
};

/* A file as it was read. */
struct token_table {
	struct token *items; /* owned, sorted by id */
	size_t count;
};

/* How a file looked, to see that it has changed. */
struct file_look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct tokens {
	char *path;           /* owned */
	pthread_mutex_t lock; /* of what follows */
	struct token_table table;
	struct file_look look;
	int64_t next_look; /* CLOCK_MONOTONIC ms */
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
 * The token whose text this is, copied into `*found`, for token_dispose; also where it has expired. Compares in
 * constant time; what takes longer says at most whether an id exists, which is no secret.
 */
enum token_verdict tokens_find(struct tokens *tokens, const char *text, struct token *found);
/* Whether a token that was found earlier is still there, unchanged, and has not expired. */
bool tokens_still(struct tokens *tokens, const struct token *token);
/* False: no memory. */
bool token_copy(struct token *to, const struct token *from);
void token_dispose(struct token *token);

#endif
