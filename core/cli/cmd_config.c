/* cmd_config.c - `drover config check|show|import`: what a daemon would read, without one. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/config_import.h"
#include "conf/plan.h"
#include "conf/show.h"
#include "util/buf.h"

struct words {
	const char *verb;
	char **files; /* owned */
	size_t count;
	const char *output, *secrets; /* of import */
};

enum { OPT_SECRETS = 0x100 };

/* `reference` makes docs/configuration.md, `manual` drover.yaml(5): for the build, so they are not in the help. */
static const char *const verbs[] = { "check", "show", "import", "reference", "manual", NULL };

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "import: write the YAML to FILE, not to standard output", 0 },
	{ "secrets", OPT_SECRETS, "FOLDER", 0,
	  "import: write passwords to files there (`secrets' beside FILE, else `drover-secrets' here)", 0 },
	{ 0 },
};

static void add_word(struct words *args, char *word, struct argp_state *state)
{
	if (args->verb) {
		args->files = xrealloc(args->files, (args->count + 1) * sizeof(*args->files));
		args->files[args->count++] = word;
		return;
	}
	for (size_t i = 0; verbs[i]; i++)
		if (!strcmp(word, verbs[i]))
			args->verb = verbs[i];
	if (!args->verb)
		argp_error(state, "\"%s\" is not one of check, show, import", word);
}

static void check_words(const struct words *args, struct argp_state *state)
{
	bool import = args->verb && !strcmp(args->verb, "import");

	if (!args->verb)
		argp_error(state, "check, show or import?");
	if (import && !args->count)
		argp_error(state, "which files? The first generation has two, each named server.conf");
	if (!import && args->count > 1)
		argp_error(state, "\"%s\" is too much", args->files[1]);
	if (!import && (args->output || args->secrets))
		argp_error(state, "%s is for import", args->output ? "--output" : "--secrets");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *args = state->input;

	switch (key) {
	case 'o':
		return args->output = arg, 0;
	case OPT_SECRETS:
		return args->secrets = arg, 0;
	case ARGP_KEY_ARG:
		return add_word(args, arg, state), 0;
	case ARGP_KEY_END:
		return check_words(args, state), 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp cmd_config_argp = {
	options,
	parse,
	"check|show [FILE]\nimport OLD.conf...",
	"Checks a daemon's configuration, or shows it with where each value comes from. FILE is " CONF_DEFAULT_FILE
	" unless it is given. import makes YAML of the first generation's configuration files, and says what of them "
	"it could not take over."
	"\vExamples: drover config check conf.d/standalone.yaml\n"
	"          drover config import -o drover.yaml distribute/server.conf engine/server.conf",
	NULL,
	NULL,
	NULL
};

static int perform(const struct cli *cli, const struct words *args)
{
	const char *file = args->count ? args->files[0] : NULL;

	if (!strcmp(args->verb, "import"))
		return config_import(args->files, args->count, args->output, args->secrets);
	if (!strcmp(args->verb, "reference"))
		return conf_reference(file, stdout);
	if (!strcmp(args->verb, "manual"))
		return conf_manual(file, stdout);
	return !strcmp(args->verb, "check") ? conf_check(file) : conf_show(file, cli->json, stdout);
}

int cmd_config(struct cli *cli, int argc, char **argv)
{
	struct words args = { NULL };
	int code;

	cli_parse(cli, "config", &cmd_config_argp, 0, argc, argv, &args);
	code = perform(cli, &args);
	free(args.files);
	return code;
}
