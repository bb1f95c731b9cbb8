/* knownhosts.c - see knownhosts.h. */
#define _GNU_SOURCE

#include "ssh/knownhosts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ssh/hostnames.h"

/* --------------------------------------------------------------------------------------- loading */

/* So that a host's lines are found without a look at all of them. */
static int add_names(struct hostkeys *hk, const struct knownhosts_line *line, size_t number)
{
	const char *name = line->text;
	int code = 0;

	if (line->pattern)
		return hostnames_add(&hk->names, "", 0, number);
	while (*name && *name != ' ' && !code) {
		size_t size = strcspn(name, ", ");

		if (size)
			code = hostnames_add(&hk->names, name, size, number);
		name += size + (name[size] == ',');
	}
	return code;
}

static int make_room(struct hostkeys *hk)
{
	size_t room = hk->room ? 2 * hk->room : 16;
	struct knownhosts_line *lines;

	if (hk->count < hk->room)
		return 0;
	lines = reallocarray(hk->lines, room, sizeof(*lines));
	if (!lines)
		return -ENOMEM;
	hk->lines = lines;
	hk->room = room;
	return 0;
}

int knownhosts_add(struct hostkeys *hk, const char *text, const char *path, int number)
{
	struct knownhosts_line line = { .path = path, .number = number };

	text += strspn(text, " \t");
	if (!*text || *text == '#' || *text == '\n')
		return 0;
	if (*text == '@') {
		line.revoked = !strncmp(text, "@revoked", 8);
		line.authority = !strncmp(text, "@cert-authority", 15);
		if (!line.revoked && !line.authority)
			return 0;
		text += line.revoked ? 8 : 15;
		text += strspn(text, " \t");
	}
	line.text = make_room(hk) ? NULL : strdup(text);
	if (!line.text)
		return -ENOMEM;
	/* libssh splits at single blanks; a tab is as good to everybody else. */
	for (char *c = line.text; *c; c++)
		*c = *c == '\t' ? ' ' : *c == '\r' || *c == '\n' ? '\0' : *c;
	line.pattern = strcspn(line.text, "|*?!") < strcspn(line.text, " ");
	line.is_hashed = hk->hasher && hashedname_parse(line.text, &line.hashed);
	hk->lines[hk->count] = line;
	return add_names(hk, &line, hk->count++);
}

static int load_file(struct hostkeys *hk, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t room = 0;
	int number = 0, code = 0;

	if (!file)
		return 0;
	while (!code && getline(&text, &room, file) >= 0)
		code = knownhosts_add(hk, text, path, ++number);
	free(text);
	fclose(file);
	return code;
}

int hostkeys_load(struct hostkeys **hostkeys, const char *const *paths, size_t count, struct hostkeys *another)
{
	struct hostkeys *hk = calloc(1, sizeof(*hk));
	int code = 0;

	if (!hk)
		return -ENOMEM;
	hk->hasher = hashedname_context_new();
	hk->paths = calloc(count + 1, sizeof(*hk->paths));
	for (size_t i = 0; hk->paths && i < count && !code; i++) {
		hk->paths[i] = strdup(paths[i]);
		hk->path_count += hk->paths[i] ? 1 : 0;
		code = hk->paths[i] ? load_file(hk, hk->paths[i]) : -ENOMEM;
	}
	if (!hk->paths || code < 0) {
		hostkeys_free(hk);
		return -ENOMEM;
	}
	hk->another = another;
	*hostkeys = hk;
	return 0;
}

struct hostkeys *hostkeys_find(struct hostkeys *list, const char *const *paths, size_t count)
{
	for (; list; list = list->another) {
		size_t same = 0;

		while (same < count && list->path_count == count && !strcmp(list->paths[same], paths[same]))
			same++;
		if (same == count && list->path_count == count)
			break;
	}
	return list;
}

void hostkeys_free(struct hostkeys *hk)
{
	while (hk) {
		struct hostkeys *another = hk->another;

		for (size_t i = 0; i < hk->count; i++)
			free(hk->lines[i].text);
		for (size_t i = 0; i < hk->path_count; i++)
			free(hk->paths[i]);
		free(hk->paths);
		free(hk->lines);
		hostnames_free(hk->names);
		hashedname_context_free(hk->hasher);
		free(hk);
		hk = another;
	}
}

/* -------------------------------------------------------------------------------------- matching */

/* As known_hosts files name it. */
const char *knownhosts_entry(const char *name, int port, bool alias, char *text)
{
	if (port == 22 || alias)
		snprintf(text, KNOWNHOSTS_ENTRY, "%s", name);
	else
		snprintf(text, KNOWNHOSTS_ENTRY, "[%s]:%d", name, port);
	return text;
}

/* Patterns of known_hosts have `*` and `?` only; brackets, which fnmatch(3) knows, are part of names. */
static bool wildcard(const char *pattern, const char *text)
{
	for (; *pattern && *pattern != '*'; pattern++, text++)
		if (!*text || (*pattern != '?' && tolower((unsigned char)*pattern) != tolower((unsigned char)*text)))
			return false;
	if (!*pattern)
		return !*text;
	pattern += strspn(pattern, "*");
	do {
		if (wildcard(pattern, text))
			return true;
	} while (*text++);
	return false;
}

/* `!pattern` in a line: libssh passes over it. */
static bool negated(const char *text, const char *entry)
{
	char *hosts = strndup(text, strcspn(text, " "));
	char *rest = hosts, *pattern;
	bool found = false;

	while (!found && (pattern = strsep(&rest, ",")))
		found = *pattern == '!' && wildcard(pattern + 1, entry);
	free(hosts);
	return found;
}

/* The line's key, where the line is about the host; else NULL. */
static ssh_key key_of_line(const struct knownhosts_line *line, const char *entry)
{
	struct ssh_knownhosts_entry *parsed = NULL;
	ssh_key key = NULL;

	if (line->pattern && negated(line->text, entry))
		return NULL;
	if (ssh_known_hosts_parse_line(entry, line->text, &parsed) != SSH_OK)
		return NULL;
	key = parsed->publickey;
	parsed->publickey = NULL;
	ssh_knownhosts_entry_free(parsed);
	return key;
}

/* Of the lines under `under`, those that are about `entry`. */
static size_t match_under(const struct hostkeys *hk, const char *under, const char *entry, knownhosts_fn *fn,
			  void *context)
{
	const struct hostnames_line *at = hostnames_find(hk->names, under);
	size_t found = 0;

	for (; at; at = at->next) {
		const struct knownhosts_line *line = &hk->lines[at->line];
		ssh_key key = NULL;

		if (!line->is_hashed || hashedname_may_be(hk->hasher, &line->hashed, entry))
			key = key_of_line(line, entry);
		if (!key)
			continue;
		fn(context, line, key);
		ssh_key_free(key);
		found += line->authority ? 0 : 1;
	}
	return found;
}

static size_t match_name(const struct hostkeys *hk, const struct hostkey_host *host, const char *name,
			 knownhosts_fn *fn, void *context)
{
	char entry[KNOWNHOSTS_ENTRY], usual[KNOWNHOSTS_ENTRY + 8];
	size_t found;

	knownhosts_entry(name, host->port, host->alias, entry);
	found = match_under(hk, entry, entry, fn, context) + match_under(hk, "", entry, fn, context);
	if (*entry != '[') {
		snprintf(usual, sizeof(usual), "[%s]:22", entry);
		found += match_under(hk, usual, entry, fn, context);
	}
	return found;
}

/* Lines about the name; where there is none, those about the address. */
void knownhosts_match(const struct hostkeys *hk, const struct hostkey_host *host, knownhosts_fn *fn, void *context)
{
	if (!match_name(hk, host, host->name, fn, context) && host->address)
		(void)match_name(hk, host, host->address, fn, context);
}
