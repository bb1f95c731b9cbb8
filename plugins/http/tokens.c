/* tokens.c - see tokens.h. */
#include "tokens.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "token_file.h"
#include "workers.h"

#define LOOK_EVERY 500 /* ms */
#define PREFIX "drover_"
#define SECRET_SIZE 43 /* 256 bits in base64url */

int tokens_open(struct tokens *tokens, const char *path, struct drover_error *err)
{
	int code;

	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	*tokens = (struct tokens){ .path = strdup(path) };
	if (!tokens->path)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	code = token_file_read(path, &tokens->table, &tokens->look, err);
	if (code) {
		free(tokens->path);
		tokens->path = NULL;
		return code;
	}
	pthread_mutex_init(&tokens->lock, NULL);
	return 0;
}

void tokens_close(struct tokens *tokens)
{
	if (!tokens->path)
		return;
	token_table_dispose(&tokens->table);
	free(tokens->path);
	tokens->path = NULL;
	pthread_mutex_destroy(&tokens->lock);
}

/* Under the lock. What a file's look was is kept also when it is broken, so that it is logged once. */
static void read_again(struct tokens *tokens)
{
	struct drover_error err = { 0 };
	struct token_table table;
	struct file_look look;

	if (workers_now() < tokens->next_look)
		return;
	tokens->next_look = workers_now() + LOOK_EVERY;
	token_file_look(tokens->path, &look);
	if (file_look_equal(&look, &tokens->look))
		return;
	if (token_file_read(tokens->path, &table, &tokens->look, &err)) {
		drover_log(DROVER_LOG_ERROR, "the tokens that were read before stay in force: %s", err.message);
		return;
	}
	token_table_dispose(&tokens->table);
	tokens->table = table;
	drover_log(DROVER_LOG_INFO, "%s was read again: %zu tokens", tokens->path, table.count);
}

static int compare_id(const void *id, const void *token)
{
	return strcmp(id, ((const struct token *)token)->id);
}

static const struct token *look_up(const struct tokens *tokens, const char *id)
{
	if (!tokens->table.count)
		return NULL;
	return bsearch(id, tokens->table.items, tokens->table.count, sizeof(struct token), compare_id);
}

static int64_t utc_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool has_expired(const struct token *token)
{
	return token->expires && utc_now() >= token->expires;
}

/* Splits `drover_ID_SECRET`. An id has no `_`; a secret may. */
static bool split(const char *text, char id[TOKEN_ID_SIZE])
{
	const char *start = text + strlen(PREFIX), *end;

	if (strncmp(text, PREFIX, strlen(PREFIX)))
		return false;
	end = strchr(start, '_');
	if (!end || end == start || end - start >= TOKEN_ID_SIZE || strlen(end + 1) != SECRET_SIZE)
		return false;
	memcpy(id, start, (size_t)(end - start));
	id[end - start] = '\0';
	return true;
}

enum token_verdict tokens_find(struct tokens *tokens, const char *text, struct token *found)
{
	static const unsigned char nobody[TOKEN_HASH];
	enum token_verdict verdict = TOKEN_UNKNOWN;
	unsigned char hash[TOKEN_HASH];
	const struct token *token;
	char id[TOKEN_ID_SIZE];

	*found = (struct token){ .role = DROVER_ROLE_NONE };
	if (!split(text, id))
		return TOKEN_MALFORMED;
	/* Of the whole text: no two texts are one token, whatever base64 leaves open. */
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
	pthread_mutex_lock(&tokens->lock);
	read_again(tokens);
	token = look_up(tokens, id);
	if (!sodium_memcmp(token ? token->hash : nobody, hash, sizeof(hash)) && token) {
		verdict = has_expired(token) ? TOKEN_EXPIRED : TOKEN_GOOD;
		if (!token_copy(found, token))
			verdict = TOKEN_UNKNOWN;
	}
	pthread_mutex_unlock(&tokens->lock);
	return verdict;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool tokens_still(struct tokens *tokens, const struct token *token)
{
	const struct token *now;
	bool still;

	pthread_mutex_lock(&tokens->lock);
	read_again(tokens);
	now = look_up(tokens, token->id);
	still = now && !memcmp(now->hash, token->hash, sizeof(now->hash)) && now->role == token->role &&
		same_text(now->hosts, token->hosts) && !has_expired(now);
	pthread_mutex_unlock(&tokens->lock);
	return still;
}
