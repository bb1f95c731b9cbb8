/* role.c - the configuration checked in a process of its own, and for people; see plan.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/plan.h"

/* sysexits.h's EX_CONFIG. */
#define EXIT_CONFIG 78

static void more_line(const struct conf_errors *errors, char *text, size_t size)
{
	snprintf(text, size, "and %zu more errors", errors->more);
}

static struct json_object *answer(struct json_object *plan, const struct conf_errors *errors)
{
	struct json_object *all = json_object_new_object(), *lines;
	char more[64];

	if (plan) {
		json_object_object_add(all, "plan", json_object_get(plan));
		return all;
	}
	lines = json_object_new_array();
	for (size_t i = 0; i < errors->count; i++)
		json_object_array_add(lines, json_object_new_string(errors->lines[i]));
	more_line(errors, more, sizeof(more));
	if (errors->more)
		json_object_array_add(lines, json_object_new_string(more));
	json_object_object_add(all, "errors", lines);
	return all;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t wrote = write(fd, text, size);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return -1;
		text += wrote;
		size -= (size_t)wrote;
	}
	return 0;
}

int conf_role_main(const char *file, int out_fd)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan, *all;
	const char *text;
	size_t size;
	int code = conf_plan(file, &plan, &errors) ? EXIT_CONFIG : 0;

	all = answer(plan, &errors);
	text = json_object_to_json_string_length(all, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	if (write_all(out_fd, text, size))
		code = 1;
	json_object_put(all);
	json_object_put(plan);
	errors_dispose(&errors);
	return code;
}

int conf_check(const char *file)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan;
	char more[64];
	int code = conf_plan(file, &plan, &errors) ? EXIT_CONFIG : 0;

	for (size_t i = 0; i < errors.count; i++)
		fprintf(stderr, "%s\n", errors.lines[i]);
	more_line(&errors, more, sizeof(more));
	if (errors.more)
		fprintf(stderr, "%s\n", more);
	if (!code)
		puts("configuration OK");
	json_object_put(plan);
	errors_dispose(&errors);
	return code;
}
