/* vars.c - see vars.h. */
#include "cli/vars.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "conf/tree.h"
#include "task/json.h"
#include "util/buf.h"

/* ------------------------------------------------------------------------------------------ files */

/* A word in one of the three ways in which YAML 1.1 lets it be written. */
static bool is_word(const char *text, const char *word)
{
	size_t size = strlen(word);
	bool same = strlen(text) == size;

	for (size_t i = 0; same && i < size; i++)
		same = (text[i] | 32) == word[i];
	/* yes, Yes, YES; not yEs */
	return same && (!strcmp(text + 1, word + 1) || !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (is_word(text, *words))
			return true;
	return false;
}

/* Decimal, 0x… and 0…, as YAML 1.1 has whole numbers. */
static struct json_object *whole_number(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');
	bool hex = digits[0] == '0' && digits[1] == 'x', octal = digits[0] == '0' && digits[1] && !hex;
	const char *allowed = hex ? "0123456789abcdefABCDEF" : octal ? "01234567" : "0123456789";
	const char *from = digits + (hex ? 2 : 0);
	long long value;

	if (!*from || from[strspn(from, allowed)])
		return NULL;
	errno = 0;
	value = strtoll(text, NULL, hex ? 16 : octal ? 8 : 10);
	return errno ? NULL : json_object_new_int64(value);
}

static struct json_object *decimal_number(const char *text)
{
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;
	double value;

	/* With a point: `1e3` is a text in YAML 1.1. */
	if (!strchr(digits, '.') || digits[strspn(digits, "0123456789.eE+-")] || !strpbrk(digits, "0123456789"))
		return NULL;
	value = strtod(text, &end);
	return *end ? NULL : json_object_new_double_s(value, text);
}

static struct json_object *scalar(const struct tree_node *node)
{
	static const char *const yes[] = { "yes", "true", "on", NULL }, *const no[] = { "no", "false", "off", NULL };
	struct json_object *value = NULL;
	const char *text = node->text;

	if (!node->plain)
		return json_object_new_string(text);
	if (is_one_of(text, yes) || is_one_of(text, no))
		return json_object_new_boolean(is_one_of(text, yes));
	value = whole_number(text);
	if (!value)
		value = decimal_number(text);
	return value ? value : json_object_new_string(text);
}

static bool is_null(const struct tree_node *node)
{
	static const char *const words[] = { "null", NULL };

	return node->plain && (!*node->text || !strcmp(node->text, "~") || is_one_of(node->text, words));
}

/* The reader bounds how deep it goes. NULL is YAML's null. */
static struct json_object *convert(const struct tree_node *node)
{
	struct json_object *value;

	if (node->kind == TREE_SCALAR)
		return is_null(node) ? NULL : scalar(node);
	if (node->kind == TREE_SEQUENCE) {
		value = json_object_new_array();
		for (size_t i = 0; i < node->count; i++)
			json_object_array_add(value, convert(node->items[i]));
		return value;
	}
	value = json_object_new_object();
	tree_foreach(node, member) json_object_object_add(value, member->key, convert(member));
	return value;
}

static int add_file(struct json_object *vars, const char *file, const char *command)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct tree_node *tree = reader_read(file, &errors);
	int code = CLI_OK;

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	if (!tree || errors.count)
		code = cli_usage(command, "-e @%s: the variables cannot be read", file);
	else
		tree_foreach(tree, member) json_object_object_add(vars, member->key, convert(member));
	tree_free(tree);
	errors_dispose(&errors);
	return code;
}

/* ------------------------------------------------------------------------------------------ words */

static int add_json(struct json_object *vars, const char *text, const char *command)
{
	struct drover_error err = { 0 };
	struct json_object *given = NULL;

	if (json_read(text, strlen(text), &given, &err) || !json_object_is_type(given, json_type_object)) {
		json_object_put(given);
		return cli_usage(command, "-e: not a JSON object: %s", err.message);
	}
	json_object_object_foreach (given, name, value)
		json_object_object_add(vars, name, json_object_get(value));
	json_object_put(given);
	return CLI_OK;
}

/* One word from `*at` on, as a shell reads it: quotes and backslashes are undone. False: a quote stays open. */
static bool take_word(const char **at, struct buf *word)
{
	const char *p = *at;
	char quote = 0;

	for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && p[1])
			p++;
		buf_char(word, *p);
	}
	*at = p;
	return !quote;
}

int vars_add(struct json_object *vars, const char *text, const char *command)
{
	const char *at = text + strspn(text, " \t\n");
	int code = CLI_OK;

	if (*at == '@')
		return add_file(vars, at + 1, command);
	if (*at == '{')
		return add_json(vars, at, command);
	for (; !code && *at; at += strspn(at, " \t\n")) {
		struct buf word = BUF_INIT;
		bool whole = take_word(&at, &word);
		char *equals = word.data ? strchr(word.data, '=') : NULL;

		if (!whole || !equals || equals == word.data) {
			code = cli_usage(command, "-e: \"%s\" is not NAME=VALUE%s", text,
					 whole ? "; quote a value with blanks in it: NAME='A B'"
					       : ": a quote is not closed");
		} else {
			*equals = '\0';
			json_object_object_add(vars, word.data, json_object_new_string(equals + 1));
		}
		buf_dispose(&word);
	}
	return code;
}
