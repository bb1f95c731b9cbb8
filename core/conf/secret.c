/* secret.c - see secret.h. */
#include "conf/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "conf/include.h"
#include "conf/secret_box.h"
#include "conf/value.h"
#include "util/buf.h"

#define HOW "write `{file: PATH}`, `{env: NAME}` or `{encrypted: TEXT}`"

void secret_free(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

char *secret_file(const struct tree_node *node)
{
	const char *path = tree_text(node, "file");

	return path && *path ? include_relative(node->place.file, path) : NULL;
}

/* The whole file, at most SECRET_SIZE; -1 with errno. */
static ssize_t read_whole(int fd, char *text)
{
	size_t size = 0;
	ssize_t got = 1;

	while (got > 0 && size <= SECRET_SIZE) {
		got = read(fd, text + size, SECRET_SIZE + 1 - size);
		if (got > 0)
			size += (size_t)got;
	}
	return got < 0 ? -1 : (ssize_t)size;
}

/* What is wrong with the file as a keeper of a secret, or NULL. */
static const char *file_fault(int fd, const struct stat *info, char *text, ssize_t *size)
{
	if (!S_ISREG(info->st_mode))
		return "is no ordinary file";
	if (info->st_mode & S_IRWXO)
		return "is open to everybody: chmod o= it";
	if (info->st_mode & S_IWGRP)
		return "may be written by its group: chmod g-w it";
	*size = read_whole(fd, text);
	if (*size < 0)
		return strerror(errno);
	if (*size > SECRET_SIZE)
		return "is larger than 64 KiB, so it holds no secret";
	if (*size && text[*size - 1] == '\n')
		*size -= 1 + (*size > 1 && text[*size - 2] == '\r');
	text[*size] = '\0';
	if (!*size)
		return "is empty";
	if (strlen(text) != (size_t)*size || !value_utf8(text))
		return "holds bytes that are no UTF-8 text";
	return NULL;
}

char *secret_read(const char *file, bool open_to_others, const char **fault)
{
	char *text = xcalloc(1, SECRET_SIZE + 2), *secret = NULL;
	struct stat info;
	ssize_t size = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	*fault = fd < 0 || fstat(fd, &info) ? strerror(errno) : NULL;
	if (!*fault && open_to_others)
		info.st_mode &= S_IFMT;
	if (!*fault)
		*fault = file_fault(fd, &info, text, &size);
	if (!*fault)
		secret = xstrdup(text);
	if (fd >= 0)
		close(fd);
	explicit_bzero(text, SECRET_SIZE + 2);
	free(text);
	return secret;
}

static char *from_file(const struct tree_node *node, const char *path, struct conf_errors *errors)
{
	const struct tree_node *member = tree_get(node, "file");
	char *file = secret_file(node), *secret = NULL;
	const char *fault;

	if (!file) {
		errors_add(errors, &member->place, path, "`file` must be a path");
		return NULL;
	}
	secret = secret_read(file, false, &fault);
	if (!secret)
		errors_add(errors, &member->place, path, "the secret's file %s: %s", file, fault);
	free(file);
	return secret;
}

static char *from_box(const struct tree_node *node, const char *path, const char *key_file, struct conf_errors *errors)
{
	const struct tree_node *member = tree_get(node, "encrypted");
	struct drover_error err = { 0 };
	char *file, *secret = NULL;

	if (member->kind != TREE_SCALAR || !*member->text) {
		errors_add(errors, &member->place, path, "`encrypted` must be what `drover secret encrypt` printed");
		return NULL;
	}
	file = secret_box_file(key_file);
	if (secret_box_open(file, member->text, &secret, &err))
		errors_add(errors, &member->place, path, "%s", err.message);
	else if (!*secret || !value_utf8(secret)) {
		errors_add(errors, &member->place, path, "what is encrypted there is no UTF-8 text");
		secret_free(secret);
		secret = NULL;
	}
	free(file);
	return secret;
}

static char *from_variable(const struct tree_node *node, const char *path, struct json_object *variables,
			   struct conf_errors *errors)
{
	const struct tree_node *member = tree_get(node, "env");
	const char *value;

	if (member->kind != TREE_SCALAR || !*member->text) {
		errors_add(errors, &member->place, path, "`env` must be the name of a variable");
		return NULL;
	}
	value = getenv(member->text);
	if (!value || !*value) {
		errors_add(errors, &member->place, path, "the variable %s is not set in the environment", member->text);
		return NULL;
	}
	if (!value_utf8(value)) {
		errors_add(errors, &member->place, path, "the variable %s holds bytes that are no UTF-8 text",
			   member->text);
		return NULL;
	}
	json_object_array_add(variables, json_object_new_string(member->text));
	return xstrdup(value);
}

char *secret_resolve(const struct tree_node *node, const char *path, const char *key_file,
		     struct json_object *variables, struct conf_errors *errors)
{
	/* An override is from the environment, as `{env: …}` is. */
	if (node->environment && node->kind == TREE_SCALAR) {
		json_object_array_add(variables, json_object_new_string(node->place.file));
		return xstrdup(node->text);
	}
	if (node->kind == TREE_SCALAR) {
		errors_add(errors, &node->place, path, "is a secret and is not written here: " HOW);
		return NULL;
	}
	if (node->kind == TREE_MAPPING && HASH_COUNT(node->members) == 1 && tree_get(node, "encrypted"))
		return from_box(node, path, key_file, errors);
	if (node->kind == TREE_MAPPING && HASH_COUNT(node->members) == 1 && tree_get(node, "file"))
		return from_file(node, path, errors);
	if (node->kind == TREE_MAPPING && HASH_COUNT(node->members) == 1 && tree_get(node, "env"))
		return from_variable(node, path, variables, errors);
	errors_add(errors, &node->place, path, "is a secret: " HOW);
	return NULL;
}
