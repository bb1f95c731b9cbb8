/* plugin_run.c - see plugin_run.h. */
#define _GNU_SOURCE /* nftw */
#include "cli/plugin_run.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/interrupt.h"
#include "cli/perform.h"
#include "cli/private.h"
#include "cli/private_files.h"
#include "cli/scratch.h"
#include "loader/loader.h"

#define EXECUTOR "plugin-run"

static char *copy(const char *text, size_t size)
{
	struct buf out = BUF_INIT;

	buf_append(&out, text, size);
	return buf_take(&out);
}

static void put_text(struct json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

/* `a=1 a=2 b=x` as {"a": ["1", "2"], "b": "x"}: the plugin's table says what they become. */
static void put_options(struct json_object *instance, const struct plugin_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		const char *value = strchr(run->options[i], '=') + 1;
		char *name = copy(run->options[i], (size_t)(value - 1 - run->options[i]));
		struct json_object *before = field(instance, name), *list;

		if (!before) {
			put_text(instance, name, value);
		} else if (json_object_is_type(before, json_type_array)) {
			json_object_array_add(before, json_object_new_string(value));
		} else {
			list = json_object_new_array();
			json_object_array_add(list, json_object_get(before));
			json_object_array_add(list, json_object_new_string(value));
			json_object_object_add(instance, name, list);
		}
		free(name);
	}
}

/* The plugin's name; the folder of a file comes first on the path, which is made of it. */
static char *find_plugin(const struct plugin_run *run, struct json_object *path)
{
	size_t size = strlen(run->plugin);
	char *folders = loader_path(run->path), file[PATH_MAX], *name;

	if (size > 3 && !strcmp(run->plugin + size - 3, ".so") && realpath(run->plugin, file)) {
		char *slash = strrchr(file, '/');

		*slash = '\0';
		json_object_array_add(path, json_object_new_string(file));
		name = copy(slash + 1, strlen(slash + 1) - 3);
	} else {
		name = xstrdup(run->plugin);
	}
	for (char *save, *folder = strtok_r(folders, ":", &save); folder; folder = strtok_r(NULL, ":", &save))
		json_object_array_add(path, json_object_new_string(realpath(folder, file) ? file : folder));
	free(folders);
	return name;
}

/* What is beside the usual in this private daemon's configuration. JSON is YAML. */
static bool write_config(const char *folder, const struct plugin_run *run)
{
	struct json_object *config = json_object_new_object(), *path = json_object_new_array(),
			   *instance = json_object_new_object(), *executors = json_object_new_array();
	char *name = find_plugin(run, path), *file = private_below(folder, PRIVATE_MORE);
	bool written;

	put_text(instance, "plugin", name);
	put_text(instance, "name", EXECUTOR);
	put_options(instance, run);
	json_object_array_add(executors, instance);
	json_object_object_add(config, "executors", executors);
	json_object_object_add(config, "plugin_path", path);
	written = !json_object_to_file_ext(file, config, JSON_C_TO_STRING_PRETTY);
	if (!written)
		cli_say("cannot write %s: %s", file, strerror(errno));
	json_object_put(config);
	free(name);
	free(file);
	return written;
}

static char *first_type(struct session *session)
{
	struct drover_error err = { 0 };
	struct json_object *answer = NULL;
	char *type = NULL;

	client_call(&session->client, "GET", "/v1/executors", NULL, &answer, &err);
	for (size_t i = 0; i < field_count(field_items(answer)); i++) {
		struct json_object *executor = json_object_array_get_idx(field_items(answer), i);

		if (!strcmp(field_text(executor, "name"), EXECUTOR) && field_count(field(executor, "types")))
			type = xstrdup(json_object_get_string(json_object_array_get_idx(field(executor, "types"), 0)));
	}
	json_object_put(answer);
	return type;
}

static struct json_object *read_payload(const char *text)
{
	struct json_object *payload;

	if (!text)
		return json_object_new_object();
	payload = *text == '@' ? json_object_from_file(text + 1) : json_tokener_parse(text);
	if (!json_object_is_type(payload, json_type_object)) {
		cli_usage("plugin", "--payload: \"%s\" is no JSON object, nor @FILE with one", text);
		json_object_put(payload);
		return NULL;
	}
	return payload;
}

static int run_task(struct session *session, struct cli *cli, const struct plugin_run *run, struct json_object *payload)
{
	struct task_args args = { .command = "plugin", .task = json_object_new_object(), .yes = true };
	char *type = run->type ? xstrdup(run->type) : first_type(session);
	struct view view = { 0 };
	int code;

	put_text(args.task, "type", type ? type : "");
	put_text(args.task, "executor", EXECUTOR);
	put_text(args.task, "hosts", run->hosts);
	if (run->timeout)
		put_text(args.task, "timeout", run->timeout);
	json_object_object_add(args.task, "unit_size", json_object_new_int(10000));
	json_object_object_add(args.task, "payload", json_object_get(payload));
	code = perform_task(session, cli, &args, &view);
	json_object_put(args.task);
	free(type);
	return code;
}

int plugin_run(struct cli *cli, const struct plugin_run *run)
{
	struct json_object *payload = read_payload(run->payload);
	struct interrupt interrupt;
	char *folder;
	struct session session;
	int code = CLI_ERROR;

	if (!payload)
		return CLI_USAGE;
	folder = scratch_make("plugin");
	if (!folder)
		goto out;
	interrupt_open(&interrupt);
	if (write_config(folder, run))
		code = session_open_private(&session, folder);
	/* It is there for this plugin alone: what keeps it from starting is the plugin, or its options. */
	if (code == CLI_UNREACHABLE)
		code = CLI_BAD_CONFIG;
	if (!code) {
		code = run_task(&session, cli, run, payload);
		if (session.pid > 0)
			private_stop(session.pid);
		session_close(&session);
	}
	scratch_remove(folder);
	interrupt_close(&interrupt);
out:
	json_object_put(payload);
	return code;
}
