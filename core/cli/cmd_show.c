/* cmd_show.c - `drover show`: one task. */
#include <inttypes.h>
#include <string.h>

#include "cli/field.h"
#include "cli/one_task.h"
#include "cli/summary.h"
#include "cli/term.h"

/* What says nothing: absent, empty, or a limit of 0, which is none. */
static bool is_blank(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_null:
		return true;
	case json_type_string:
		return !json_object_get_string_len(value);
	case json_type_int:
	case json_type_double:
		return json_object_get_double(value) == 0;
	case json_type_object:
		return !json_object_object_length(value);
	default:
		return false;
	}
}

static void show_value(const struct cli *cli, struct json_object *task, const char *name)
{
	struct json_object *value = field(task, name);

	/* No failed host at all is a limit, too. */
	if (is_blank(value) && (!value || strcmp(name, "max_failed")))
		return;
	printf("%-17s", name);
	term_line(cli, stdout, json_object_get_string(value));
	puts(strstr(name, "timeout") || !strcmp(name, "wave_pause") ? " s" : "");
}

const struct argp cmd_show_argp = { NULL, one_task_parse, "ID", "Shows one task.\vExample: drover show last --json",
				    NULL, NULL,           NULL };

static const char *const names[] = { "id",
				     "name",
				     "type",
				     "executor",
				     "state",
				     "outcome",
				     "reason",
				     "parent",
				     "owner",
				     "labels",
				     "note",
				     "pool",
				     "priority",
				     "credential",
				     "created_at",
				     "started_at",
				     "finished_at",
				     "expires_at",
				     "waiting_for_task",
				     "waiting",
				     "unit_size",
				     "timeout",
				     "host_timeout",
				     "connect_timeout",
				     "fanout",
				     "max_failed",
				     "wave_pause",
				     "concurrency_key",
				     "output_limit",
				     "on_lost" };

int cmd_show(struct cli *cli, int argc, char **argv)
{
	const char *word = NULL;
	struct json_object *task, *waves;
	struct session session;
	int code;

	cli_parse(cli, "show", &cmd_show_argp, 0, argc, argv, &word);
	code = one_task_open(cli, word, &session, &task);
	if (code)
		return code;
	waves = field(task, "waves");
	if (cli->json) {
		term_json_line(cli, task, true);
	} else {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			show_value(cli, task, names[i]);
		if (field_int(waves, "total", 0) > 1)
			printf("%-17s%" PRId64 " of %" PRId64 " begun\n", "waves", field_int(waves, "open", 0),
			       field_int(waves, "total", 0));
		printf("%-17s%" PRId64 " of %" PRId64 " done\n%-17s", "units",
		       field_int(field(task, "units"), "done", 0), field_int(field(task, "units"), "total", 0),
		       "hosts");
		summary_line(cli, stdout, task);
	}
	one_task_close(&session, task);
	return code;
}
