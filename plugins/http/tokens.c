/* tokens.c - see tokens.h. */
#include "tokens.h"

#include <string.h>

#include <json-c/json.h>
#include <sodium.h>

#define PREFIX "drover_"
#define SECRET_SIZE 43 /* 256 bits in base64url */

static const char *read_members(struct json_object *line, struct principal *token)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	const char *id = principal_text(line, "id"), *hash = principal_text(line, "hash"), *end = NULL;
	size_t size = id ? strlen(id) : 0;

	if (!size || size >= sizeof(token->id) || strspn(id, lower) != size)
		return "`id` must be 1 to 32 of a-z and 0-9";
	memcpy(token->id, id, size + 1);
	if (!hash || strlen(hash) != 2 * sizeof(token->proof) ||
	    sodium_hex2bin(token->proof, sizeof(token->proof), hash, strlen(hash), NULL, &size, &end) || *end ||
	    size != sizeof(token->proof))
		return "`hash` must be 64 hexadecimal digits";
	return NULL;
}

static const char *const members[] = { "id", "hash", NULL };
static const struct principals_kind kind = {
	.noun = "tokens", .id_noun = "id", .members = members, .readers = true, .secret = true, .read = read_members
};

int tokens_open(struct tokens *tokens, const char *path, struct drover_error *err)
{
	int code = principals_open(&tokens->file, &kind, path, err);

	if (!code)
		pthread_mutex_init(&tokens->lock, NULL);
	return code;
}

void tokens_close(struct tokens *tokens)
{
	if (!tokens->file.path)
		return;
	principals_close(&tokens->file);
	pthread_mutex_destroy(&tokens->lock);
}

/* Splits `drover_ID_SECRET`. An id has no `_`; a secret may. */
static bool split(const char *text, char id[PRINCIPAL_ID_SIZE])
{
	const char *start = text + strlen(PREFIX), *end;

	if (strncmp(text, PREFIX, strlen(PREFIX)))
		return false;
	end = strchr(start, '_');
	if (!end || end == start || end - start >= PRINCIPAL_ID_SIZE || strlen(end + 1) != SECRET_SIZE)
		return false;
	memcpy(id, start, (size_t)(end - start));
	id[end - start] = '\0';
	return true;
}

enum token_verdict tokens_find(struct tokens *tokens, const char *text, struct principal *found)
{
	static const unsigned char nobody[PRINCIPAL_PROOF_SIZE];
	enum token_verdict verdict = TOKEN_UNKNOWN;
	unsigned char hash[PRINCIPAL_PROOF_SIZE];
	const struct principal *token;
	char id[PRINCIPAL_ID_SIZE];

	*found = (struct principal){ .role = DROVER_ROLE_NONE };
	if (!split(text, id))
		return TOKEN_MALFORMED;
	/* Of the whole text: no two texts are one token, whatever base64 leaves open. */
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
	pthread_mutex_lock(&tokens->lock);
	principals_refresh(&tokens->file);
	token = principals_find(&tokens->file, id);
	if (!sodium_memcmp(token ? token->proof : nobody, hash, sizeof(hash)) && token) {
		verdict = principal_has_expired(token) ? TOKEN_EXPIRED : TOKEN_GOOD;
		if (!principal_copy(found, token))
			verdict = TOKEN_UNKNOWN;
	}
	pthread_mutex_unlock(&tokens->lock);
	return verdict;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool tokens_still(struct tokens *tokens, const struct principal *token)
{
	const struct principal *now;
	bool still;

	pthread_mutex_lock(&tokens->lock);
	principals_refresh(&tokens->file);
	now = principals_find(&tokens->file, token->id);
	still = now && !memcmp(now->proof, token->proof, sizeof(now->proof)) && now->role == token->role &&
		same_text(now->hosts, token->hosts) && !principal_has_expired(now);
	pthread_mutex_unlock(&tokens->lock);
	return still;
}
