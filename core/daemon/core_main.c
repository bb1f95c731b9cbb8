/*
 * core_main.c - the core's process: scheduler, store, sources. One event loop; the store and the
 * sources have threads of their own.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/cluster.h"
#include "daemon/core.h"
#include "daemon/distribution.h"
#include "proc/roles.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define TICK_USEC 250000

static void on_peer(void *context, const char *role, const char *name, int fd)
{
	struct core *core = context;

	if (!strcmp(role, "executor"))
		engine_executor_up(core->engine, name, fd);
	else if (!strcmp(role, "sink"))
		hub_sink_up(core->hub, name, fd);
	else
		close(fd);
}

static void on_parts(void *context, const struct drover_part *parts, size_t count)
{
	struct core *core = context;
	struct core_view *view = &core->view;
	bool isolation_known;

	pthread_mutex_lock(&core->lock);
	for (size_t i = 0; i < view->part_count; i++) {
		free(view->parts[i].name);
		free(view->parts[i].last_death);
	}
	view->parts = xrealloc(view->parts, count * sizeof(*view->parts));
	view->part_count = count;
	isolation_known = *view->isolation;
	snprintf(view->isolation, sizeof(view->isolation), "%s", control_isolation(core->control));
	for (size_t i = 0; i < count; i++) {
		view->parts[i].part = parts[i];
		view->parts[i].part.name = view->parts[i].name = xstrdup(parts[i].name);
		view->parts[i].part.last_death = view->parts[i].last_death = xstrdup(parts[i].last_death);
	}
	pthread_mutex_unlock(&core->lock);
	if (!isolation_known)
		core_announce(core);
}

static void on_drain(void *context, int64_t deadline)
{
	struct core *core = context;
	struct engine_load load;

	if (core->drain_deadline) {
		core->drain_deadline = deadline;
		return;
	}
	engine_load(core->engine, &load);
	log_info("stopping: %lld units run, %lld wait for the next start", (long long)load.running_units,
		 (long long)load.ready_units);
	core_audit_own(core, "drain", NULL);
	atomic_store(&core->draining, true);
	core->drain_deadline = deadline ? deadline : 1;
	engine_drain(core->engine);
	core_announce(core);
	for (size_t i = 0; i < core->source_count; i++) {
		struct core_source *source = &core->sources[i];
		struct drover_error err = { 0 };

		if (source->open && source->plugin->drain && source->plugin->drain(source->self, deadline, &err))
			log_warning("source %s: %s", source->name, err.message);
	}
}

static void on_reload(void *context, const char *slice)
{
	core_reload(context, slice);
}

static const struct control_events control_events = {
	.peer = on_peer,
	.parts = on_parts,
	.reload = on_reload,
	.drain = on_drain,
};

static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
	(void)usec;
	core_tick(context);
	sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The store may be away at the start: the supervisor tries again with a growing pause. */
static int start(struct core *core, int control_fd, int config_fd, struct drover_error *err)
{
	int code = core_configure(core, config_fd, err);

	if (!code)
		code = core_open_store(core, err);
	if (!code)
		code = core_recover(core, err);
	if (!code)
		code = core_open_sinks(core, err);
	if (!code)
		core_open_inventory(core);
	if (!code)
		code = core_open_dispatcher(core, err);
	if (!code)
		code = distribution_open(core, err);
	if (!code)
		code = cluster_watch(core, err);
	if (!code)
		code = core_open_sources(core, err);
	if (!code)
		code = control_new(core->event, control_fd, &control_events, core, &core->control, err);
	return code;
}

/* A descriptor for each client of a source: as many as the system allows. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warning("cannot raise the limit of descriptors: %m");
}

int core_main(int control_fd, int config_fd)
{
	struct core core = { .lock = PTHREAD_MUTEX_INITIALIZER, .access = { .lock = PTHREAD_MUTEX_INITIALIZER } };
	struct drover_error err = { 0 };
	sd_event_source *timer = NULL;
	int status = 1;

	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	atomic_store(&core.last_request, clock_boot_ms());
	if (sd_event_new(&core.event) < 0)
		return 1;
	if (start(&core, control_fd, config_fd, &err)) {
		log_error("cannot start: %s", err.message);
	} else if (sd_event_add_time_relative(core.event, &timer, CLOCK_BOOTTIME, 0, 10000, on_tick, &core) < 0) {
		log_error("cannot start: no timer");
	} else {
		control_ready(core.control);
		log_info("up: node %s, incarnation %lld", core.node, (long long)core.incarnation);
		status = sd_event_loop(core.event);
	}
	sd_event_source_unref(timer);
	core_close(&core);
	log_info("ended");
	return status < 0 ? 1 : status;
}
