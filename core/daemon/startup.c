/* startup.c - from the slice of the configuration to a core that can run, and back. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <drover/crash_point.h>

#include "conf/option.h"
#include "daemon/cluster.h"
#include "daemon/core.h"
#include "daemon/distribution.h"
#include "daemon/inventory_keeper.h"
#include "loader/loader.h"
#include "proc/slice.h"
#include "sched/results_spool.h"
#include "spool/spool.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define READER_SESSIONS 4
#define COMMIT_INTERVAL 10 /* ms */
#define RESULTS_WAIT 50    /* ms that results, for which nobody waits, gather before a commit */
#define GROUP_WEIGHT 20000 /* rows in one transaction */
#define SWEEP_UNITS 200    /* in one transaction */

static char **read_pools(struct json_object *array)
{
	size_t count = json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
	char **pools = xcalloc(count + 2, sizeof(char *));

	for (size_t i = 0; i < count; i++)
		pools[i] = xstrdup(json_object_get_string(json_object_array_get_idx(array, i)));
	if (!count)
		pools[0] = xstrdup("default");
	return pools;
}

int core_configure(struct core *core, int config_fd, struct drover_error *err)
{
	int code = slice_read(config_fd, &core->slice, err);

	if (code)
		return code;
	slice_log(core->slice, "core");
	core->node = xstrdup(slice_text(core->slice, "node.name", "node"));
	core->state_dir = xstrdup(slice_text(core->slice, "node.state_dir", "/var/lib/drover"));
	core->pools = read_pools(slice_get(core->slice, "node.pools"));
	core->idle_exit = slice_int(core->slice, "node.idle_exit", 0);
	core->lease_renew = slice_int(core->slice, "lease.renew", 5000);
	core->lease_permit = slice_int(core->slice, "lease.permit", 5000);
	core->lease_stop_after = slice_int(core->slice, "lease.stop_after", 20000);
	core->dispatches = slice_get(core->slice, "dispatcher") != NULL;
	atomic_store(&core->keep, slice_int(core->slice, "store.keep", 0));
	core->limits = (struct task_limits){
		.hosts = slice_int(core->slice, "limits.hosts", 200000),
		.unit_size = slice_int(core->slice, "limits.unit_size", 10000),
		.output = slice_int(core->slice, "limits.output", 16 << 20),
		.output_default = slice_int(core->slice, "limits.output_default", 64 << 10),
		.results = slice_int(core->slice, "limits.results", 20000),
		.attempts = slice_int(core->slice, "limits.attempts", 3),
		.waves = slice_int(core->slice, "limits.waves", 1000),
	};
	access_configure(&core->access, slice_get(core->slice, "credentials"));
	log_secret(slice_text(core->slice, "cluster.signing_key", NULL));
	code = signing_keys_read(slice_get(core->slice, "cluster"), &core->keys, err);
	if (code)
		return code;
	code = executors_read(slice_get(core->slice, "executors"), &core->executors, err);
	core->view.executors = xcalloc(core->executors.count, sizeof(*core->view.executors));
	return code;
}

/* It is read on a thread of its own, from now on. */
void core_open_inventory(struct core *core)
{
	struct buf folder = BUF_INIT;

	buf_printf(&folder, "%s/inventory", core->state_dir);
	core->inventory = keeper_new(folder.data);
	keeper_configure(core->inventory, slice_get(core->slice, "inventory"));
	buf_dispose(&folder);
}

int core_load_instance(struct json_object *instance, enum plugin_kind kind, const struct drover_module **module,
		       void **self, struct drover_error *err)
{
	struct loaded_plugin plugin;
	const struct drover_plugin_info *info;
	int code = loader_open_file(slice_text(instance, "path", ""), &loader_host, &plugin, err);

	if (code)
		return code;
	*module = plugin.module;
	loader_dispose(&plugin);
	info = loader_info(*module, kind);
	if (!info)
		return drover_error_set(err, DROVER_EINVALID, "plugin %s is no %s", slice_text(instance, "plugin", "?"),
					loader_kind_name(kind));
	code = slice_options(slice_get(instance, "options"), info->options, info->self_size, self, err);
	if (!code && info->check)
		code = info->check(*self, err);
	return code;
}

/* On the writer's thread: sinks and event streams have something to read. */
static int on_change(void *context, const struct drover_task_change *change)
{
	struct core *core = context;

	metrics_changed(&core->metrics, change);
	core_task_changed(core, change);
	hub_committed(core->hub, change->task.seq);
	return 0;
}

int core_open_store(struct core *core, struct drover_error *err)
{
	const struct drover_module *module;
	struct json_object *store = slice_get(core->slice, "store");
	int code = core_load_instance(store, PLUGIN_SINK, &module, &core->store_self, err);

	if (code)
		return code;
	core->store_plugin = module->sink;
	core->ops = module->sink->store;
	if (!core->ops)
		return drover_error_set(err, DROVER_EINVALID, "plugin %s cannot be the store", module->sink->name);
	/* Arrays cross here, so a table of another size is of other structs. */
	if (core->ops->size < sizeof(*core->ops))
		return drover_error_set(err, DROVER_EINVALID,
					"the store plugin %s was built for an older Drover: build it anew",
					module->sink->name);
	code = module->sink->open ? module->sink->open(core->store_self, err) : 0;
	core->store_open = !code;
	if (!code)
		code = core->ops->session_open(core->store_self, DROVER_SESSION_WRITE, &core->session, err);
	if (code)
		return code;
	core->readers = readers_new(core->ops, core->store_self, READER_SESSIONS,
				    slice_int(core->slice, "limits.store_patience", 10000));
	return 0;
}

/* ---------------------------------------------------------- taking over what an earlier life left */

static int log_swept(void *context, const struct drover_unit_row *row)
{
	(void)context;
	log_warning("took over unit %lld of task %lld (attempt %d) from an earlier life of this node: it is %s",
		    (long long)row->unit, (long long)row->task_key, row->attempt, drover_unit_state_name(row->state));
	return 0;
}

static int in_transaction(struct core *core, int (*work)(struct core *core, bool *more, struct drover_error *err),
			  struct drover_error *err)
{
	bool more = true;
	int code = 0;

	while (more && !code) {
		more = false;
		code = core->ops->begin(core->session, err);
		if (!code)
			code = work(core, &more, err);
		if (!code)
			code = core->ops->commit(core->session, NULL, NULL, err);
		if (code)
			core->ops->rollback(core->session);
	}
	return code;
}

static int incarnate(struct core *core, bool *more, struct drover_error *err)
{
	int code;

	(void)more;
	CRASH_POINT("incarnate.write");
	code = core->ops->incarnate(core->session, core->node, DROVER_VERSION, &core->incarnation, err);
	if (!code)
		code = cluster_introduce(core, err);
	CRASH_POINT("incarnate.written");
	return code;
}

static int sweep(struct core *core, bool *more, struct drover_error *err)
{
	return core->ops->sweep(core->session, (int)core->limits.attempts, SWEEP_UNITS, log_swept, core, more, err);
}

static int sweep_accepting(struct core *core, bool *more, struct drover_error *err)
{
	return core->ops->sweep_accepting(core->session, 10000, more, err);
}

static int found_unit(void *context, const struct drover_unit_row *row)
{
	engine_unit_ready(((struct core *)context)->engine, row->task_key, row->unit);
	return 0;
}

struct found_tasks {
	struct core *core;
	int64_t *keys;
	size_t count;
};

static int found_task(void *context, const struct drover_task *task)
{
	struct found_tasks *found = context;
	struct core *core = found->core;

	if (core->ops->shared)
		metrics_seen(&core->metrics, task);
	else
		metrics_found(&core->metrics, task);
	/* In a store of its own every task is the node's, by whatever name it had then. */
	if (core->ops->shared && (!task->home || strcmp(task->home, core->node)))
		return 0;
	engine_task_found(core->engine, task);
	found->keys = xrealloc(found->keys, (found->count + 1) * sizeof(*found->keys));
	found->keys[found->count++] = task->key;
	return 0;
}

/* Gives the engine every task that is not at its end, with its ready units. */
static int find_tasks(struct core *core, struct drover_session *session, struct drover_error *err)
{
	struct drover_task_filter filter = { .size = sizeof(filter),
					     .states = 1u << DROVER_TASK_QUEUED | 1u << DROVER_TASK_RUNNING };
	struct found_tasks found = { .core = core };
	int code = core->ops->tasks(session, &filter, found_task, &found, err);

	/* Newest first came out of the store; the oldest goes first here. */
	for (size_t i = found.count; i-- > 0 && !code;)
		code = core->ops->ready_units(session, found.keys[i], -1, 0, found_unit, core, err);
	free(found.keys);
	engine_tasks_found(core->engine);
	return code;
}

static int open_results(struct core *core, struct results_spool **spool, struct drover_error *err)
{
	char *folder = results_spool_folder(core->state_dir);
	int code = results_spool_new(core->event, folder, spool, err);

	free(folder);
	return code;
}

/* The life that left them behind still has its lease, unless another node has ended it. */
static int store_results(struct core *core, struct drover_error *err)
{
	char *folder = results_spool_folder(core->state_dir);
	int code = results_spool_recover(folder, core->ops, core->session, err);

	free(folder);
	return code;
}

struct room_limits core_capacity(struct json_object *slice)
{
	return (struct room_limits){ .hosts = slice_int(slice, "capacity.hosts", 2000),
				     .units = slice_int(slice, "capacity.units", 512),
				     .reserve = slice_int(slice, "capacity.reserve", 5) };
}

int core_recover(struct core *core, struct drover_error *err)
{
	struct engine_options options = {
		.capacity = core_capacity(core->slice),
		.max_attempts = (int)core->limits.attempts,
		.result_backlog = core->limits.results,
		.executors = &core->executors,
		.results_limit = slice_int(core->slice, "limits.results_spool", 1 << 30),
		.results_patience = slice_int(core->slice, "limits.results_patience", 2000),
	};
	struct writer_options writer = { .interval = COMMIT_INTERVAL,
					 .idle_wait = RESULTS_WAIT,
					 .group_weight = GROUP_WEIGHT,
					 .patience = slice_int(core->slice, "limits.store_patience", 10000),
					 .change = on_change,
					 .context = core };
	struct hub_options hub = {
		.node = core->node, .ops = core->ops, .readers = core->readers, .watch = core_watch, .context = core
	};
	struct drover_session *session;
	int code = store_results(core, err);

	if (!code)
		code = in_transaction(core, incarnate, err);
	core->started_at = clock_utc_ms();
	atomic_store(&core->renewed_at, core->started_at);
	if (!code)
		code = in_transaction(core, sweep, err);
	if (!code)
		code = in_transaction(core, sweep_accepting, err);
	if (!code)
		code = hub_new(&hub, &core->hub, err);
	if (!code)
		code = writer_new(core->event, core->ops, core->session, &writer, &core->writer, err);
	if (!code)
		code = open_results(core, &options.results, err);
	if (code)
		return code;
	options.incarnation = core->incarnation;
	core->metrics.shared = core->ops->shared;
	core->engine = engine_new(core->event, core->writer, core->hub, &options);
	code = cluster_open(core, err);
	if (!code)
		code = readers_take(core->readers, &session, err);
	if (code)
		return code;
	code = core->ops->last_seq(session, &core->changes_since, err);
	if (!code)
		code = find_tasks(core, session, err);
	readers_give(core->readers, session, code != 0);
	return code;
}

/* ---------------------------------------------------------------------------- sinks and sources */

int core_open_sinks(struct core *core, struct drover_error *err)
{
	struct json_object *sinks = slice_get(core->slice, "sinks");
	size_t count = json_object_is_type(sinks, json_type_array) ? json_object_array_length(sinks) : 0;
	int code = 0;

	for (size_t i = 0; i < count && !code; i++) {
		struct json_object *sink = json_object_array_get_idx(sinks, i);
		const char *name = slice_text(sink, "name", "");
		unsigned kinds = (unsigned)slice_int(sink, "events", 0);
		char *folder = spool_folder(core->state_dir, name, kinds & 1u << DROVER_EVENT_AUDIT);

		code = hub_add_sink(core->hub, name, folder, slice_int(sink, "spool_limit", 1 << 30), kinds, err);
		free(folder);
	}
	if (!code)
		core_audit_own(core, "start", "droverd " DROVER_VERSION);
	return code ? code : hub_start(core->hub, err);
}

int core_open_sources(struct core *core, struct drover_error *err)
{
	struct json_object *sources = slice_get(core->slice, "sources");
	size_t count = json_object_is_type(sources, json_type_array) ? json_object_array_length(sources) : 0;
	int code = 0;

	core->sources = xcalloc(count, sizeof(*core->sources));
	for (size_t i = 0; i < count && !code; i++) {
		struct json_object *instance = json_object_array_get_idx(sources, i);
		struct core_source *source = &core->sources[core->source_count++];
		const struct drover_module *module;

		source->name = xstrdup(slice_text(instance, "name", ""));
		code = core_load_instance(instance, PLUGIN_SOURCE, &module, &source->self, err);
		if (code)
			break;
		source->plugin = module->source;
		code = source->plugin->open(source->self, &core_services, core, err);
		source->open = !code;
	}
	return code;
}

/* --------------------------------------------------------------------------------------- the end */

static int retire(struct core *core, bool *more, struct drover_error *err)
{
	(void)more;
	return core->ops->retire(core->session, core->incarnation, err);
}

/* With results that the store did not take it ends at the next start, after they are stored; or others end it. */
static void end_lease(struct core *core)
{
	char *folder = results_spool_folder(core->state_dir);
	struct drover_error err = { 0 };

	if (core->incarnation && results_spool_waits(folder))
		log_warning("results wait in %s for the next start: the store did not take them", folder);
	else if (core->incarnation && in_transaction(core, retire, &err))
		log_warning("cannot end the lease: %s", err.message);
	free(folder);
}

static void close_sources(struct core *core)
{
	for (size_t i = 0; i < core->source_count; i++) {
		struct core_source *source = &core->sources[i];

		if (source->open && source->plugin->close)
			source->plugin->close(source->self);
		if (source->plugin)
			option_free(source->plugin->options, source->self);
		free(source->name);
	}
	free(core->sources);
}

void core_view_dispose(struct core_view *view)
{
	for (size_t i = 0; i < view->part_count; i++) {
		free(view->parts[i].name);
		free(view->parts[i].last_death);
	}
	free(view->parts);
	free(view->executors);
}

/* In the order in which the parts use each other: nobody is called who is gone. */
void core_close(struct core *core)
{
	close_sources(core);
	distribution_stop(core);
	core_close_dispatcher(core);
	core_audit_own(core, "stop", NULL);
	keeper_free(core->inventory);
	cluster_stop(core);
	writer_free(core->writer);
	hub_free(core->hub);
	metrics_dispose(&core->metrics);
	engine_free(core->engine);
	distribution_free(core);
	cluster_free(core);
	end_lease(core);
	readers_free(core->readers);
	if (core->session)
		core->ops->session_close(core->session);
	if (core->store_open && core->store_plugin->close)
		core->store_plugin->close(core->store_self);
	if (core->store_plugin)
		option_free(core->store_plugin->options, core->store_self);
	executors_dispose(&core->executors);
	core_view_dispose(&core->view);
	access_dispose(&core->access);
	signing_keys_free(core->keys);
	for (char **pool = core->pools; pool && *pool; pool++)
		free(*pool);
	free(core->pools);
	free(core->node);
	free(core->state_dir);
	json_object_put(core->slice);
	pthread_mutex_destroy(&core->lock);
	control_free(core->control);
	sd_event_unref(core->event);
}
