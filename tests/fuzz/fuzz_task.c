/* fuzz_task.c - a submitted body, from JSON to hosts and units; what is taken is made canonical. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "task/json.h"
#include "task/submission.h"

static const char executors_json[] =
	"[{\"name\":\"shell\",\"plugin\":\"shell\",\"version\":\"1\",\"summary\":\"\",\"types\":[\"shell\"],\"window\":0,"
	"\"payload\":[{\"name\":\"command\",\"types\":1,\"group\":1},{\"name\":\"argv\",\"types\":16,\"group\":1},"
	"{\"name\":\"env\",\"types\":32},{\"name\":\"wait\",\"types\":256}]},"
	"{\"name\":\"lab\",\"plugin\":\"sim\",\"types\":[\"sim\"],\"match\":\"lab[1-9]\"}]";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct executors executors;
	static struct task_limits limits = { .hosts = 1000, .unit_size = 100, .output = 1 << 20, .output_default = 1000 };
	static char pool[] = "default";
	char *pools[] = { pool, NULL };
	struct submission_rules rules = { &executors, &limits, pools };
	struct problems problems = { .room = 100 };
	struct submission submission;

	if (!executors.count) {
		struct json_object *array = json_tokener_parse(executors_json);

		if (executors_read(array, &executors, NULL))
			abort();
		json_object_put(array);
	}
	if (!submission_read(&submission, data, size, &rules, &problems, NULL)) {
		struct drover_unit_spec last = submission_unit(&submission, submission.task.units - 1);

		if (submission.host_count > 1000 || last.count < 1 || last.first + last.count != submission.task.hosts)
			abort();
	}
	submission_dispose(&submission);
	return 0;
}
