/* cmd_token.c - `drover token`: who may ask a daemon, and what. Edits the daemon's file; needs no daemon. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/tokens_file.h"
#include "task/duration.h"
#include "util/clock.h"
#include "util/nodeset.h"

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-"
#define NAME_SIZE 64
#define HOSTS_MAX 200000

enum { OPT_ROLE = 0x100, OPT_HOSTS, OPT_EXPIRES, OPT_FILE };

struct token_args {
	const char *verb, *name;
	const char *role, *hosts, *file;
	int64_t expires; /* ms from now; 0: never */
};

static error_t parse_verb(struct token_args *args, char *arg, struct argp_state *state)
{
	static const char *const verbs[] = { "create", "list", "revoke" };

	if (args->verb && args->name)
		argp_error(state, "\"%s\" is too much", arg);
	if (args->verb) {
		args->name = arg;
		return 0;
	}
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(arg, verbs[i]))
			args->verb = verbs[i];
	if (!args->verb)
		argp_error(state, "\"%s\" is not one of create, list, revoke", arg);
	return 0;
}

static error_t check_words(const struct token_args *args, struct argp_state *state)
{
	static const char *const roles[] = { "read", "submit", "admin" };
	bool create, known = false;

	if (!args->verb)
		argp_error(state, "create, list or revoke?");
	create = !strcmp(args->verb, "create");
	if (!strcmp(args->verb, "list") ? args->name != NULL : !args->name)
		argp_error(state, args->name ? "list takes no name" : "which token? Tokens have names");
	if (!create && (args->role || args->hosts || args->expires))
		argp_error(state, "--role, --hosts and --expires go with create");
	for (size_t i = 0; create && args->role && i < sizeof(roles) / sizeof(*roles); i++)
		known |= !strcmp(args->role, roles[i]);
	if (create && !known)
		argp_error(state, "--role must be read, submit or admin");
	if (create &&
	    (strlen(args->name) > NAME_SIZE || strspn(args->name, NAME_LETTERS) != strlen(args->name) || !*args->name))
		argp_error(state, "a token's name is 1 to %d letters, digits, `.`, `_`, `@` and `-`", NAME_SIZE);
	if (create && args->hosts && !strcmp(args->role, "admin"))
		argp_error(state, "--hosts: an admin may touch every host; use --role submit");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct token_args *args = state->input;

	switch (key) {
	case OPT_ROLE:
		return args->role = arg, 0;
	case OPT_HOSTS:
		return args->hosts = arg, 0;
	case OPT_FILE:
		return args->file = arg, 0;
	case OPT_EXPIRES:
		args->expires = duration_parse(arg);
		if (args->expires <= 0)
			argp_error(state, "--expires: write a duration such as 90d or 12h");
		return 0;
	case ARGP_KEY_ARG:
		return parse_verb(args, arg, state);
	case ARGP_KEY_END:
		return check_words(args, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What is shown of a token, without its hash; owned by the caller. */
static struct json_object *shown(struct json_object *token)
{
	static const char *const members[] = { "name", "id", "role", "hosts", "created", "expires" };
	struct json_object *out = json_object_new_object();

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		json_object_object_add(out, members[i], json_object_get(field(token, members[i])));
	return out;
}

static void print_json(struct json_object *value)
{
	puts(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(value);
}

/* A token whose set cannot be read would be refused everywhere: better now. */
static int check_hosts(const char *hosts, struct drover_error *err)
{
	struct nodeset set;
	int code;

	if (!hosts)
		return 0;
	code = nodeset_expand(hosts, HOSTS_MAX, NULL, NULL, &set, err);
	if (!code)
		nodeset_dispose(&set);
	return code;
}

static int create(const struct cli *cli, const struct token_args *args, struct tokens_file *file,
		  struct drover_error *err)
{
	char text[TOKEN_TEXT_SIZE];
	struct json_object *token;
	int code = check_hosts(args->hosts, err);

	if (code)
		return code;
	if (tokens_file_find(file, args->name) >= 0)
		return drover_error_set(err, DROVER_ECONFLICT, "there is a token %s already; revoke it first",
					args->name);
	token = tokens_file_make(args->name, args->role, args->hosts,
				 args->expires ? clock_utc_ms() + args->expires : 0, text);
	json_object_array_add(file->tokens, token);
	code = tokens_file_save(file, err);
	if (code)
		return code;
	if (cli->json) {
		struct json_object *out = shown(token);

		json_object_object_add(out, "token", json_object_new_string(text));
		print_json(out);
	} else {
		puts(text);
		cli_say("this is the only time that the token is shown; a daemon with `tokens: %s` takes it within a "
			"second",
			file->path);
	}
	return 0;
}

static int list(const struct cli *cli, const struct tokens_file *file)
{
	static const struct table_column columns[] = { { "NAME", false, false },    { "ID", false, false },
						       { "ROLE", false, false },    { "HOSTS", false, true },
						       { "CREATED", false, false }, { "EXPIRES", false, false } };
	struct json_object *all = json_object_new_array();
	struct libscols_table *table;

	if (cli->json) {
		for (size_t i = 0; i < json_object_array_length(file->tokens); i++)
			json_object_array_add(all, shown(json_object_array_get_idx(file->tokens, i)));
		print_json(all);
		return CLI_OK;
	}
	json_object_put(all);
	table = table_new(cli, columns, sizeof(columns) / sizeof(*columns));
	for (size_t i = 0; table && i < json_object_array_length(file->tokens); i++) {
		struct json_object *token = json_object_array_get_idx(file->tokens, i);
		char created[32], expires[32];
		const char *hosts = field_text(token, "hosts"), *end = field_text(token, "expires");
		const char *cells[] = { field_text(token, "name"),
					field_text(token, "id"),
					field_text(token, "role"),
					*hosts ? hosts : "any",
					table_time(field_text(token, "created"), created, sizeof(created)),
					*end ? table_time(end, expires, sizeof(expires)) : "never" };

		table_row(cli, table, cells, sizeof(cells) / sizeof(*cells), -1, NULL);
	}
	return table ? table_print(table) : CLI_ERROR;
}

static int revoke(const struct cli *cli, const struct token_args *args, struct tokens_file *file,
		  struct drover_error *err)
{
	int at = tokens_file_find(file, args->name), code;
	struct json_object *gone;

	if (at < 0)
		return drover_error_set(err, DROVER_ENOTFOUND, "there is no token %s in %s", args->name, file->path);
	gone = shown(json_object_array_get_idx(file->tokens, (size_t)at));
	json_object_array_del_idx(file->tokens, (size_t)at, 1);
	code = tokens_file_save(file, err);
	if (!code && cli->json)
		print_json(json_object_get(gone));
	else if (!code)
		cli_say("the token %s is revoked: daemons refuse it within a second", args->name);
	json_object_put(gone);
	return code;
}

static const struct argp_option options[] = {
	{ "role", OPT_ROLE, "ROLE", 0, "read, submit (includes read) or admin (includes both)", 0 },
	{ "hosts", OPT_HOSTS, "HOSTS", 0, "The only hosts that it may touch; without it any", 0 },
	{ "expires", OPT_EXPIRES, "TIME", 0, "After so long it is refused: 90d, 12h; without it never", 0 },
	{ "file", OPT_FILE, "FILE", 0, "The daemon's file, its option `tokens' (default: " TOKENS_FILE_DEFAULT ")", 0 },
	{ 0 },
};

const struct argp cmd_token_argp = {
	options,
	parse,
	"create NAME --role ROLE\nlist\nrevoke NAME",
	"Makes, lists and revokes the tokens that a daemon takes. create prints the "
	"token on standard output, this once.\vExample: drover token create ci --role submit",
	NULL,
	NULL,
	NULL
};

int cmd_token(struct cli *cli, int argc, char **argv)
{
	struct token_args args = { .file = TOKENS_FILE_DEFAULT };
	struct drover_error err = { 0 };
	struct tokens_file file;
	int code, status = CLI_OK;

	cli_parse(cli, "token", &cmd_token_argp, 0, argc, argv, &args);
	code = tokens_file_open(&file, args.file, strcmp(args.verb, "list") != 0, &err);
	if (!code && !strcmp(args.verb, "create"))
		code = create(cli, &args, &file, &err);
	else if (!code && !strcmp(args.verb, "revoke"))
		code = revoke(cli, &args, &file, &err);
	else if (!code)
		status = list(cli, &file);
	tokens_file_close(&file);
	if (code)
		cli_say("%s", err.message);
	return code ? CLI_ERROR : status;
}
