/* route.c - see route.h. */
#include "route.h"

#include <string.h>

#include "handlers.h"

#define JSON "application/json"
#define FIRST_GENERATION "/api/v1/distribute/"

static const struct route routes[] = {
	{ "POST", "/v1/tasks", ROLE_SUBMIT, tasks_submit, "dry_run", ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks", ROLE_READ, tasks_list, "state type label owner host name since until limit after",
	  ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}", ROLE_READ, tasks_show, "wait payload", ROUTE_WORKER, JSON },
	{ "POST", "/v1/tasks/{id}/cancel", ROLE_SUBMIT, tasks_cancel, "", ROUTE_WORKER, JSON },
	{ "POST", "/v1/tasks/{id}/retry", ROLE_SUBMIT, tasks_retry, "", ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}/units", ROLE_READ, tasks_units, "limit after", ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}/verify", ROLE_READ, tasks_verify, "", ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}/results", ROLE_READ, results_of_task, "status host sort limit after output grep",
	  ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}/hosts/{host}/stdout", ROLE_READ, results_stdout, "", ROUTE_WORKER,
	  "application/octet-stream" },
	{ "GET", "/v1/tasks/{id}/hosts/{host}/stderr", ROLE_READ, results_stderr, "", ROUTE_WORKER,
	  "application/octet-stream" },
	{ "GET", "/v1/tasks/{id}/outputs", ROLE_READ, outputs_of_task, "status stream limit after output diff",
	  ROUTE_WORKER, JSON },
	{ "GET", "/v1/tasks/{id}/events", ROLE_READ, events_stream, "last_event_id output", ROUTE_WORKER,
	  "text/event-stream" },
	{ "GET", "/v1/results", ROLE_READ, results_of_hosts, "host hosts status limit after output", ROUTE_WORKER,
	  JSON },
	{ "GET", "/v1/engines", ROLE_READ, engines_list, "", ROUTE_WORKER, JSON },
	{ "POST", "/v1/engines/{name}/drain", ROLE_ADMIN, engines_drain, "", ROUTE_WORKER, JSON },
	{ "POST", "/v1/engines/{name}/undrain", ROLE_ADMIN, engines_undrain, "", ROUTE_WORKER, JSON },
	{ "GET", "/v1/executors", ROLE_READ, engines_executors, "", ROUTE_WORKER, JSON },
	{ "GET", "/v1/groups", ROLE_READ, groups_list, "limit after", ROUTE_WORKER, JSON },
	{ "GET", "/v1/groups/{group}", ROLE_READ, groups_show, "", ROUTE_WORKER, JSON },
	{ "POST", FIRST_GENERATION "adhoc/", ROLE_SUBMIT, first_generation_submit_adhoc, "", ROUTE_WORKER, JSON },
	{ "GET", FIRST_GENERATION "adhoc/", ROLE_READ, first_generation_list_adhoc, "task_id ip ips", ROUTE_WORKER,
	  JSON },
	{ "POST", FIRST_GENERATION "playbook/", ROLE_SUBMIT, first_generation_submit_playbook, "", ROUTE_WORKER, JSON },
	{ "GET", FIRST_GENERATION "playbook/", ROLE_READ, first_generation_list_playbook, "task_id ips", ROUTE_WORKER,
	  JSON },
	{ "GET", "/metrics", ROLE_READ, metrics_show, "", ROUTE_WORKER, "text/plain" },
	{ "GET", "/-/healthy", ROLE_ANYBODY, engines_healthy, "", ROUTE_DIRECT, JSON },
	{ "GET", "/-/ready", ROLE_ANYBODY, engines_ready, "", ROUTE_DIRECT, JSON },
};

/* Segment by segment, so that a `/` within an argument must be written as %2F. */
static bool matches(const char *pattern, const char *path, struct route_argument arguments[ROUTE_ARGUMENTS])
{
	int count = 0;

	memset(arguments, 0, ROUTE_ARGUMENTS * sizeof(*arguments));
	while (*pattern == '/' && *path == '/') {
		size_t wanted = strcspn(++pattern, "/"), size = strcspn(++path, "/");

		if (*pattern == '{') {
			if (!size)
				return false;
			arguments[count++] = (struct route_argument){ path, size };
		} else if (wanted != size || memcmp(pattern, path, size)) {
			return false;
		}
		pattern += wanted;
		path += size;
	}
	return !*path && (!*pattern || !strcmp(pattern, "/"));
}

const struct route *route_find(const char *method, const char *path, struct route_argument arguments[ROUTE_ARGUMENTS],
			       bool *path_known, char allow[32])
{
	*path_known = false;
	*allow = '\0';
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		if (!matches(routes[i].path, path, arguments))
			continue;
		if (!strcmp(routes[i].method, method))
			return &routes[i];
		if (*path_known)
			strcat(allow, ", ");
		strcat(allow, !strcmp(routes[i].method, "GET") ? "GET, HEAD" : routes[i].method);
		*path_known = true;
	}
	return NULL;
}

bool route_is_first_generation(const struct route *route)
{
	return !strncmp(route->path, FIRST_GENERATION, sizeof(FIRST_GENERATION) - 1);
}

size_t route_count(void)
{
	return sizeof(routes) / sizeof(*routes);
}

const struct route *route_at(size_t index)
{
	return &routes[index];
}

bool route_takes(const struct route *route, const char *parameter)
{
	size_t size = strlen(parameter);
	const char *at = route->parameters;

	while (*at) {
		size_t length = strcspn(at, " ");

		if (length == size && !memcmp(at, parameter, size))
			return true;
		at += length + strspn(at + length, " ");
	}
	return false;
}

static void describe_words(const char *words, FILE *out)
{
	const char *separator = "";

	for (; *words; words += strspn(words, " ")) {
		size_t length = strcspn(words, " ");

		fprintf(out, "%s\"%.*s\"", separator, (int)length, words);
		separator = ", ";
		words += length;
	}
}

void route_describe(FILE *out)
{
	static const char *const roles[] = {
		[ROLE_MISSING] = "nobody", [ROLE_ANYBODY] = "anybody", [ROLE_READ] = "read",
		[ROLE_SUBMIT] = "submit",  [ROLE_ADMIN] = "admin",
	};

	fputs("[", out);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		fprintf(out, "%s{\"method\": \"%s\", \"path\": \"%s\", \"role\": \"%s\", \"parameters\": [",
			i ? ",\n " : "", routes[i].method, routes[i].path, roles[routes[i].role]);
		describe_words(routes[i].parameters, out);
		fputs("]}", out);
	}
	fputs("]", out);
}
