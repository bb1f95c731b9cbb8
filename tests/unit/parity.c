/*
 * parity.c - the node-set and folding code behind a pipe, for tests that hold it against ClusterShell's: one request
 * a line of standard input, one answer a line of standard output, both JSON. It lives as long as its input.
 *
 *   {"expand": "web[1-3]!web2"}                 {"names": ["web1", "web3"]} or {"error": "…"}
 *   {"fold": ["web1", "web3"]}                  {"text": "web[1,3]"}
 *   {"gather": [{"host": "a", "stdout": "x"}]}  {"groups": [{"hosts": "a", "count": 1, "stdout": "x"}]}, as shown
 */
#define _GNU_SOURCE
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/fold.h"
#include "util/nodeset.h"

#define LIMIT 1000000

static struct json_object *expand(const char *pattern)
{
	struct json_object *answer = json_object_new_object(), *names = json_object_new_array();
	struct drover_error err = { 0 };
	struct nodeset set;

	if (nodeset_expand(pattern, LIMIT, NULL, NULL, &set, &err))
		json_object_object_add(answer, "error", json_object_new_string(err.message));
	for (size_t i = 0; i < set.count; i++)
		json_object_array_add(names, json_object_new_string(set.names[i]));
	json_object_object_add(answer, "names", names);
	nodeset_dispose(&set);
	return answer;
}

static struct json_object *fold_names(struct json_object *array)
{
	struct json_object *answer = json_object_new_object();
	size_t count = field_count(array);
	char **names = xcalloc(count + 1, sizeof(*names)), *text;

	for (size_t i = 0; i < count; i++)
		names[i] = (char *)json_object_get_string(json_object_array_get_idx(array, i));
	text = nodeset_fold(names, count);
	json_object_object_add(answer, "text", json_object_new_string(text));
	free(text);
	free(names);
	return answer;
}

static struct json_object *gather(struct json_object *rows)
{
	struct json_object *answer = json_object_new_object(), *groups = json_object_new_array();
	struct fold fold = FOLD_INIT;
	struct fold_group **sorted;
	size_t count;

	for (size_t i = 0; i < field_count(rows); i++)
		fold_add(&fold, json_object_array_get_idx(rows, i));
	sorted = fold_sorted(&fold, &count);
	for (size_t i = 0; i < count; i++) {
		struct json_object *group = json_object_new_object();
		char *hosts = nodeset_fold(sorted[i]->names, sorted[i]->count);

		json_object_object_add(group, "hosts", json_object_new_string(hosts));
		json_object_object_add(group, "count", json_object_new_int64((int64_t)sorted[i]->count));
		json_object_object_add(group, "stdout",
				       json_object_new_string_len(sorted[i]->out.data, (int)sorted[i]->out.size));
		json_object_array_add(groups, group);
		free(hosts);
	}
	free(sorted);
	fold_dispose(&fold);
	json_object_object_add(answer, "groups", groups);
	return answer;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		struct json_object *request = json_tokener_parse(line), *value, *answer = NULL;

		if ((value = field(request, "expand")))
			answer = expand(json_object_get_string(value));
		else if ((value = field(request, "fold")))
			answer = fold_names(value);
		else if ((value = field(request, "gather")))
			answer = gather(value);
		puts(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
		fflush(stdout);
		json_object_put(answer);
		json_object_put(request);
	}
	free(line);
	return 0;
}
