/* choice.c - see choice.h. */
#include "choice.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), mixed since names differ only at their ends. */
uint64_t choice_hash(const char *text, uint64_t seed)
{
	uint64_t hash = 0xcbf29ce484222325u ^ seed;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	return choice_mix(hash, seed);
}

/* The finaliser of splitmix64 (https://prng.di.unimi.it/splitmix64.c). */
uint64_t choice_mix(uint64_t hash, uint64_t salt)
{
	hash += salt + 0x9e3779b97f4a7c15u;
	hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
	hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
	return hash ^ (hash >> 31);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int set_share(const char *what, double share, struct choice *choice, struct drover_error *err)
{
	if (!(share >= 0 && share <= 1))
		return drover_error_set(err, DROVER_EINVALID, "%s: a share must be 0 to 1", what);
	choice->kind = share > 0 ? CHOICE_SHARE : CHOICE_NONE;
	choice->below = share >= 1 ? UINT64_MAX : (uint64_t)(share * 18446744073709551616.0);
	return 0;
}

static int set_names(const char *what, struct json_object *array, struct choice *choice, struct drover_error *err)
{
	size_t count = json_object_array_length(array);

	choice->names = calloc(count ? count : 1, sizeof(*choice->names));
	if (!choice->names)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		struct json_object *name = json_object_array_get_idx(array, i);

		if (!json_object_is_type(name, json_type_string))
			return drover_error_set(err, DROVER_EINVALID, "%s: the list must hold host names", what);
		choice->names[i] = json_object_get_string(name);
	}
	choice->names_count = count;
	choice->kind = CHOICE_NAMES;
	qsort(choice->names, count, sizeof(*choice->names), by_text);
	return 0;
}

int choice_parse_text(const char *what, const char *text, struct choice *choice, struct drover_error *err)
{
	char *end;
	double share;

	choice->salt = choice_hash(what, 0);
	if (!text || !*text)
		return 0;
	errno = 0;
	if (strchr(text, '/')) {
		choice->count = strtoll(text, &end, 10);
		if (end != text && *end == '/')
			choice->of = strtoll(end + 1, &end, 10);
		if (errno || *end || choice->count < 0 || choice->of < 1 || choice->count > choice->of)
			return drover_error_set(err, DROVER_EINVALID, "%s: \"%s\" is not a fraction like 1/30", what,
						text);
		choice->kind = choice->count ? CHOICE_EVERY : CHOICE_NONE;
		return 0;
	}
	share = strtod(text, &end);
	if (errno || end == text || *end)
		return drover_error_set(err, DROVER_EINVALID, "%s: \"%s\" is neither a fraction nor a share", what,
					text);
	return set_share(what, share, choice, err);
}

int choice_parse(const char *what, struct json_object *value, struct choice *choice, struct drover_error *err)
{
	choice_dispose(choice);
	choice->salt = choice_hash(what, 0);
	switch (json_object_get_type(value)) {
	case json_type_array:
		return set_names(what, value, choice, err);
	case json_type_string:
		return choice_parse_text(what, json_object_get_string(value), choice, err);
	case json_type_int:
	case json_type_double:
		return set_share(what, json_object_get_double(value), choice, err);
	default:
		return drover_error_set(err, DROVER_EINVALID,
					"%s: must be a fraction like \"1/30\", a share or a list of names", what);
	}
}

void choice_dispose(struct choice *choice)
{
	free(choice->names);
	*choice = (struct choice){ .kind = CHOICE_NONE };
}

bool choice_has(const struct choice *choice, const struct choice_host *host)
{
	switch (choice->kind) {
	case CHOICE_NONE:
		return false;
	case CHOICE_EVERY:
		return (int64_t)(host->place % (uint64_t)choice->of) >= choice->of - choice->count;
	case CHOICE_SHARE:
		return choice->below == UINT64_MAX || choice_mix(host->hash, choice->salt) < choice->below;
	case CHOICE_NAMES:
		return bsearch(&host->name, choice->names, choice->names_count, sizeof(*choice->names), by_text) !=
		       NULL;
	}
	return false;
}
