/*
 * tokens_file.h - the file of tokens, as `drover token` edits it and the source `http` reads it: one JSON object a
 * line, {"id", "name", "role", "hosts" or null, "created", "expires" or null, "hash"}.
 *
 * Edits are made under a lock (FILE.lock) and replace the file at once, so that a daemon sees the old or the new one.
 */
#ifndef CLI_TOKENS_FILE_H
#define CLI_TOKENS_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

struct drover_error;

#define TOKENS_FILE_DEFAULT "/etc/drover/tokens"
#define TOKEN_TEXT_SIZE 96 /* of a whole token with its NUL */

struct tokens_file {
	const char *path;           /* borrowed */
	struct json_object *tokens; /* owned: an array, in the file's order */
	int lock;                   /* -1: only for reading */
};

/*
 * Reads the file; with `edit` under the lock, and a file that does not exist is an empty one. Close it in any case.
 * DROVER_EINVALID: a line is not what it should be: nothing is edited then.
 */
int tokens_file_open(struct tokens_file *file, const char *path, bool edit, struct drover_error *err);
/* Writes what is in `tokens`: mode 0600, owned by who owned it before. */
int tokens_file_save(struct tokens_file *file, struct drover_error *err);
void tokens_file_close(struct tokens_file *file);

/* The position of the token with this name, or this id; -1: there is none. */
int tokens_file_find(const struct tokens_file *file, const char *word);
/* Makes a token of 256 random bits. `text` is its only trace outside of its holder: the entry has a hash of it. */
struct json_object *tokens_file_make(const char *name, const char *role, const char *hosts, int64_t expires,
				     char text[TOKEN_TEXT_SIZE]);

#endif
