/* token_file.c - see token_file.h. */
#define _GNU_SOURCE
#include "token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>
#include <sodium.h>

#define FILE_MAX (16 << 20)

static struct file_look look_of(const struct stat *st)
{
	return (struct file_look){ st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim };
}

bool token_file_look(const char *path, struct file_look *look)
{
	struct stat st;

	*look = (struct file_look){ 0 };
	if (stat(path, &st))
		return false;
	*look = look_of(&st);
	return true;
}

bool file_look_equal(const struct file_look *a, const struct file_look *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* A copy without its node set would be worth more than the token: there is none then. */
bool token_copy(struct token *to, const struct token *from)
{
	char *hosts = from->hosts ? strdup(from->hosts) : NULL;

	*to = (struct token){ .role = DROVER_ROLE_NONE };
	if (from->hosts && !hosts)
		return false;
	*to = *from;
	to->hosts = hosts;
	return true;
}

void token_dispose(struct token *token)
{
	free(token->hosts);
	sodium_memzero(token, sizeof(*token));
}

void token_table_dispose(struct token_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		token_dispose(&table->items[i]);
	free(table->items);
	*table = (struct token_table){ NULL, 0 };
}

/* ------------------------------------------------------------------------------------- one line */

static const char *text(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static bool copy(char *to, size_t room, const char *from, const char *letters)
{
	size_t size = from ? strlen(from) : 0;

	if (!size || size >= room || strspn(from, letters) != size)
		return false;
	memcpy(to, from, size + 1);
	return true;
}

static enum drover_role parse_role(const char *word)
{
	static const char *const words[] = {
		[DROVER_ROLE_READ] = "read", [DROVER_ROLE_SUBMIT] = "submit", [DROVER_ROLE_ADMIN] = "admin"
	};

	for (int i = DROVER_ROLE_READ; word && i <= DROVER_ROLE_ADMIN; i++)
		if (!strcmp(word, words[i]))
			return (enum drover_role)i;
	return DROVER_ROLE_NONE;
}

/* RFC 3339 in UTC, as `drover token` writes it, in ms; -1: malformed. */
static int64_t parse_time(const char *word)
{
	struct tm tm = { 0 };
	const char *rest = strptime(word, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return rest && !strcmp(rest, "Z") && tm.tm_year >= 70 ? (int64_t)timegm(&tm) * 1000 : -1;
}

static const char *const known[] = { "id", "name", "role", "hosts", "created", "expires", "hash", NULL };

/* A member that this version does not know might have limited the token further. */
static const char *unknown_member(struct json_object *object)
{
	json_object_object_foreach (object, key, value) {
		bool found = false;

		(void)value;
		for (int i = 0; known[i]; i++)
			found |= !strcmp(known[i], key);
		if (!found)
			return "it has a member that this version does not know";
	}
	return NULL;
}

/* NULL, or what is wrong. Whatever is not understood makes no token: it could mean a limit. */
static const char *read_members(struct json_object *object, struct token *token)
{
	static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
	struct json_object *hosts, *expires;
	const char *hash = text(object, "hash"), *end = NULL, *wrong = unknown_member(object);
	size_t size = 0;

	if (wrong)
		return wrong;
	if (!copy(token->id, sizeof(token->id), text(object, "id"), lower))
		return "`id` must be 1 to 32 of a-z and 0-9";
	if (!copy(token->name, sizeof(token->name), text(object, "name"), letters))
		return "`name` must be 1 to 64 letters, digits, `.`, `_`, `@` and `-`";
	token->role = parse_role(text(object, "role"));
	if (!token->role)
		return "`role` must be read, submit or admin";
	if (json_object_object_get_ex(object, "hosts", &hosts) && hosts) {
		if (!text(object, "hosts") || !(token->hosts = strdup(text(object, "hosts"))))
			return "`hosts` must be a node set";
		if (token->role == DROVER_ROLE_ADMIN)
			return "an admin's token has no `hosts`";
	}
	if (json_object_object_get_ex(object, "expires", &expires) && expires) {
		token->expires = text(object, "expires") ? parse_time(text(object, "expires")) : -1;
		if (token->expires <= 0)
			return "`expires` must be a time as 2027-01-31T00:00:00Z";
	}
	if (!hash || strlen(hash) != 2 * TOKEN_HASH ||
	    sodium_hex2bin(token->hash, sizeof(token->hash), hash, strlen(hash), NULL, &size, &end) || *end ||
	    size != TOKEN_HASH)
		return "`hash` must be 64 hexadecimal digits";
	return NULL;
}

static const char *read_line(const char *line, size_t size, struct token *token)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *object;
	const char *wrong = "it is no JSON object";

	if (!tokener)
		return "not enough memory";
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)size);
	if (json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object))
		wrong = read_members(object, token);
	json_object_put(object);
	json_tokener_free(tokener);
	return wrong;
}

/* ----------------------------------------------------------------------------------- the whole file */

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct token *)a)->id, ((const struct token *)b)->id);
}

static int add_line(struct token_table *table, const char *path, int number, const char *line, size_t size,
		    struct drover_error *err)
{
	struct token *items = reallocarray(table->items, table->count + 1, sizeof(*items));
	const char *wrong;

	if (!items)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	table->items = items;
	items[table->count] = (struct token){ .role = DROVER_ROLE_NONE };
	wrong = read_line(line, size, &items[table->count++]);
	return wrong ? drover_error_set(err, DROVER_EINVALID, "%s:%d: %s", path, number, wrong) : 0;
}

static int parse(const char *path, const char *data, size_t size, struct token_table *table, struct drover_error *err)
{
	int number = 1, code = 0;

	for (size_t at = 0; at < size && !code; number++) {
		const char *end = memchr(data + at, '\n', size - at);
		size_t length = end ? (size_t)(end - data) - at : size - at;

		if (length)
			code = add_line(table, path, number, data + at, length, err);
		at += length + 1;
	}
	if (code)
		return code;
	if (table->count)
		qsort(table->items, table->count, sizeof(*table->items), by_id);
	for (size_t i = 1; i < table->count; i++)
		if (!by_id(&table->items[i - 1], &table->items[i]))
			return drover_error_set(err, DROVER_EINVALID, "%s: the id %s is there twice", path,
						table->items[i].id);
	return 0;
}

static int check_file(const char *path, const struct stat *st, struct drover_error *err)
{
	if (!S_ISREG(st->st_mode))
		return drover_error_set(err, DROVER_EINVALID, "%s is no ordinary file", path);
	if (st->st_mode & 077)
		return drover_error_set(err, DROVER_EINVALID, "%s has mode %04o, others can get at it: chmod 600", path,
					(unsigned)(st->st_mode & 07777));
	if (st->st_uid && st->st_uid != geteuid())
		return drover_error_set(err, DROVER_EINVALID,
					"%s belongs to uid %u, not to this process's user or root", path,
					(unsigned)st->st_uid);
	if (st->st_size > FILE_MAX)
		return drover_error_set(err, DROVER_EINVALID, "%s is larger than %d bytes", path, FILE_MAX);
	return 0;
}

static int read_all(int fd, const char *path, char *data, size_t size, struct drover_error *err)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, data + got, size - got);

		if (n <= 0)
			return drover_error_set(err, DROVER_EINVALID, "cannot read %s: %s", path,
						n ? strerror(errno) : "it became shorter");
		got += (size_t)n;
	}
	return 0;
}

int token_file_read(const char *path, struct token_table *table, struct file_look *look, struct drover_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), code;
	char *data = NULL;
	struct stat st;

	*table = (struct token_table){ NULL, 0 };
	*look = (struct file_look){ 0 };
	if (fd < 0 || fstat(fd, &st)) {
		code = drover_error_set(err, DROVER_EINVALID, "cannot read the tokens in %s: %s", path,
					strerror(errno));
		goto out;
	}
	*look = look_of(&st);
	code = check_file(path, &st, err);
	if (code)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		code = drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	if (!code)
		code = read_all(fd, path, data, (size_t)st.st_size, err);
	if (!code)
		code = parse(path, data, (size_t)st.st_size, table, err);
out:
	if (code)
		token_table_dispose(table);
	free(data);
	if (fd >= 0)
		close(fd);
	return code;
}
