/* cmd_plugin.c - `drover plugin`: what plugins there are, what they take, and one of them at work. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/plugin_run.h"
#include "conf/show.h"
#include "util/buf.h"

struct plugin_args {
	const char *verb, *word;
	const char *path; /* --plugin-path */
	struct plugin_run run;
};

enum { OPT_PLUGIN_PATH = 0x100, OPT_OPTION, OPT_PAYLOAD, OPT_TYPE, OPT_TIMEOUT };

static const char *const verbs[] = { "list", "describe", "run" };

static error_t take_word(struct plugin_args *args, char *arg, struct argp_state *state)
{
	if (args->verb && args->word)
		argp_error(state, "\"%s\" is too much", arg);
	if (args->verb)
		return args->word = arg, 0;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(arg, verbs[i]))
			args->verb = verbs[i];
	if (!args->verb)
		argp_error(state, "\"%s\" is not one of list, describe, run", arg);
	return 0;
}

static error_t check_words(const struct plugin_args *args, struct argp_state *state)
{
	if (!args->verb) {
		argp_error(state, "list, describe or run?");
		return 0;
	}
	if (strcmp(args->verb, "list") && !args->word)
		argp_error(state, "which plugin? `drover plugin list' shows them");
	if (!strcmp(args->verb, "list") && args->word)
		argp_error(state, "\"%s\" is too much", args->word);
	if (!strcmp(args->verb, "run") && !args->run.hosts)
		argp_error(state, "on which hosts? -H HOSTS");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plugin_args *args = state->input;

	switch (key) {
	case OPT_PLUGIN_PATH:
		return args->path = arg, 0;
	case 'H':
		return args->run.hosts = arg, 0;
	case OPT_TYPE:
		return args->run.type = arg, 0;
	case OPT_TIMEOUT:
		return args->run.timeout = arg, 0;
	case OPT_PAYLOAD:
		return args->run.payload = arg, 0;
	case OPT_OPTION:
		if (!strchr(arg, '=') || *arg == '=')
			argp_error(state, "--option: \"%s\" is not NAME=VALUE", arg);
		args->run.options = xrealloc(args->run.options, (args->run.count + 1) * sizeof(*args->run.options));
		args->run.options[args->run.count++] = arg;
		return 0;
	case ARGP_KEY_ARG:
		return take_word(args, arg, state);
	case ARGP_KEY_END:
		return check_words(args, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "plugin-path", OPT_PLUGIN_PATH, "FOLDERS", 0, "Look here, separated by colons", 0 },
	{ NULL, 0, NULL, 0, "Of run:", 1 },
	{ "hosts", 'H', "HOSTS", 0, "Names for its hosts", 1 },
	{ "option", OPT_OPTION, "NAME=VALUE", 0, "An option of the plugin; of a list, once for each", 1 },
	{ "payload", OPT_PAYLOAD, "JSON|@FILE", 0, "The task's payload (default: {})", 1 },
	{ "type", OPT_TYPE, "TYPE", 0, "The task's type (default: the first that it has)", 1 },
	{ "timeout", OPT_TIMEOUT, "DURATION", 0, "The unit gets so long", 1 },
	{ 0 },
};

const struct argp cmd_plugin_argp = {
	options,
	parse,
	"list\ndescribe NAME\nrun NAME|FILE.so -H HOSTS",
	"Lists the plugins that are found, or describes one and its options (with --json: as JSON Schema). run lets an "
	"executor "
	"do one unit, in a daemon of its own that is gone afterwards, and shows what it reported."
	"\vExit code of run: as of drover run.\n\n"
	"Examples: drover plugin describe shell\n"
	"          drover plugin run ./greet.so -H 'a[1-3]' --option word=hi --json",
	NULL,
	NULL,
	NULL
};

int cmd_plugin(struct cli *cli, int argc, char **argv)
{
	struct plugin_args args = { 0 };
	int code;

	cli_parse(cli, "plugin", &cmd_plugin_argp, 0, argc, argv, &args);
	if (!strcmp(args.verb, "list"))
		return conf_plugin_list(args.path, cli->json, stdout);
	if (!strcmp(args.verb, "describe"))
		return conf_plugin_describe(args.path, args.word, cli->json, stdout);
	args.run.plugin = args.word;
	args.run.path = args.path;
	code = plugin_run(cli, &args.run);
	free(args.run.options);
	return code;
}
