/* signers.c - see signers.h. */
#include "signers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include <drover/signing.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

_Static_assert(PRINCIPAL_PROOF_SIZE == DROVER_SIGNING_KEY_SIZE, "a producer's proof is its public key");
_Static_assert(PRINCIPAL_ID_SIZE >= DROVER_SIGNING_ID_TEXT, "a producer's id is its key's");

static bool decode(const char *text, unsigned char *to, size_t size)
{
	const char *end;
	size_t got;

	return !sodium_base642bin(to, size, text, strlen(text), NULL, &got, &end, BASE64) && got == size && !*end;
}

static const char *read_members(struct json_object *line, struct principal *signer)
{
	const char *key = principal_text(line, "key");
	unsigned char digest[crypto_generichash_BYTES];

	if (!key || strncmp(key, DROVER_SIGNING_PUBLIC, strlen(DROVER_SIGNING_PUBLIC)) != 0 ||
	    !decode(key + strlen(DROVER_SIGNING_PUBLIC), signer->proof, sizeof(signer->proof)))
		return "`key` must be a public key as `drover key` prints it: " DROVER_SIGNING_PUBLIC "…";
	crypto_generichash(digest, sizeof(digest), signer->proof, sizeof(signer->proof), NULL, 0);
	sodium_bin2hex(signer->id, sizeof(signer->id), digest, DROVER_SIGNING_ID_SIZE);
	return NULL;
}

static const char *const members[] = { "key", NULL };
static const struct principals_kind kind = {
	.noun = "producers", .id_noun = "key", .members = members, .read = read_members
};

int signers_open(struct signers *s, const char *path, const char *cluster, int64_t max_age, struct drover_error *err)
{
	*s = (struct signers){ .cluster = cluster, .max_age = max_age };
	return principals_open(&s->file, &kind, path, err);
}

void signers_close(struct signers *s)
{
	principals_close(&s->file);
}

static int denied(struct drover_error *err, const char *why)
{
	return drover_error_set(err, DROVER_EDENIED, "%s", why);
}

static int64_t utc_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Seconds as they were signed; in ms. -1: no such number. */
static int64_t read_expires(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	return digits && digits <= 12 && !word[digits] ? strtoll(word, NULL, 10) * 1000 : -1;
}

static bool verify(const struct signers *s, const struct principal *signer, const struct signed_message *message)
{
	unsigned char signature[crypto_sign_BYTES], *whole;
	size_t size;
	bool good;

	if (!decode(message->signature, signature, sizeof(signature)))
		return false;
	whole = drover_signed_task(s->cluster, message->expires, message->value, message->size, &size);
	good = whole && !crypto_sign_verify_detached(signature, whole, size, signer->proof);
	free(whole);
	return good;
}

int signers_verify(struct signers *s, const struct signed_message *message, struct drover_principal *by,
		   struct drover_error *err)
{
	const struct principal *signer;
	int64_t expires, now = utc_now();

	principals_refresh(&s->file);
	if (!message->key || !message->expires || !message->signature)
		return denied(err, "it is not signed: headers " DROVER_SIGNED_KEY ", " DROVER_SIGNED_EXPIRES
				   " and " DROVER_SIGNED_SIGNATURE " are needed (`drover key sign-task')");
	signer = principals_find(&s->file, message->key);
	if (!signer)
		return denied(err, "it is signed by a key that is none of the producers'");
	if (!verify(s, signer, message))
		return denied(err, "its signature is wrong: it was altered, or is for another cluster");
	if (principal_has_expired(signer))
		return denied(err, "its producer's key has expired");
	expires = read_expires(message->expires);
	if (expires <= now)
		return denied(err, "its signature has expired");
	if (expires > now + s->max_age)
		return denied(err, "its signature expires later than `max_age' allows");
	*by = (struct drover_principal){ .size = sizeof(*by) };
	principal_describe(signer, by);
	return 0;
}
