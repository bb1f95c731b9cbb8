/* cmd_hosts.c - `drover hosts`: node sets; only groups are asked for at a daemon. */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/field.h"
#include "cli/host_groups.h"
#include "cli/hosts_arg.h"
#include "cli/table.h"
#include "util/nameset.h"

struct hosts_args {
	const char *verb;
	struct hosts_arg hosts;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct hosts_args *args = state->input;
	static const char *const verbs[] = { "expand", "fold", "count", "groups" };

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
			argp_error(state, "\"%s\" is not one of expand, fold, count, groups", arg);
		return 0;
	case ARGP_KEY_END:
		if (!args->verb)
			argp_error(state, "expand, fold, count or groups?");
		if (!args->hosts.count && args->verb && strcmp(args->verb, "groups"))
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

/* ---------------------------------------------------------------------------------------- groups */

static void say_state(struct json_object *inventory)
{
	const char *state = field_text(inventory, "state"), *message = field_text(inventory, "message");

	if (!strcmp(state, "none"))
		cli_say("the daemon has no inventory: see `inventory` in its configuration");
	else if (!strcmp(state, "reading"))
		cli_say("the inventory is being read for the first time: try again");
	else if (strcmp(state, "ok"))
		cli_say("the inventory is %s: %s", state, message);
	if (field_int(inventory, "skipped", 0))
		cli_say("left out, since they are no host names: %s", field_text(inventory, "skipped_are"));
}

/* Of a group what is in `wanted`, too; NULL where nothing is. Owned by the caller. */
static char *common_hosts(const char *pattern, const struct nameset *wanted, size_t *count)
{
	struct drover_error err = { 0 };
	struct nodeset set;
	char **common, *folded = NULL;

	*count = 0;
	if (nodeset_expand(pattern, NAMESET_MAX, NULL, NULL, &set, &err))
		return NULL;
	common = xcalloc(set.count + 1, sizeof(*common));
	for (size_t i = 0; i < set.count; i++)
		if (nameset_has(wanted, set.names[i], strlen(set.names[i])))
			common[(*count)++] = set.names[i];
	if (*count)
		folded = nodeset_fold(common, *count);
	free(common);
	nodeset_dispose(&set);
	return folded;
}

/* The groups of `items` that have any of these hosts, with those only. Owned by the caller. */
static struct json_object *select_groups(struct json_object *items, const struct nodeset *hosts)
{
	struct json_object *selected = json_object_new_array();
	struct nameset wanted = NAMESET_INIT;

	for (size_t i = 0; i < hosts->count; i++)
		nameset_add(&wanted, hosts->names[i], strlen(hosts->names[i]));
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *group = json_object_array_get_idx(items, i);
		size_t count;
		char *common = common_hosts(field_text(group, "hosts"), &wanted, &count);

		if (common) {
			json_object_object_add(group, "hosts", json_object_new_string(common));
			json_object_object_add(group, "count", json_object_new_int64((int64_t)count));
			json_object_array_add(selected, json_object_get(group));
		}
		free(common);
	}
	nameset_dispose(&wanted);
	return selected;
}

static int print_groups(const struct cli *cli, struct json_object *items)
{
	static const struct table_column columns[] = { { "GROUP", 0, 0 }, { "HOSTS", 1, 0 }, { "NAMES", 0, 1 } };
	struct libscols_table *table;

	if (cli->json) {
		puts(json_object_to_json_string_ext(items, JSON_C_TO_STRING_PLAIN));
		return CLI_OK;
	}
	table = table_new(cli, columns, 3);
	if (!table)
		return CLI_ERROR;
	for (size_t i = 0; i < json_object_array_length(items); i++) {
		struct json_object *group = json_object_array_get_idx(items, i);
		char count[24];
		const char *cells[] = { field_text(group, "name"), count, field_text(group, "hosts") };

		snprintf(count, sizeof(count), "%lld", (long long)field_int(group, "count", 0));
		table_row(cli, table, cells, 3, -1, NULL);
	}
	return table_print(table);
}

/* All of them, or those that have any of the given hosts. */
static int list_groups(struct cli *cli, struct host_groups *groups, const struct hosts_arg *arg)
{
	struct drover_error err = { 0 };
	struct json_object *items, *inventory, *selected;
	struct nodeset set = { 0 };
	int code = host_groups_open(groups, cli);

	if (code)
		return code;
	code = host_groups_list(groups, &items, &inventory);
	if (!code)
		say_state(inventory);
	if (!code && arg->count && hosts_arg_expand(arg, &set, &err))
		code = hosts_arg_fail(arg, "hosts", NULL, &err);
	if (!code && arg->count) {
		selected = select_groups(items, &set);
		json_object_put(items);
		items = selected;
	}
	if (!code)
		code = print_groups(cli, items);
	nodeset_dispose(&set);
	json_object_put(items);
	json_object_put(inventory);
	return code;
}

/* ------------------------------------------------------------------------------------- the command */

static int show_hosts(const struct cli *cli, const char *verb, const struct hosts_arg *arg)
{
	struct drover_error err = { 0 };
	struct nodeset set;

	if (hosts_arg_expand(arg, &set, &err))
		return hosts_arg_fail(arg, "hosts", NULL, &err);
	if (!strcmp(verb, "expand"))
		print_names(cli, &set);
	else if (!strcmp(verb, "fold"))
		print_fold(cli, &set);
	else
		printf("%zu\n", set.count);
	nodeset_dispose(&set);
	return CLI_OK;
}

const struct argp cmd_hosts_argp = {
	NULL,
	parse,
	"expand|fold|count HOSTS...\ngroups [HOSTS...]",
	"Says which hosts a node set stands for, or writes many names as the "
	"shortest node set, or counts them; or lists the groups of the daemon's "
	"inventory, or those that have any of HOSTS.\vExample: drover hosts fold web1 web2 db7",
	NULL,
	NULL,
	NULL
};

int cmd_hosts(struct cli *cli, int argc, char **argv)
{
	struct hosts_args args = { 0 };
	struct host_groups groups = { 0 };
	int code;

	cli_parse(cli, "hosts", &cmd_hosts_argp, 0, argc, argv, &args);
	host_groups_attach(&groups, cli, &args.hosts);
	if (!strcmp(args.verb, "groups"))
		code = list_groups(cli, &groups, &args.hosts);
	else
		code = show_hosts(cli, args.verb, &args.hosts);
	host_groups_close(&groups);
	hosts_arg_dispose(&args.hosts);
	return code;
}
