/* signers.c - see signers.h. */
#define _GNU_SOURCE /* strptime, timegm */
#include "signers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <sodium.h>

#include "link.h"

#define LOOK_EVERY 500 /* ms */
#define FILE_MAX (16 << 20)
#define PUBLIC "drover-signing-public1:"
#define PURPOSE "drover task 1\n" /* what a signature is for: none of this key is of use elsewhere */
#define BASE64 sodium_base64_VARIANT_ORIGINAL

/* ------------------------------------------------------------------------------------- one line */

static const char *text(struct json_object *object, const char *name)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

/* A member that this version does not know might have limited the signer further. */
static bool all_known(struct json_object *object)
{
	static const char *const known[] = { "name", "role", "hosts", "key", "expires", "created", NULL };

	json_object_object_foreach (object, key, value) {
		const char *const *name = known;

		(void)value;
		while (*name && strcmp(*name, key) != 0)
			name++;
		if (!*name)
			return false;
	}
	return true;
}

static bool read_key(const char *line, struct signer *signer)
{
	unsigned char digest[crypto_generichash_BYTES];
	const char *end;
	size_t size;

	if (!line || strncmp(line, PUBLIC, strlen(PUBLIC)) != 0)
		return false;
	line += strlen(PUBLIC);
	if (sodium_base642bin(signer->key, sizeof(signer->key), line, strlen(line), NULL, &size, &end, BASE64) ||
	    size != sizeof(signer->key) || *end)
		return false;
	crypto_generichash(digest, sizeof(digest), signer->key, sizeof(signer->key), NULL, 0);
	sodium_bin2hex(signer->id, sizeof(signer->id), digest, (SIGNER_ID_SIZE - 1) / 2);
	return true;
}

/* RFC 3339 in UTC, in ms; -1: malformed. */
static int64_t parse_time(const char *word)
{
	struct tm tm = { 0 };
	const char *rest = word ? strptime(word, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	return rest && !strcmp(rest, "Z") && tm.tm_year >= 70 ? (int64_t)timegm(&tm) * 1000 : -1;
}

/* NULL, or what is wrong. Whatever is not understood makes no signer: it could mean a limit. */
static const char *read_members(struct json_object *object, struct signer *signer)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
	const char *name = text(object, "name"), *role = text(object, "role");
	struct json_object *member;

	if (!all_known(object))
		return "it has a member that this version does not know";
	if (!name || !*name || strlen(name) >= SIGNER_NAME_SIZE || strspn(name, letters) != strlen(name))
		return "`name` must be 1 to 64 letters, digits, `.`, `_`, `@` and `-`";
	snprintf(signer->name, sizeof(signer->name), "%s", name);
	if (!role || (strcmp(role, "submit") != 0 && strcmp(role, "admin") != 0))
		return "`role` must be submit or admin";
	signer->role = *role == 'a' ? DROVER_ROLE_ADMIN : DROVER_ROLE_SUBMIT;
	if (json_object_object_get_ex(object, "hosts", &member) && member) {
		if (!text(object, "hosts") || !(signer->hosts = strdup(text(object, "hosts"))))
			return "`hosts` must be a node set";
		if (signer->role == DROVER_ROLE_ADMIN)
			return "an admin has no `hosts`";
	}
	if (json_object_object_get_ex(object, "expires", &member) && member &&
	    (signer->expires = parse_time(text(object, "expires"))) <= 0)
		return "`expires` must be a time as 2027-01-31T00:00:00Z";
	if (!read_key(text(object, "key"), signer))
		return "`key` must be a public key as `drover key` prints it: " PUBLIC "…";
	return NULL;
}

static const char *read_line(const char *line, size_t size, struct signer *signer)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *object;
	const char *wrong = "it is no JSON object";

	if (!tokener)
		return "not enough memory";
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)size);
	if (json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object))
		wrong = read_members(object, signer);
	json_object_put(object);
	json_tokener_free(tokener);
	return wrong;
}

/* ----------------------------------------------------------------------------------- the whole file */

static void forget(struct signers *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i].hosts);
	free(s->items);
	s->items = NULL;
	s->count = 0;
}

static const struct signer *find(const struct signers *s, const char *id)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->items[i].id, id))
			return &s->items[i];
	return NULL;
}

static int add_line(struct signers *s, int number, const char *line, size_t size, struct drover_error *err)
{
	struct signer *items = reallocarray(s->items, s->count + 1, sizeof(*items)), *signer;
	const char *wrong;

	if (!items)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	s->items = items;
	signer = &items[s->count];
	*signer = (struct signer){ .role = DROVER_ROLE_NONE };
	wrong = read_line(line, size, signer);
	if (!wrong && find(s, signer->id))
		wrong = "its key is there twice";
	s->count++;
	return wrong ? drover_error_set(err, DROVER_EINVALID, "%s:%d: %s", s->path, number, wrong) : 0;
}

/* Public keys are no secret; whoever may write here may submit. */
static int check_file(const char *path, const struct stat *st, struct drover_error *err)
{
	if (!S_ISREG(st->st_mode))
		return drover_error_set(err, DROVER_EINVALID, "%s is no ordinary file", path);
	if (st->st_mode & 022)
		return drover_error_set(err, DROVER_EINVALID, "%s may be written by others (mode %04o): chmod go-w it",
					path, (unsigned)(st->st_mode & 07777));
	if (st->st_uid && st->st_uid != geteuid())
		return drover_error_set(err, DROVER_EINVALID,
					"%s belongs to uid %u, not to this process's user or root", path,
					(unsigned)st->st_uid);
	if (st->st_size > FILE_MAX)
		return drover_error_set(err, DROVER_EINVALID, "%s is larger than %d bytes", path, FILE_MAX);
	return 0;
}

static int read_lines(struct signers *s, FILE *file, struct drover_error *err)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t size;
	int number = 0, code = 0;

	while (!code && (size = getline(&line, &room, file)) >= 0) {
		number++;
		if (size && line[size - 1] == '\n')
			size--;
		if (size)
			code = add_line(s, number, line, (size_t)size, err);
	}
	if (!code && ferror(file))
		code = drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", s->path, strerror(errno));
	free(line);
	return code;
}

/* On an error the signers stay as they were; the file's look is kept in any case. */
static int read_file(struct signers *s, struct drover_error *err)
{
	struct signers fresh = { .path = s->path };
	FILE *file = fopen(s->path, "re");
	int code;

	if (!file)
		return drover_error_set(err, DROVER_EINVALID, "cannot read %s: %s", s->path, strerror(errno));
	code = fstat(fileno(file), &s->look)
		       ? drover_error_set(err, DROVER_EFAULT, "cannot look at %s: %s", s->path, strerror(errno))
		       : check_file(s->path, &s->look, err);
	if (!code)
		code = read_lines(&fresh, file, err);
	fclose(file);
	if (code) {
		forget(&fresh);
		return code;
	}
	forget(s);
	s->items = fresh.items;
	s->count = fresh.count;
	return 0;
}

static bool looks_equal(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void read_again(struct signers *s)
{
	struct stat look = { 0 };
	struct drover_error err = { 0 };

	if (link_now() < s->next_look)
		return;
	s->next_look = link_now() + LOOK_EVERY;
	if (stat(s->path, &look))
		memset(&look, 0, sizeof(look));
	if (looks_equal(&look, &s->look))
		return;
	s->look = look;
	if (read_file(s, &err))
		drover_log(DROVER_LOG_ERROR, "the producers that were read before stay in force: %s", err.message);
	else
		drover_log(DROVER_LOG_INFO, "%s was read again: %zu producers", s->path, s->count);
}

int signers_open(struct signers *s, const char *path, const char *cluster, int64_t max_age, struct drover_error *err)
{
	*s = (struct signers){ .path = path, .cluster = cluster, .max_age = max_age };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	return read_file(s, err);
}

void signers_close(struct signers *s)
{
	forget(s);
}

/* ---------------------------------------------------------------------------------- one message */

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

static bool verify(const struct signers *s, const struct signer *signer, const struct signed_message *message)
{
	unsigned char signature[crypto_sign_BYTES];
	const char *end;
	size_t size;
	char *whole;
	bool good;

	if (sodium_base642bin(signature, sizeof(signature), message->signature, strlen(message->signature), NULL, &size,
			      &end, BASE64) ||
	    size != sizeof(signature) || *end)
		return false;
	size = strlen(PURPOSE) + strlen(s->cluster) + strlen(message->expires) + 2;
	whole = malloc(size + message->size + 1);
	if (!whole)
		return false;
	snprintf(whole, size + 1, "%s%s\n%s\n", PURPOSE, s->cluster, message->expires);
	if (message->size)
		memcpy(whole + size, message->value, message->size);
	good = !crypto_sign_verify_detached(signature, (unsigned char *)whole, size + message->size, signer->key);
	free(whole);
	return good;
}

int signers_verify(struct signers *s, const struct signed_message *message, struct drover_principal *by,
		   struct drover_error *err)
{
	const struct signer *signer;
	int64_t expires, now = utc_now();

	read_again(s);
	if (!message->key || !message->expires || !message->signature)
		return denied(err, "it is not signed: headers drover-key, drover-expires and drover-signature are "
				   "needed (`drover key sign-task')");
	signer = find(s, message->key);
	if (!signer)
		return denied(err, "it is signed by a key that is none of the producers'");
	if (!verify(s, signer, message))
		return denied(err, "its signature is wrong: it was altered, or is for another cluster");
	if (signer->expires && now >= signer->expires)
		return denied(err, "its producer's key has expired");
	expires = read_expires(message->expires);
	if (expires <= now)
		return denied(err, "its signature has expired");
	if (expires > now + s->max_age)
		return denied(err, "its signature expires later than `max_age' allows");
	*by = (struct drover_principal){ .size = sizeof(*by),
					 .name = signer->name,
					 .role = signer->role,
					 .hosts = signer->hosts,
					 .admin = signer->role == DROVER_ROLE_ADMIN,
					 .token = signer->id };
	return 0;
}
