/* fuzz_task.c - any bytes as the body of a task (libFuzzer): refused with a reason, or whole. */
#include "fuzz.h"

#include <json-c/json.h>
#include <stdint.h>
#include <stdlib.h>

#include "task/submission.h"

static void told(void *context, const char *pointer, const char *detail)
{
	(void)pointer, (void)detail;
	++*(size_t *)context;
}

/* One executor that takes a payload like that of `shell`. */
static void read_executors(struct executors *executors)
{
	static const char text[] =
		"[{\"name\":\"shell\",\"plugin\":\"shell\",\"version\":\"1\",\"summary\":\"s\",\"types\":[\"shell\"],"
		"\"window\":0,\"match\":null,\"capacity\":null,\"payload\":["
		"{\"name\":\"command\",\"types\":1,\"group\":1,\"required\":false,\"help\":\"h\"},"
		"{\"name\":\"argv\",\"types\":16,\"group\":1,\"required\":false,\"help\":\"h\"},"
		"{\"name\":\"env\",\"types\":32,\"group\":0,\"required\":false,\"help\":\"h\"}]}]";
	struct json_object *array = json_tokener_parse(text);

	if (executors_read(array, executors, NULL))
		abort();
	json_object_put(array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct executors executors;
	static char *pools[] = { (char *)"default", NULL };
	static const struct task_limits limits = { .hosts = 1000,
						   .unit_size = 100,
						   .output = 1 << 20,
						   .output_default = 65536,
						   .results = 100,
						   .waves = 100 };
	const struct submission_rules rules = { .executors = &executors, .limits = &limits, .pools = pools };
	struct submission submission = { .host_count = 0 };
	size_t count = 0;
	struct problems problems = { .tell = told, .context = &count, .room = 100 };
	struct drover_error err;

	if (!executors.count)
		read_executors(&executors);
	if (!submission_read(&submission, data, size, &rules, &problems, &err) &&
	    (count || !submission.host_count || submission.host_count > 1000 || !submission.task.id))
		abort();
	fuzz_accepted += submission.task.body_size > 0;
	submission_dispose(&submission);
	return 0;
}
