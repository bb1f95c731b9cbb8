/* host_groups.c - see host_groups.h. */
#include "cli/host_groups.h"

#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "util/buf.h"

int host_groups_open(struct host_groups *groups, struct cli *cli)
{
	if (groups->open)
		return CLI_OK;
	groups->code = session_open(&groups->session, cli, false);
	groups->open = !groups->code;
	return groups->code;
}

void host_groups_close(struct host_groups *groups)
{
	if (groups->open)
		session_close(&groups->session);
	groups->open = false;
}

static char *ask_for(void *context, const char *group)
{
	struct host_groups *groups = context;
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	struct buf path = BUF_INIT;
	char *pattern = NULL;

	if (host_groups_open(groups, groups->cli))
		return NULL;
	buf_string(&path, "/v1/groups/");
	client_escape(&groups->session.client, &path, group);
	if (!client_call(&groups->session.client, "GET", path.data, NULL, &answer, &err))
		pattern = xstrdup(field_text(answer, "hosts"));
	else
		groups->code = client_fail(&groups->session.client, "look the group up", &err);
	json_object_put(answer);
	buf_dispose(&path);
	return pattern;
}

void host_groups_attach(struct host_groups *groups, struct cli *cli, struct hosts_arg *arg)
{
	groups->cli = cli;
	arg->group = ask_for;
	arg->group_context = groups;
	arg->group_code = &groups->code;
}

static void move_items(struct json_object *page, struct json_object *items)
{
	struct json_object *array = field_items(page);

	for (size_t i = 0; i < field_count(array); i++)
		json_object_array_add(items, json_object_get(json_object_array_get_idx(array, i)));
}

int host_groups_list(struct host_groups *groups, struct json_object **items, struct json_object **inventory)
{
	struct client *client = &groups->session.client;
	struct drover_error err = { 0 };
	struct buf path = BUF_INIT;
	int code = CLI_OK;

	*items = json_object_new_array();
	*inventory = NULL;
	buf_string(&path, "/v1/groups?limit=1000");
	while (path.size) {
		struct json_object *page = NULL;
		const char *next;

		if (client_call(client, "GET", path.data, NULL, &page, &err)) {
			code = client_fail(client, "list the groups", &err);
			break;
		}
		move_items(page, *items);
		if (!*inventory)
			*inventory = json_object_get(field(page, "inventory"));
		next = field_text(page, "next");
		buf_consume(&path, path.size);
		if (*next) {
			buf_string(&path, "/v1/groups?limit=1000&after=");
			client_escape(client, &path, next);
		}
		json_object_put(page);
	}
	buf_dispose(&path);
	return code;
}
