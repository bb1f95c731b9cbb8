/* hosts_arg.c - see hosts_arg.h. */
#include "cli/hosts_arg.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "util/buf.h"
#include "util/nameset.h"

#define LIMIT 1000000                        /* names; a daemon has a limit of its own */
#define FILE_SIZE ((size_t)64 * 1024 * 1024) /* bytes of one file */

void hosts_arg_add(struct hosts_arg *arg, const char *spec)
{
	arg->specs = xrealloc(arg->specs, (arg->count + 1) * sizeof(*arg->specs));
	arg->specs[arg->count++] = spec;
}

void hosts_arg_dispose(struct hosts_arg *arg)
{
	free(arg->specs);
	*arg = (struct hosts_arg){ 0 };
}

/* What was read instead of the files, in the order of the pattern. */
struct files {
	const struct hosts_arg *arg;
	char **texts; /* owned */
	size_t count;
};

/* Lines without their comments. */
static int read_all(FILE *file, const char *name, char **text, struct drover_error *err)
{
	struct buf all = BUF_INIT;
	bool comment = false;
	int c;

	while ((c = getc(file)) != EOF && all.size <= FILE_SIZE) {
		comment = c != '\n' && (comment || c == '#');
		if (!comment)
			buf_char(&all, c ? (char)c : '?');
	}
	if (ferror(file) || all.size > FILE_SIZE) {
		buf_dispose(&all);
		return drover_error_set(err, DROVER_EINVALID, "cannot read hosts from %s: %s", name,
					ferror(file) ? strerror(errno) : "it is too large");
	}
	/* Lines may end in commas, and commas mean no more than blanks do here. */
	for (size_t i = 0, depth = 0; i < all.size; i++) {
		depth += all.data[i] == '[';
		depth -= all.data[i] == ']' && depth;
		if (all.data[i] == ',' && !depth)
			all.data[i] = ' ';
	}
	*text = buf_take(&all);
	return 0;
}

static int read_file(struct files *files, const char *name, struct drover_error *err)
{
	bool input = !strcmp(name, "-");
	FILE *file = input ? stdin : fopen(name, "re");
	char *text = NULL;
	int rc;

	if (!file)
		return drover_error_set(err, DROVER_EINVALID, "cannot read hosts from %s: %s", name, strerror(errno));
	rc = read_all(file, input ? "standard input" : name, &text, err);
	if (!input)
		fclose(file);
	if (rc)
		return rc;
	files->texts = xrealloc(files->texts, (files->count + 1) * sizeof(*files->texts));
	files->texts[files->count++] = text;
	return 0;
}

static bool operand_end(char c)
{
	return !c || isspace((unsigned char)c) || strchr(",!&^", c);
}

/* Is a `-` or `^FILE` at `p`, where an operand begins? */
static bool is_file(const char *p)
{
	return (*p == '-' && operand_end(p[1])) || (*p == '^' && p[1] && !operand_end(p[1]));
}

/* Copies `spec` to `pattern` with a group `@:N` in the place of each file; reads these where `files` is not NULL. */
static int replace(const char *spec, struct buf *pattern, struct files *files, size_t *found, struct drover_error *err)
{
	bool operand = true; /* one begins here */
	int depth = 0, rc = 0;

	*found = 0;
	buf_append(pattern, "", 0);
	for (const char *p = spec; *p && !rc;) {
		if (operand && is_file(p)) {
			size_t size = *p == '-' ? 1 : 1 + strcspn(p + 1, " \t\n,!&");
			char *name = *p == '-' ? xstrdup("-") : strndup(p + 1, size - 1);

			buf_printf(pattern, "@:%zu", (*found)++);
			rc = files && name ? read_file(files, name, err) : 0;
			free(name);
			p += size;
			operand = false;
			continue;
		}
		depth += *p == '[';
		depth -= *p == ']';
		if (depth <= 0 && strchr(",!&^", *p))
			operand = true;
		else if (!isspace((unsigned char)*p))
			operand = false;
		buf_char(pattern, *p++);
	}
	return rc;
}

/* A text that can be joined to others by a comma, without changing what either means. */
static bool joinable(const char *spec)
{
	return !strpbrk(spec, "!&^");
}

bool hosts_arg_text(const struct hosts_arg *arg, char **text)
{
	struct buf all = BUF_INIT;
	bool possible = true;

	for (size_t i = 0; i < arg->count && possible; i++) {
		struct buf pattern = BUF_INIT;
		size_t found;

		replace(arg->specs[i], &pattern, NULL, &found, NULL);
		possible = !found && (!i || joinable(arg->specs[i]));
		buf_printf(&all, "%s%s", i ? "," : "", arg->specs[i]);
		buf_dispose(&pattern);
	}
	if (possible)
		*text = buf_take(&all);
	buf_dispose(&all);
	return possible;
}

static char *file_group(void *context, const char *group)
{
	const struct files *files = context;
	size_t at = strtoul(group + 1, NULL, 10);

	if (*group != ':')
		return files->arg->group ? files->arg->group(files->arg->group_context, group) : NULL;
	return at < files->count ? xstrdup(files->texts[at]) : NULL;
}

static int expand_spec(const struct hosts_arg *arg, const char *spec, struct nameset *names, struct drover_error *err)
{
	struct buf pattern = BUF_INIT;
	struct files files = { .arg = arg };
	struct nodeset set = { 0 };
	size_t found;
	int rc;

	rc = replace(spec, &pattern, &files, &found, err);
	if (!rc)
		rc = nodeset_expand(pattern.data, LIMIT, file_group, &files, &set, err);
	for (size_t i = 0; !rc && i < set.count; i++)
		nameset_add(names, set.names[i], strlen(set.names[i]));
	nodeset_dispose(&set);
	for (size_t i = 0; i < files.count; i++)
		free(files.texts[i]);
	free(files.texts);
	buf_dispose(&pattern);
	return rc;
}

int hosts_arg_expand(const struct hosts_arg *arg, struct nodeset *set, struct drover_error *err)
{
	struct nameset names = NAMESET_INIT;
	int rc = 0;

	*set = (struct nodeset){ 0 };
	for (size_t i = 0; i < arg->count && !rc; i++)
		rc = expand_spec(arg, arg->specs[i], &names, err);
	if (!rc)
		set->names = nameset_take(&names, &set->count);
	nameset_dispose(&names);
	return rc;
}

int hosts_arg_fail(const struct hosts_arg *arg, const char *command, const char *option, const struct drover_error *err)
{
	int code = arg->group_code ? *arg->group_code : CLI_OK;

	if (code)
		return code;
	return cli_usage(command, "%s%s%s", option ? option : "", option ? ": " : "", err->message);
}
