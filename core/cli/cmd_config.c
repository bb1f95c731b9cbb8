/* cmd_config.c - `drover config check|show`: what a daemon would read, without one. */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "conf/plan.h"
#include "conf/show.h"

struct words {
	const char *const *verbs; /* NULL-terminated */
	const char *verb, *word;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct words *args = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (args->verb && args->word)
			argp_error(state, "\"%s\" is too much", arg);
		if (args->verb)
			return args->word = arg, 0;
		for (size_t i = 0; args->verbs[i]; i++)
			if (!strcmp(arg, args->verbs[i]))
				args->verb = args->verbs[i];
		if (!args->verb)
			argp_error(state, "\"%s\" is not one of %s, %s", arg, args->verbs[0], args->verbs[1]);
		return 0;
	case ARGP_KEY_END:
		if (!args->verb)
			argp_error(state, "%s or %s?", args->verbs[0], args->verbs[1]);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* `reference` makes docs/configuration.md, `manual` drover.yaml(5): for the build, so they are not in the help. */
static const char *const config_verbs[] = { "check", "show", "reference", "manual", NULL };

const struct argp cmd_config_argp = { NULL,
				      parse,
				      "check|show [FILE]",
				      "Checks a daemon's configuration, or shows it with where each value comes "
				      "from. FILE is " CONF_DEFAULT_FILE " unless it is given."
				      "\vExample: drover config check conf.d/standalone.yaml",
				      NULL,
				      NULL,
				      NULL };

int cmd_config(struct cli *cli, int argc, char **argv)
{
	struct words args = { .verbs = config_verbs };

	cli_parse(cli, "config", &cmd_config_argp, 0, argc, argv, &args);
	if (!strcmp(args.verb, "reference"))
		return conf_reference(args.word, stdout);
	if (!strcmp(args.verb, "manual"))
		return conf_manual(args.word, stdout);
	return !strcmp(args.verb, "check") ? conf_check(args.word) : conf_show(args.word, cli->json, stdout);
}
