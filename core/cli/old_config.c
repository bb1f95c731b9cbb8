/* old_config.c - see old_config.h. */
#include "cli/old_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <drover/error.h>

#include "util/buf.h"

#define LINE_MOST 65536
#define KEYS_MOST 1000
#define BLANKS " \t\r\n"

static char *trimmed(const char *text, size_t size)
{
	while (size && strchr(BLANKS, *text)) {
		text++;
		size--;
	}
	while (size && strchr(BLANKS, text[size - 1]))
		size--;
	return strndup(text, size);
}

/* configparser writes a percent sign as two; a lone one, which it refuses, can only be meant as it is. */
static void undo_percents(char *value)
{
	char *to = value;

	for (const char *from = value; *from; from++) {
		*to++ = *from;
		if (from[0] == '%' && from[1] == '%')
			from++;
	}
	*to = '\0';
}

static int add_key(struct old_config *config, const char *file, int line, const char *section, const char *text,
		   struct drover_error *err)
{
	size_t length = strcspn(text, "=:");
	struct old_key *key;

	if (!text[length] || !section)
		return drover_error_set(err, DROVER_EINVALID, "%s:%d: is %s", file, line,
					section ? "no KEY = VALUE" : "in no [SECTION]");
	if (config->count == KEYS_MOST)
		return drover_error_set(err, DROVER_EINVALID, "%s:%d: has too many keys", file, line);
	if (config->count == config->room) {
		config->room = config->room ? 2 * config->room : 32;
		config->keys = xrealloc(config->keys, config->room * sizeof(*config->keys));
	}
	key = &config->keys[config->count++];
	*key = (struct old_key){ .file = file, .line = line, .section = xstrdup(section) };
	key->name = trimmed(text, length);
	key->value = trimmed(text + length + 1, strlen(text + length + 1));
	undo_percents(key->value);
	return 0;
}

/* One line; `*section` is the one that it is in. */
static int read_line(struct old_config *config, const char *file, int line, const char *text, char **section,
		     struct drover_error *err)
{
	const char *begin = text + strspn(text, BLANKS), *end;

	if (!*begin || *begin == '#' || *begin == ';')
		return 0;
	if (*begin == '[') {
		end = strchr(begin, ']');
		if (!end)
			return drover_error_set(err, DROVER_EINVALID, "%s:%d: the ] of a section is missing", file,
						line);
		free(*section);
		*section = trimmed(begin + 1, (size_t)(end - begin) - 1);
		return 0;
	}
	/* The first generation's files have no values of several lines; nothing may be taken for one by mistake. */
	if (begin != text && (!strpbrk(begin, "=:")))
		return drover_error_set(err, DROVER_EINVALID, "%s:%d: is no KEY = VALUE", file, line);
	return add_key(config, file, line, *section, begin, err);
}

int old_config_read(struct old_config *config, const char *file, struct drover_error *err)
{
	char *text = xcalloc(1, LINE_MOST), *section = NULL;
	FILE *stream = fopen(file, "re");
	int code = 0, line = 0;

	if (!stream)
		code = drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", file, strerror(errno));
	while (!code && fgets(text, LINE_MOST, stream)) {
		line++;
		if (strlen(text) == LINE_MOST - 1)
			code = drover_error_set(err, DROVER_EINVALID, "%s:%d: the line is too long", file, line);
		else
			/* Some editors begin a file with a mark of its encoding. */
			code = read_line(config, file, line,
					 text + (line == 1 && !strncmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0), &section,
					 err);
	}
	if (!code && ferror(stream))
		code = drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", file, strerror(errno));
	if (stream)
		fclose(stream);
	explicit_bzero(text, LINE_MOST);
	free(text);
	free(section);
	return code;
}

static bool is_one_of(const char *name, const char *names)
{
	size_t size = strlen(name);

	for (names += strspn(names, " "); *names; names += strspn(names, " ")) {
		size_t length = strcspn(names, " ");

		if (length == size && !strncasecmp(names, name, size))
			return true;
		names += length;
	}
	return false;
}

struct old_key *old_config_find(struct old_config *config, const char *section, const char *names)
{
	struct old_key *found = NULL;

	for (size_t i = 0; i < config->count; i++) {
		struct old_key *key = &config->keys[i];

		if (strcasecmp(key->section, section) || !is_one_of(key->name, names))
			continue;
		key->used = true;
		if (!found)
			found = key;
	}
	return found;
}

const char *old_config_value(struct old_config *config, const char *section, const char *names)
{
	struct old_key *key = old_config_find(config, section, names);

	return key && *key->value ? key->value : NULL;
}

void old_config_dispose(struct old_config *config)
{
	for (size_t i = 0; i < config->count; i++) {
		explicit_bzero(config->keys[i].value, strlen(config->keys[i].value));
		free(config->keys[i].section);
		free(config->keys[i].name);
		free(config->keys[i].value);
	}
	free(config->keys);
	*config = (struct old_config){ 0 };
}
