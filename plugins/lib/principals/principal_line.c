/* principal_line.c - see principal_line.h; and what there is to know of one principal. */
#define _GNU_SOURCE /* strptime, timegm */
#include "principals/principal_line.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>
#include <sodium.h>

static const char *const shared_members[] = { "name", "role", "hosts", "created", "expires", NULL };

const char *principal_text(struct json_object *line, const char *member)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(line, member, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	text = json_object_get_string(value);
	return strlen(text) == (size_t)json_object_get_string_len(value) ? text
									 : NULL; /* an inner NUL cuts nothing off */
}

static bool is_there(struct json_object *line, const char *member)
{
	struct json_object *value;

	return json_object_object_get_ex(line, member, &value) && value;
}

static bool is_one_of(const char *const *words, const char *word)
{
	while (*words && strcmp(*words, word) != 0)
		words++;
	return *words;
}

/* A member that this version does not know might have limited the principal further. */
static bool all_known(const struct principals_kind *kind, struct json_object *line)
{
	json_object_object_foreach (line, key, value) {
		(void)value;
		if (!is_one_of(shared_members, key) && !is_one_of(kind->members, key))
			return false;
	}
	return true;
}

static bool read_name(struct json_object *line, struct principal *principal)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-";
	const char *name = principal_text(line, "name");
	size_t size = name ? strlen(name) : 0;

	if (!size || size >= sizeof(principal->name) || strspn(name, letters) != size)
		return false;
	memcpy(principal->name, name, size + 1);
	return true;
}

static enum drover_role read_role(const struct principals_kind *kind, struct json_object *line)
{
	static const char *const words[] = {
		[DROVER_ROLE_READ] = "read", [DROVER_ROLE_SUBMIT] = "submit", [DROVER_ROLE_ADMIN] = "admin"
	};
	const char *word = principal_text(line, "role");

	for (int i = kind->readers ? DROVER_ROLE_READ : DROVER_ROLE_SUBMIT; word && i <= DROVER_ROLE_ADMIN; i++)
		if (!strcmp(word, words[i]))
			return (enum drover_role)i;
	return DROVER_ROLE_NONE;
}

/* RFC 3339 in UTC, in ms; -1: malformed. A fraction of a second, as `drover token` writes it, is dropped. */
static int64_t parse_time(const char *word)
{
	struct tm tm = { 0 };
	const char *rest = word ? strptime(word, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	return rest && !strcmp(rest, "Z") && tm.tm_year >= 70 ? (int64_t)timegm(&tm) * 1000 : -1;
}

static const char *read_members(const struct principals_kind *kind, struct json_object *line,
				struct principal *principal)
{
	if (!all_known(kind, line))
		return "it has a member that this version does not know";
	if (!read_name(line, principal))
		return "`name` must be 1 to 64 letters, digits, `.`, `_`, `@` and `-`";
	principal->role = read_role(kind, line);
	if (!principal->role)
		return kind->readers ? "`role` must be read, submit or admin" : "`role` must be submit or admin";
	if (is_there(line, "hosts")) {
		const char *hosts = principal_text(line, "hosts");

		if (!hosts)
			return "`hosts` must be a node set";
		if (principal->role == DROVER_ROLE_ADMIN)
			return "an admin has no `hosts`";
		principal->hosts = strdup(hosts);
		if (!principal->hosts)
			return "not enough memory";
	}
	if (is_there(line, "expires")) {
		principal->expires = parse_time(principal_text(line, "expires"));
		if (principal->expires <= 0)
			return "`expires` must be a time as 2027-01-31T00:00:00Z";
	}
	return kind->read(line, principal);
}

const char *principal_line_read(const struct principals_kind *kind, const char *line, size_t size,
				struct principal *principal)
{
	struct json_tokener *tokener = json_tokener_new_ex(4);
	struct json_object *object;
	const char *wrong = "it is no JSON object";

	if (!tokener)
		return "not enough memory";
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = json_tokener_parse_ex(tokener, line, (int)size);
	if (json_tokener_get_error(tokener) == json_tokener_success && json_object_is_type(object, json_type_object))
		wrong = read_members(kind, object, principal);
	json_object_put(object);
	json_tokener_free(tokener);
	return wrong;
}

/* ---------------------------------------------------------------------------------- one principal */

bool principal_has_expired(const struct principal *principal)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return principal->expires && (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 >= principal->expires;
}

void principal_describe(const struct principal *principal, struct drover_principal *by)
{
	by->name = principal->name;
	by->role = principal->role;
	by->hosts = principal->hosts;
	by->admin = principal->role == DROVER_ROLE_ADMIN;
	by->token = principal->id;
}

/* A copy without its node set would be worth more than the principal: there is none then. */
bool principal_copy(struct principal *to, const struct principal *from)
{
	char *hosts = from->hosts ? strdup(from->hosts) : NULL;

	*to = (struct principal){ .role = DROVER_ROLE_NONE };
	if (from->hosts && !hosts)
		return false;
	*to = *from;
	to->hosts = hosts;
	return true;
}

void principal_dispose(struct principal *principal)
{
	free(principal->hosts);
	sodium_memzero(principal, sizeof(*principal));
}
