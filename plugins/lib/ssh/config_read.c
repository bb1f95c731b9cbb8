/*
 * config_read.c - ssh_config files as lines of words, with what they include.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ssh/config.h"

#define FILE_SIZE_MOST (1024 * 1024)
#define FILES_MOST 256
#define DEPTH_MOST 16 /* as ssh has it */

static int read_file(struct config *config, const char *path, int depth, struct config_file **read);

/* ----------------------------------------------------------------------------------------- words */

/* The rest of the line is one word for these. */
static bool takes_rest(const char *keyword)
{
	static const char *const commands[] = { "ProxyCommand", "LocalCommand", "RemoteCommand", "KnownHostsCommand" };

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcasecmp(commands[i], keyword))
			return true;
	return false;
}

/* The next word from `*at` into `to`, without quotes; false at the end. `*broken` where a quote is left open. */
static bool next_word(const char **at, char *to, bool *broken)
{
	const char *from = *at + strspn(*at, " \t");
	char quote = '\0';

	if (!*from || *from == '#')
		return false;
	for (; *from && (quote || !strchr(" \t", *from)); from++) {
		if (*from == '\\' && from[1] && (strchr("'\"\\", from[1]) || (!quote && from[1] == ' ')))
			*to++ = *++from;
		else if (quote ? *from == quote : *from == '"' || *from == '\'')
			quote = quote ? '\0' : *from;
		else
			*to++ = *from;
	}
	*to = '\0';
	*broken = quote;
	*at = from;
	return true;
}

static int add_word(struct config_line *line, const char *word, size_t size)
{
	char **words = reallocarray(line->words, line->count + 2, sizeof(*words));

	if (!words)
		return -ENOMEM;
	line->words = words;
	words[line->count + 1] = NULL;
	words[line->count] = strndup(word, size);
	if (!words[line->count])
		return -ENOMEM;
	line->count++;
	return 0;
}

static int split(struct config_line *line, const char *rest)
{
	char *word = malloc(strlen(rest) + 1);
	bool broken = false;
	int code = word ? 0 : -ENOMEM;

	while (!code && !broken && next_word(&rest, word, &broken))
		code = add_word(line, word, strlen(word));
	if (broken)
		line->broken = "a quote is not closed";
	free(word);
	return code;
}

/* `text` is one line without its end. */
static int read_line(struct config_line *line, const char *text, size_t size)
{
	char *copy = strndup(text, size), *rest;
	size_t keyword;
	int code = -ENOMEM;

	if (!copy)
		return code;
	for (size = strlen(copy); size && strchr(" \t\r\f", copy[size - 1]); size--)
		copy[size - 1] = '\0';
	rest = copy + strspn(copy, " \t");
	keyword = strcspn(rest, " \t=");
	line->keyword = strndup(rest, keyword);
	if (!line->keyword)
		goto out;
	rest += keyword;
	rest += strspn(rest, " \t");
	if (*rest == '=')
		rest += 1 + strspn(rest + 1, " \t");
	code = takes_rest(line->keyword) && *rest ? add_word(line, rest, strlen(rest)) : split(line, rest);
	if (!code && !line->count && !line->broken)
		line->broken = "a value is missing";
out:
	free(copy);
	return code;
}

/* ------------------------------------------------------------------------------------------ files */

static int include_one(struct config *config, struct config_line *line, const char *path, int depth)
{
	size_t count = 0;
	struct config_file **files, *file = NULL;
	int code = read_file(config, path, depth, &file);

	if (code < 0 || !file)
		return code;
	while (line->included && line->included[count])
		count++;
	files = reallocarray((void *)line->included, count + 2, sizeof(struct config_file *));
	if (!files)
		return -ENOMEM;
	files[count] = file;
	files[count + 1] = NULL;
	line->included = files;
	return 0;
}

/* Relative to ~/.ssh, or to /etc/ssh where the file itself is there. */
static char *include_pattern(const struct config *config, const char *file, const char *word)
{
	char *pattern = NULL;
	int size;

	if (*word == '/')
		return strdup(word);
	if (word[0] == '~' && word[1] == '/')
		size = asprintf(&pattern, "%s%s", config->home, word + 1);
	else if (!strncmp(file, "/etc/ssh/", 9))
		size = asprintf(&pattern, "/etc/ssh/%s", word);
	else
		size = asprintf(&pattern, "%s/.ssh/%s", config->home, word);
	return size < 0 ? NULL : pattern;
}

static int include_all(struct config *config, struct config_line *line, int depth)
{
	int code = 0;

	if (depth >= DEPTH_MOST) {
		line->broken = "files are included too deeply";
		return 0;
	}
	for (size_t i = 0; i < line->count && !code; i++) {
		char *pattern = include_pattern(config, line->file, line->words[i]);
		glob_t found = { .gl_pathc = 0 };

		if (!pattern)
			return -ENOMEM;
		if (!glob(pattern, 0, NULL, &found))
			for (size_t f = 0; f < found.gl_pathc && !code; f++)
				code = include_one(config, line, found.gl_pathv[f], depth + 1);
		globfree(&found);
		free(pattern);
	}
	return code;
}

int config_read_text(struct config *config, struct config_file *file, const char *text, int depth)
{
	int number = 0, code = 0;

	while (*text && !code) {
		size_t size = strcspn(text, "\n"), blank = strspn(text, " \t\r\f");
		struct config_line *lines;

		number++;
		if (blank < size && text[blank] != '#') {
			lines = reallocarray(file->lines, file->count + 1, sizeof(*lines));
			if (!lines)
				return -ENOMEM;
			file->lines = lines;
			lines[file->count] = (struct config_line){ .file = file->path, .number = number };
			code = read_line(&lines[file->count++], text, size);
			if (!code && !strcasecmp(lines[file->count - 1].keyword, "Include"))
				code = include_all(config, &lines[file->count - 1], depth);
		}
		text += size + (text[size] == '\n');
	}
	return code;
}

static struct config_file *new_file(struct config *config, const char *path)
{
	struct config_file **files = reallocarray(config->files, config->file_count + 1, sizeof(struct config_file *));
	struct config_file *file = calloc(1, sizeof(*file));

	if (files)
		config->files = files;
	if (file)
		file->path = strdup(path);
	if (!files || !file || !file->path) {
		free(file);
		return NULL;
	}
	files[config->file_count++] = file;
	return file;
}

/* A file that cannot be used is one line that says so, for every host. */
static int broken_file(struct config_file *file, const char *why)
{
	file->lines = calloc(1, sizeof(*file->lines));
	if (!file->lines)
		return -ENOMEM;
	file->lines[0] =
		(struct config_line){ .file = file->path, .number = 1, .keyword = strdup("this file"), .broken = why };
	file->count = 1;
	return file->lines[0].keyword ? 0 : -ENOMEM;
}

static char *read_whole(int fd)
{
	char *text = malloc(FILE_SIZE_MOST + 1);
	size_t size = 0;
	ssize_t got = 1;

	while (text && got > 0 && size < FILE_SIZE_MOST) {
		got = read(fd, text + size, FILE_SIZE_MOST - size);
		if (got > 0)
			size += (size_t)got;
	}
	if (text)
		text[size] = '\0';
	return text;
}

static const char *fault(int fd, struct stat *info)
{
	if (fstat(fd, info) < 0)
		return "it cannot be read";
	if (!S_ISREG(info->st_mode))
		return "it is no ordinary file";
	if ((info->st_uid && info->st_uid != geteuid()) || info->st_mode & 022)
		return "others than its owner may write it, or it belongs to somebody else";
	return info->st_size >= FILE_SIZE_MOST ? "it is larger than 1 MiB" : NULL;
}

/* `*read` is NULL where there is no such file. */
static int read_file(struct config *config, const char *path, int depth, struct config_file **read)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), code;
	struct config_file *file;
	const char *why;
	struct stat info;
	char *text;

	*read = NULL;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	why = fd < 0 ? "it cannot be read" : fault(fd, &info);
	if (config->file_count >= FILES_MOST)
		why = "too many files are included";
	*read = file = new_file(config, path);
	text = why || !file ? NULL : read_whole(fd);
	if (fd >= 0)
		close(fd);
	if (!file || (!why && !text))
		return -ENOMEM;
	code = why ? broken_file(file, why) : config_read_text(config, file, text, depth);
	free(text);
	return code;
}

int config_load(struct config **config, const char *const *paths, size_t count, const char *home)
{
	struct config *c = calloc(1, sizeof(*c));
	size_t roots = 0;
	int code = -ENOMEM;

	if (!c)
		return code;
	c->home = home;
	c->roots = calloc(count + 1, sizeof(struct config_file *));
	if (c->roots)
		code = 0;
	for (size_t i = 0; i < count && !code; i++) {
		code = read_file(c, paths[i], 0, &c->roots[roots]);
		roots += c->roots[roots] ? 1 : 0;
	}
	if (code < 0) {
		config_free(c);
		return code;
	}
	*config = c;
	return 0;
}

static void free_line(struct config_line *line)
{
	for (size_t i = 0; i < line->count; i++)
		free(line->words[i]);
	free(line->words);
	free(line->keyword);
	free((void *)line->included);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->file_count; i++) {
		for (size_t n = 0; n < config->files[i]->count; n++)
			free_line(&config->files[i]->lines[n]);
		free(config->files[i]->lines);
		free(config->files[i]->path);
		free(config->files[i]);
	}
	free(config->files);
	free(config->roots);
	free(config);
}
