/* engines.c - the nodes that execute, what they execute with, and whether this one is well. */
#include "handlers.h"

#include <string.h>

static void write_words(struct writer *w, const char *key, const char *words)
{
	writer_array(w, key);
	for (const char *at = words ? words : ""; *at;) {
		size_t length = strcspn(at, " ");

		if (length)
			writer_text(w, NULL, at, length);
		at += length + strspn(at + length, " ");
	}
	writer_array_end(w);
}

static void write_part(struct writer *w, const struct drover_part *part)
{
	writer_object(w, NULL);
	writer_string(w, "name", part->name);
	writer_int(w, "pid", part->pid);
	writer_time(w, "started_at", part->started_at);
	writer_int(w, "restarts", part->restarts);
	writer_time(w, "died_at", part->died_at);
	writer_string(w, "last_death", part->last_death);
	writer_object_end(w);
}

static void write_load(struct writer *w, const char *key, int64_t hosts, int64_t units)
{
	writer_object(w, key);
	writer_int(w, "hosts", hosts);
	writer_int(w, "units", units);
	writer_object_end(w);
}

/* By the size that the core was compiled with, not by this plugin's; an older core tells of none. */
static void write_executor_states(struct writer *w, const struct drover_engine *engine)
{
	bool told = engine->size > offsetof(struct drover_engine, executor_state_count);
	const char *state = told ? (const char *)engine->executor_states : NULL;

	writer_array(w, "executor_states");
	for (size_t i = 0; told && i < engine->executor_state_count; i++) {
		const struct drover_executor_state *row =
			(const struct drover_executor_state *)(state + i * engine->executor_states->size);

		writer_object(w, NULL);
		writer_string(w, "name", row->name);
		writer_string(w, "state", row->state);
		writer_time(w, "since", row->since);
		writer_string(w, "message", row->message);
		writer_object_end(w);
	}
	writer_array_end(w);
}

/* Appended members of a core that is older than this plugin. */
static int64_t silent_for(const struct drover_engine *engine)
{
	return engine->size > offsetof(struct drover_engine, silent_for) ? engine->silent_for : -1;
}

static int write_engine(void *context, const struct drover_engine *engine)
{
	struct writer *w = context;
	const char *part = (const char *)engine->parts;

	writer_object(w, NULL);
	writer_string(w, "name", engine->name);
	writer_string(w, "version", engine->version);
	writer_string(w, "state", engine->state);
	writer_int(w, "incarnation", engine->incarnation);
	writer_time(w, "started_at", engine->started_at);
	writer_time(w, "renewed_at", engine->renewed_at);
	if (silent_for(engine) >= 0)
		writer_int(w, "silent_ms", silent_for(engine));
	else
		writer_null(w, "silent_ms");
	write_words(w, "pools", engine->pools);
	write_words(w, "executors", engine->executors);
	write_executor_states(w, engine);
	writer_string(w, "isolation", engine->isolation);
	write_load(w, "capacity", engine->capacity_hosts, engine->capacity_units);
	write_load(w, "running", engine->running_hosts, engine->running_units);
	writer_array(w, "parts");
	/* By the size that the core was compiled with, not by this plugin's. */
	for (size_t i = 0; i < engine->part_count; i++)
		write_part(w, (const struct drover_part *)(part + i * engine->parts->size));
	writer_array_end(w);
	if (engine->inventory)
		groups_write_inventory(w, engine->inventory);
	writer_object_end(w);
	return 0;
}

static int write_executor(void *context, const struct drover_executor_row *row)
{
	struct writer *w = context;

	writer_object(w, NULL);
	writer_string(w, "name", row->name);
	writer_string(w, "plugin", row->plugin);
	writer_string(w, "version", row->version);
	writer_string(w, "summary", row->summary);
	write_words(w, "types", row->types);
	writer_string(w, "state", row->state);
	if (row->nodes)
		write_words(w, "nodes", row->nodes);
	writer_object_end(w);
	return 0;
}

static int end_items(struct request *r, int code, const struct drover_error *err)
{
	if (code)
		return problem_set_code(&r->problem, code, err);
	writer_array_end(&r->out);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}

int engines_list(struct request *r)
{
	struct drover_error err = { 0 };

	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	return end_items(r, r->server->services->engines(r->server->core, write_engine, &r->out, &err), &err);
}

struct one_engine {
	struct writer *out;
	const char *name;
};

static int write_one_engine(void *context, const struct drover_engine *engine)
{
	const struct one_engine *one = context;

	return strcmp(engine->name, one->name) ? 0 : write_engine(one->out, engine);
}

/* As the engine is then. Units that were being claimed at that moment still come. */
static int drain(struct request *r, bool on)
{
	const struct drover_source_services *services = r->server->services;
	struct one_engine one = { &r->out, r->arguments[0] };
	struct drover_error err = { 0 };
	int code;

	if (r->body_size && (r->body_size != 2 || memcmp(r->body, "{}", 2)))
		return problem_set(&r->problem, PROBLEM_REQUEST, "this takes no body, or {}");
	code = services->drain_engine(r->server->core, r->arguments[0], on, &err);
	if (code == DROVER_ENOTFOUND)
		return problem_set(&r->problem, PROBLEM_NOT_FOUND, "%s", err.message);
	if (!code)
		code = services->engines(r->server->core, write_one_engine, &one, &err);
	return code ? problem_set_code(&r->problem, code, &err) : MHD_HTTP_OK;
}

int engines_drain(struct request *r)
{
	return drain(r, true);
}

int engines_undrain(struct request *r)
{
	return drain(r, false);
}

int engines_executors(struct request *r)
{
	struct drover_error err = { 0 };

	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	return end_items(r, r->server->services->executors(r->server->core, write_executor, &r->out, &err), &err);
}

static int write_health(struct request *r, bool well, const struct drover_core_health *health)
{
	const struct drover_source_services *services = r->server->services;

	writer_object(&r->out, NULL);
	writer_string(&r->out, "status", well ? "ok" : "unavailable");
	writer_string(&r->out, "node", services->node(r->server->core));
	writer_string(&r->out, "version", services->version(r->server->core));
	writer_bool(&r->out, "ready", health->ready);
	writer_bool(&r->out, "draining", health->draining);
	writer_bool(&r->out, "store_ok", health->store_ok);
	writer_string(&r->out, "message", health->message);
	writer_int(&r->out, "ready_units", health->ready_units);
	write_load(&r->out, "running", health->running_hosts, health->running_units);
	writer_object_end(&r->out);
	return well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

int engines_healthy(struct request *r)
{
	struct drover_core_health health = { .size = sizeof(health) };

	r->server->services->health(r->server->core, &health);
	return write_health(r, health.store_ok, &health);
}

int engines_ready(struct request *r)
{
	struct drover_core_health health = { .size = sizeof(health) };

	r->server->services->health(r->server->core, &health);
	return write_health(r, health.ready && !health.draining && !r->server->draining, &health);
}
