/* signing_keys.c - see signing_keys.h. */
#include "task/signing_keys.h"

#include <json-c/json.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/buf.h"

#define BASE64 sodium_base64_VARIANT_ORIGINAL
#define BLANKS " \t\r\n"
#define PURPOSE "drover unit 1" /* what a signature is for: none of this key is of use elsewhere */
#define LIFE_DEFAULT (7 * 86400 * INT64_C(1000))
#define LIMIT_DEFAULT (900 * 1024)

struct key_set {
	struct signing_key signing; /* has_private: there is one */
	struct signing_key *believed;
	size_t count;
	int64_t life, limit;
};

struct signing_keys {
	char *cluster;
	pthread_rwlock_t *lock;
	struct key_set set;
};

/* ------------------------------------------------------------------------------------------- one key */

static void fill_id(struct signing_key *key)
{
	unsigned char digest[crypto_generichash_BYTES];

	crypto_generichash(digest, sizeof(digest), key->public, sizeof(key->public), NULL, 0);
	memcpy(key->id, digest, sizeof(key->id));
}

static bool decode(const char *text, unsigned char to[32])
{
	const char *end;
	size_t got;

	return !sodium_base642bin(to, 32, text, strlen(text), BLANKS, &got, &end, BASE64) && got == 32 && !*end;
}

int signing_key_parse(const char *line, struct signing_key *key, struct drover_error *err)
{
	unsigned char seed[crypto_sign_SEEDBYTES];
	bool good = false;

	*key = (struct signing_key){ .has_private = false };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	line += strspn(line, BLANKS);
	if (!strncmp(line, DROVER_SIGNING_PRIVATE, strlen(DROVER_SIGNING_PRIVATE))) {
		good = decode(line + strlen(DROVER_SIGNING_PRIVATE), seed);
		if (good)
			crypto_sign_seed_keypair(key->public, key->private, seed);
		key->has_private = good;
		sodium_memzero(seed, sizeof(seed));
	} else if (!strncmp(line, DROVER_SIGNING_PUBLIC, strlen(DROVER_SIGNING_PUBLIC))) {
		good = decode(line + strlen(DROVER_SIGNING_PUBLIC), key->public);
	}
	if (!good)
		return drover_error_set(err, DROVER_EINVALID,
					"is no key that signs units: `drover key generate -o FILE' makes a pair");
	fill_id(key);
	return 0;
}

int signing_key_make(struct signing_key *key, struct drover_error *err)
{
	*key = (struct signing_key){ .has_private = true };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	crypto_sign_keypair(key->public, key->private);
	fill_id(key);
	return 0;
}

static void key_text(const char *label, const unsigned char bytes[32], char *text)
{
	size_t size = strlen(label);

	memcpy(text, label, size);
	sodium_bin2base64(text + size, SIGNING_KEY_TEXT - size, bytes, 32, BASE64);
}

void signing_key_private_text(const struct signing_key *key, char *text)
{
	key_text(DROVER_SIGNING_PRIVATE, key->private, text); /* libsodium's begins with the seed */
}

void signing_key_public_text(const struct signing_key *key, char *text)
{
	key_text(DROVER_SIGNING_PUBLIC, key->public, text);
}

void signing_key_id_text(const unsigned char *id, char *text)
{
	sodium_bin2hex(text, DROVER_SIGNING_ID_TEXT, id, DROVER_SIGNING_ID_SIZE);
}

/* --------------------------------------------------------------------------------------- a cluster's */

static void set_dispose(struct key_set *set)
{
	sodium_memzero(&set->signing, sizeof(set->signing));
	free(set->believed);
	*set = (struct key_set){ .count = 0 };
}

static void believe(struct key_set *set, const struct signing_key *key)
{
	set->believed = xrealloc(set->believed, (set->count + 1) * sizeof(*set->believed));
	set->believed[set->count] = *key;
	sodium_memzero(set->believed[set->count].private, sizeof(key->private));
	set->believed[set->count++].has_private = false;
}

static int read_signing(struct key_set *set, const char *line, struct drover_error *err)
{
	struct drover_error why = { 0 };
	int code = signing_key_parse(line, &set->signing, &why);

	if (code)
		return drover_error_set(err, code, "cluster.signing_key: %s", why.message);
	if (!set->signing.has_private)
		return drover_error_set(err, DROVER_EINVALID,
					"cluster.signing_key: is a public key, which verifies: the private one signs");
	believe(set, &set->signing);
	return 0;
}

static int set_read(struct json_object *cluster, struct key_set *set, struct drover_error *err)
{
	struct json_object *public = json_object_object_get(cluster, "public_keys"), *member;
	const char *private = json_object_get_string(json_object_object_get(cluster, "signing_key"));
	size_t count = json_object_is_type(public, json_type_array) ? json_object_array_length(public) : 0;
	int code = private ? read_signing(set, private, err) : 0;

	set->life =
		json_object_object_get_ex(cluster, "unit_life", &member) ? json_object_get_int64(member) : LIFE_DEFAULT;
	set->limit = json_object_object_get_ex(cluster, "unit_limit", &member) ? json_object_get_int64(member)
									       : LIMIT_DEFAULT;
	for (size_t i = 0; i < count && !code; i++) {
		const char *line = json_object_get_string(json_object_array_get_idx(public, i));
		struct drover_error why = { 0 };
		struct signing_key key;

		code = signing_key_parse(line ? line : "", &key, &why);
		if (!code)
			believe(set, &key);
		else
			drover_error_set(err, code, "cluster.public_keys[%zu]: %s", i, why.message);
		sodium_memzero(key.private, sizeof(key.private));
	}
	return code;
}

int signing_keys_read(struct json_object *cluster, struct signing_keys **keys, struct drover_error *err)
{
	const char *name = json_object_get_string(json_object_object_get(cluster, "name"));
	struct signing_keys *made = *keys = xcalloc(1, sizeof(*made));

	made->cluster = xstrdup(name ? name : "");
	made->lock = xmalloc(sizeof(*made->lock));
	pthread_rwlock_init(made->lock, NULL);
	return set_read(cluster, &made->set, err);
}

int signing_keys_update(struct signing_keys *keys, struct json_object *cluster, struct drover_error *err)
{
	struct key_set set = { .count = 0 }, old;
	int code = set_read(cluster, &set, err);

	if (!code) {
		pthread_rwlock_wrlock(keys->lock);
		old = keys->set;
		keys->set = set;
		pthread_rwlock_unlock(keys->lock);
		sodium_memzero(&set.signing, sizeof(set.signing));
		set = old;
		sodium_memzero(&old.signing, sizeof(old.signing));
	}
	set_dispose(&set);
	return code;
}

void signing_keys_free(struct signing_keys *keys)
{
	if (!keys)
		return;
	set_dispose(&keys->set);
	pthread_rwlock_destroy(keys->lock);
	free(keys->lock);
	free(keys->cluster);
	free(keys);
}

const char *signing_keys_cluster(const struct signing_keys *keys)
{
	return keys ? keys->cluster : "";
}

struct facts {
	bool signs, verifies;
	int64_t life, limit;
};

/* As it is at present. */
static struct facts look(const struct signing_keys *keys)
{
	struct facts facts = { .life = LIFE_DEFAULT, .limit = LIMIT_DEFAULT };

	if (!keys)
		return facts;
	pthread_rwlock_rdlock(keys->lock);
	facts = (struct facts){ .signs = keys->set.signing.has_private,
				.verifies = keys->set.count > 0,
				.life = keys->set.life,
				.limit = keys->set.limit };
	pthread_rwlock_unlock(keys->lock);
	return facts;
}

bool signing_keys_can_sign(const struct signing_keys *keys)
{
	return look(keys).signs;
}

bool signing_keys_can_verify(const struct signing_keys *keys)
{
	return look(keys).verifies;
}

int64_t signing_keys_life(const struct signing_keys *keys)
{
	return look(keys).life;
}

int64_t signing_keys_limit(const struct signing_keys *keys)
{
	return look(keys).limit;
}

/* ------------------------------------------------------------------------------------------ signatures */

/* The bytes that are signed: what for, whose key, what. */
static void signed_bytes(struct buf *bytes, const unsigned char *id, const void *text, size_t size)
{
	buf_reserve(bytes, strlen(PURPOSE) + DROVER_SIGNING_ID_SIZE + size);
	buf_append(bytes, PURPOSE, strlen(PURPOSE));
	buf_append(bytes, id, DROVER_SIGNING_ID_SIZE);
	buf_append(bytes, text, size);
}

int signing_keys_sign(const struct signing_keys *keys, const void *text, size_t size, unsigned char *id,
		      unsigned char *signature, struct drover_error *err)
{
	struct buf bytes = BUF_INIT;
	bool has_private = false;

	if (keys) {
		pthread_rwlock_rdlock(keys->lock);
		has_private = keys->set.signing.has_private;
		if (has_private) {
			memcpy(id, keys->set.signing.id, DROVER_SIGNING_ID_SIZE);
			signed_bytes(&bytes, id, text, size);
			crypto_sign_detached(signature, NULL, (const unsigned char *)bytes.data, bytes.size,
					     keys->set.signing.private);
		}
		pthread_rwlock_unlock(keys->lock);
	}
	buf_dispose(&bytes);
	return has_private ? 0 : drover_error_set(err, DROVER_EFAULT, "this node has no key that signs units");
}

int signing_keys_verify(const struct signing_keys *keys, const unsigned char *id, const unsigned char *signature,
			const void *text, size_t size, struct drover_error *err)
{
	struct buf bytes = BUF_INIT;
	bool known = false, good = false;
	char name[DROVER_SIGNING_ID_TEXT];

	if (keys) {
		pthread_rwlock_rdlock(keys->lock);
		for (size_t i = 0; i < keys->set.count && !good; i++) {
			const struct signing_key *key = &keys->set.believed[i];

			if (memcmp(key->id, id, DROVER_SIGNING_ID_SIZE) != 0)
				continue;
			if (!known)
				signed_bytes(&bytes, id, text, size);
			known = true;
			good = !crypto_sign_verify_detached(signature, (const unsigned char *)bytes.data, bytes.size,
							    key->public);
		}
		pthread_rwlock_unlock(keys->lock);
	}
	buf_dispose(&bytes);
	if (good)
		return 0;
	signing_key_id_text(id, name);
	return drover_error_set(err, known ? DROVER_EDENIED : DROVER_ENOTFOUND,
				known ? "it was altered: the key %s has not signed that"
				      : "it is signed by the key %s, which is not one of cluster.public_keys",
				name);
}
