/* plan.c - see plan.h. */
#include "conf/plan.h"

#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"
#include "conf/credential.h"
#include "conf/option.h"
#include "conf/sink_events.h"
#include "util/buf.h"

static void put(struct json_object *to, const char *name, struct json_object *value)
{
	json_object_object_add(to, name, value);
}

static void put_text(struct json_object *to, const char *name, const char *text)
{
	put(to, name, text ? json_object_new_string(text) : NULL);
}

static void put_number(struct json_object *to, const char *name, int64_t number)
{
	put(to, name, json_object_new_int64(number));
}

/* A table's fields as they are: numbers as numbers, words as words. No section of the daemon's own has mappings. */
static struct json_object *fields(const struct conf_applied *a)
{
	struct json_object *all = json_object_new_object();

	for (const struct drover_option *o = a->table; o && o->type != DROVER_TYPE_END; o++) {
		const void *field = (const char *)a->self + o->offset;

		switch (o->type) {
		case DROVER_TYPE_INT:
		case DROVER_TYPE_DURATION:
		case DROVER_TYPE_SIZE:
			put_number(all, o->name, *(const int64_t *)field);
			break;
		case DROVER_TYPE_BOOL:
			put(all, o->name, json_object_new_boolean(*(const bool *)field));
			break;
		case DROVER_TYPE_CHOICE:
			put_text(all, o->name, o->choices[*(const int *)field]);
			break;
		case DROVER_TYPE_LIST: {
			const struct drover_list *list = field;
			struct json_object *items = json_object_new_array();

			for (size_t i = 0; i < list->count; i++)
				json_object_array_add(items, json_object_new_string(list->items[i]));
			put(all, o->name, items);
			break;
		}
		default:
			put_text(all, o->name, *(char *const *)field);
			break;
		}
	}
	return all;
}

/* What every slice has. */
static struct json_object *slice(const struct conf *c)
{
	struct json_object *s = json_object_new_object();

	put(s, "node", fields(&c->tables[SCHEMA_NODE]));
	put(s, "log", fields(&c->tables[SCHEMA_LOG]));
	return s;
}

/* {name, plugin, path, options} into `to`. */
static struct json_object *put_instance(struct json_object *to, const struct conf_instance *i)
{
	put_text(to, "name", i->name);
	put_text(to, "plugin", i->info->name);
	put_text(to, "path", i->plugin.path);
	put(to, "options", json_object_get(i->options.given));
	return to;
}

static struct json_object *words(const char *text)
{
	struct json_object *all = json_object_new_array();

	while (*(text += strspn(text, " \t"))) {
		size_t size = strcspn(text, " \t");

		json_object_array_add(all, json_object_new_string_len(text, (int)size));
		text += size;
	}
	return all;
}

static struct json_object *payload(const struct drover_payload_field *field)
{
	struct json_object *all = field ? json_object_new_array() : NULL;

	for (; field && field->name; field++) {
		struct json_object *one = json_object_new_object();

		put_text(one, "name", field->name);
		put_number(one, "types", field->types);
		put_number(one, "group", field->group);
		put(one, "required", json_object_new_boolean(field->flags & DROVER_REQUIRED));
		put_text(one, "help", field->help);
		json_object_array_add(all, one);
	}
	return all;
}

static bool is_unconfined(const struct drover_executor *executor)
{
	return executor->size > offsetof(struct drover_executor, flags) && executor->flags & DROVER_EXECUTOR_UNCONFINED;
}

/* For executors whose hosts each take processes of their own; see host_memory in drover/executor.h. */
#define HOSTS_PER_CORE 150
#define HOSTS_LEAST 30

static int64_t default_hosts(const struct drover_executor *executor)
{
	int64_t cores = sysconf(_SC_NPROCESSORS_ONLN), hosts;

	if (executor->size <= offsetof(struct drover_executor, host_memory) || !executor->host_memory)
		return 0;
	hosts = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 2 / ((int64_t)executor->host_memory << 20);
	if (hosts > cores * HOSTS_PER_CORE)
		hosts = cores * HOSTS_PER_CORE;
	return hosts < HOSTS_LEAST ? HOSTS_LEAST : hosts;
}

static struct json_object *capacity_of(const struct conf_instance *i)
{
	struct json_object *capacity = i->capacity.self ? fields(&i->capacity) : NULL;
	int64_t hosts = default_hosts(i->plugin.module->executor);

	if (hosts && !capacity)
		capacity = json_object_new_object();
	if (hosts && !json_object_get_int64(json_object_object_get(capacity, "hosts")))
		put_number(capacity, "hosts", hosts);
	return capacity;
}

/* An executor as the core sees it: what it takes, nothing of how it does it. */
static struct json_object *core_executor(const struct conf_instance *i)
{
	const struct drover_executor *executor = i->plugin.module->executor;
	const struct schema_matching *match = i->match.self;
	struct json_object *e = json_object_new_object();

	put_text(e, "name", i->name);
	put_text(e, "plugin", i->info->name);
	put_text(e, "version", i->info->version);
	put_text(e, "summary", i->info->summary);
	put(e, "types", words(executor->types));
	put_number(e, "window", executor->window);
	put(e, "unconfined", json_object_new_boolean(is_unconfined(executor)));
	put_text(e, "match", match ? match->hosts : NULL);
	put(e, "capacity", capacity_of(i));
	put(e, "payload", payload(executor->payload));
	return e;
}

static struct json_object *dispatcher_slice(const struct conf_instance *i)
{
	const struct schema_dispatcher *common = i->common.self;
	struct json_object *d = put_instance(json_object_new_object(), i);

	put_number(d, "ahead", common->ahead);
	put_number(d, "look", common->look);
	put_number(d, "again", common->again);
	put_number(d, "again_most", common->again_most);
	return d;
}

static struct json_object *core_slice(const struct conf *c)
{
	const struct conf_instances *sources = conf_list(c, SCHEMA_SOURCES), *sinks = conf_list(c, SCHEMA_SINKS),
				    *executors = conf_list(c, SCHEMA_EXECUTORS);
	struct json_object *s = slice(c), *store = put_instance(json_object_new_object(), &c->store), *list;

	put(s, "capacity", fields(&c->tables[SCHEMA_CAPACITY]));
	put(s, "limits", fields(&c->tables[SCHEMA_LIMITS]));
	put(s, "lease", fields(&c->tables[SCHEMA_LEASE]));
	put(s, "inventory", inventory_slice(c));
	put(s, "cluster", cluster_slice(c));
	put_number(store, "keep", ((const struct schema_store *)c->store.common.self)->keep);
	put(s, "store", store);
	put(s, "sources", list = json_object_new_array());
	for (size_t i = 0; i < sources->count; i++)
		json_object_array_add(list, put_instance(json_object_new_object(), &sources->items[i]));
	put(s, "executors", list = json_object_new_array());
	for (size_t i = 0; i < executors->count; i++)
		json_object_array_add(list, core_executor(&executors->items[i]));
	put(s, "credentials", credential_names(c));
	put(s, "dispatcher", c->dispatcher.info ? dispatcher_slice(&c->dispatcher) : NULL);
	put(s, "sinks", list = json_object_new_array());
	for (size_t i = 0; i < sinks->count; i++) {
		const struct schema_sink *common = sinks->items[i].common.self;
		struct json_object *sink = json_object_new_object();

		put_text(sink, "name", sinks->items[i].name);
		put_text(sink, "plugin", sinks->items[i].info->name);
		put_number(sink, "spool_limit", common->spool_limit);
		put_number(sink, "events", sink_events(&common->events));
		json_object_array_add(list, sink);
	}
	return s;
}

static struct json_object *sink_slice(const struct conf *c, const struct conf_instance *i)
{
	const struct schema_sink *common = i->common.self;
	struct json_object *s = put_instance(slice(c), i);

	put_number(s, "call_timeout", common->call_timeout);
	put_number(s, "spool_limit", common->spool_limit);
	put_number(s, "events", sink_events(&common->events));
	return s;
}

static struct json_object *monitor_slice(const struct conf *c, const struct conf_instances *monitors)
{
	struct json_object *s = slice(c), *list = json_object_new_array();

	for (size_t i = 0; i < monitors->count; i++) {
		const struct schema_monitor *common = monitors->items[i].common.self;
		struct json_object *one = put_instance(json_object_new_object(), &monitors->items[i]);

		put_number(one, "interval", common->interval);
		put_number(one, "call_timeout", common->call_timeout);
		json_object_array_add(list, one);
	}
	put(s, "monitors", list);
	return s;
}

static void add_process(struct json_object *processes, const char *role, const char *name, const char *user,
			struct json_object *of_it)
{
	struct json_object *p = json_object_new_object();

	put_text(p, "role", role);
	put_text(p, "name", name);
	put_text(p, "user", user);
	put(p, "slice", of_it);
	json_object_array_add(processes, p);
}

static struct json_object *processes(const struct conf *c)
{
	const struct conf_instances *executors = conf_list(c, SCHEMA_EXECUTORS), *sinks = conf_list(c, SCHEMA_SINKS),
				    *monitors = conf_list(c, SCHEMA_MONITORS);
	const char *user = ((const struct schema_node *)c->tables[SCHEMA_NODE].self)->user;
	struct json_object *all = json_object_new_array();

	add_process(all, "core", "core", user, core_slice(c));
	for (size_t i = 0; i < executors->count; i++) {
		const struct schema_executor *common = executors->items[i].common.self;
		struct json_object *s = put_instance(slice(c), &executors->items[i]);

		put(s, "lease", fields(&c->tables[SCHEMA_LEASE]));
		put_number(s, "call_timeout", common->call_timeout);
		put_number(s, "live_rate", common->live_rate);
		put_number(s, "live_unit_rate", common->live_unit_rate);
		if (credential_taken(&executors->items[i]))
			put(s, "credentials", credential_secrets(c));
		add_process(all, "executor", executors->items[i].name, common->run_as, s);
	}
	for (size_t i = 0; i < sinks->count; i++)
		add_process(all, "sink", sinks->items[i].name, user, sink_slice(c, &sinks->items[i]));
	if (monitors->count)
		add_process(all, "monitor", "monitor", user, monitor_slice(c, monitors));
	return all;
}

int conf_plan(const char *file, struct json_object **plan, struct conf_errors *errors)
{
	struct conf c;
	int code = 0;

	*plan = NULL;
	conf_load(&c, file ? file : CONF_DEFAULT_FILE, errors);
	if (errors->count) {
		code = DROVER_EINVALID;
	} else {
		*plan = json_object_new_object();
		put(*plan, "node", fields(&c.tables[SCHEMA_NODE]));
		put_text(*plan, "plugin_path", c.plugin_path);
		put(*plan, "lease", fields(&c.tables[SCHEMA_LEASE]));
		put(*plan, "log", fields(&c.tables[SCHEMA_LOG]));
		put(*plan, "secret_variables", json_object_get(c.secret_variables));
		put(*plan, "processes", processes(&c));
	}
	conf_dispose(&c);
	return code;
}
