/* cmd_hosts.c - `drover hosts`: node sets, without a daemon. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/hosts_arg.h"

struct hosts_args {
	const char *verb;
	struct hosts_arg hosts;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct hosts_args *args = state->input;
	static const char *const verbs[] = { "expand", "fold", "count" };

	switch (key) {
	case ARGP_KEY_ARG:
		if (args->verb) {
			hosts_arg_add(&args->hosts, arg);
			return 0;
		}
		for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
			if (!strcmp(arg, verbs[i]))
				args->verb = verbs[i];
		if (!args->verb)
			argp_error(state, "\"%s\" is not one of expand, fold, count", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->verb)
			argp_error(state, "expand, fold or count?");
		if (!args->hosts.count)
			argp_error(state, "which hosts? For example web[1-30], or - for standard input");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_names(const struct cli *cli, const struct nodeset *set)
{
	struct json_object *array;

	if (!cli->json) {
		for (size_t i = 0; i < set->count; i++)
			puts(set->names[i]);
		return;
	}
	array = json_object_new_array();
	for (size_t i = 0; i < set->count; i++)
		json_object_array_add(array, json_object_new_string(set->names[i]));
	puts(json_object_to_json_string_ext(array, JSON_C_TO_STRING_PLAIN));
	json_object_put(array);
}

static void print_fold(const struct cli *cli, const struct nodeset *set)
{
	char *pattern = nodeset_fold(set->names, set->count);

	printf(cli->json ? "\"%s\"\n" : "%s\n", pattern);
	free(pattern);
}

int cmd_hosts(struct cli *cli, int argc, char **argv)
{
	static const struct argp argp = { NULL,
					  parse,
					  "expand|fold|count HOSTS...",
					  "Says which hosts a node set stands for, or writes many names as the "
					  "shortest node set, or counts them.",
					  NULL,
					  NULL,
					  NULL };
	struct hosts_args args = { 0 };
	struct drover_error err = { 0 };
	struct nodeset set;
	int code = CLI_OK;

	cli_parse(cli, "hosts", &argp, 0, argc, argv, &args);
	if (hosts_arg_expand(&args.hosts, &set, &err))
		code = cli_usage("hosts", "%s", err.message);
	else if (!strcmp(args.verb, "expand"))
		print_names(cli, &set);
	else if (!strcmp(args.verb, "fold"))
		print_fold(cli, &set);
	else
		printf("%zu\n", set.count);
	nodeset_dispose(&set);
	hosts_arg_dispose(&args.hosts);
	return code;
}
