/* first_generation_query.c - what a GET of the first generation asks for. */
#define _GNU_SOURCE
#include "first_generation.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "params.h"

struct given {
	struct request *r;
	char *task_id, *ip, *ips; /* owned; the last one, where one is given twice */
};

/* As forms are encoded, so that a client's library may write `+` for a blank. */
static char *decode(const char *text, size_t size)
{
	char *copy = malloc(size + 1), *decoded;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < size; i++)
		copy[i] = text[i] == '+' ? ' ' : text[i];
	decoded = params_decode(copy, size);
	free(copy);
	return decoded;
}

static enum MHD_Result take(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
			    const char *value, size_t value_size)
{
	struct given *given = context;
	char **to = NULL;

	(void)kind;
	if (name_size == 7 && !memcmp(name, "task_id", 7))
		to = &given->task_id;
	else if (name_size == 2 && !memcmp(name, "ip", 2))
		to = &given->ip;
	else if (name_size == 3 && !memcmp(name, "ips", 3))
		to = &given->ips;
	if (!to)
		return MHD_YES;
	free(*to);
	*to = decode(value ? value : "", value_size);
	return MHD_YES;
}

static bool add_name(char **names, size_t *count, const char *name, size_t size)
{
	char *copy;

	for (size_t i = 0; i < *count; i++)
		if (strlen(names[i]) == size && !memcmp(names[i], name, size))
			return true;
	copy = strndup(name, size);
	if (!copy)
		return false;
	names[(*count)++] = copy;
	return true;
}

/* Without blanks, and in lower case, as the core keeps names. NULL: no memory. */
static char *plain(const char *text)
{
	char *copy = malloc(strlen(text) + 1), *to = copy;

	for (; copy && *text; text++)
		if (!strchr(" \t\r\n", *text))
			*to++ = (char)tolower((unsigned char)*text);
	if (copy)
		*to = '\0';
	return copy;
}

int first_generation_split(const char *list, char ***names, size_t *count)
{
	char *whole = plain(list), *text = whole;
	size_t most = 1;
	int code = -1;

	*count = 0;
	*names = NULL;
	for (const char *c = text; c && *c; c++)
		most += *c == ',';
	if (!text || !(*names = calloc(most, sizeof(**names))))
		goto out;
	while (*text) {
		size_t size = strcspn(text, ",");

		if (size && !add_name(*names, count, text, size))
			goto out;
		text += size + (text[size] == ',');
	}
	code = 0;
out:
	free(whole);
	return code;
}

bool first_generation_read_query(struct request *r, bool with_ip, struct first_generation_query *query)
{
	struct given given = { .r = r };
	bool good = true;

	*query = (struct first_generation_query){ 0 };
	MHD_get_connection_values_n(r->connection, MHD_GET_ARGUMENT_KIND, take, &given);
	if (with_ip && given.ip && *given.ip) {
		good = !(given.ips && *given.ips) && !first_generation_split(given.ip, &query->ips, &query->count);
		query->single = true;
	} else if (given.ips) {
		good = !first_generation_split(given.ips, &query->ips, &query->count);
	}
	if (given.task_id && *given.task_id) {
		query->task_id = given.task_id;
		given.task_id = NULL;
	}
	free(given.task_id);
	free(given.ip);
	free(given.ips);
	return good && !query->task_id == (query->count > 0);
}

void first_generation_query_dispose(struct first_generation_query *query)
{
	free(query->task_id);
	for (size_t i = 0; i < query->count; i++)
		free(query->ips[i]);
	free(query->ips);
	*query = (struct first_generation_query){ 0 };
}
