/*
 * fake_core_about.c - the fake core's services that tell of itself: answers that never change but with its store.
 */
#include "fake_core.h"

static int get_engines(void *c, int (*fn)(void *context, const struct drover_engine *engine), void *context,
		       struct drover_error *err)
{
	struct drover_part parts[] = {
		{ .size = sizeof(*parts), .name = "core", .pid = 42, .started_at = NOW },
		{ .size = sizeof(*parts),
		  .name = "executor: shell",
		  .pid = 43,
		  .started_at = NOW,
		  .restarts = 1,
		  .died_at = NOW,
		  .last_death = "killed by signal 9" },
	};
	const struct drover_executor_state states[] = {
		{ .size = sizeof(*states), .name = "shell", .state = "down", .since = NOW, .message = "killed" },
		{ .size = sizeof(*states), .name = "sim", .state = "up" },
	};
	struct drover_engine engine = { .size = sizeof(engine),
					.name = "node1",
					.version = "0.1",
					.state = "up",
					.incarnation = 7,
					.started_at = NOW,
					.renewed_at = NOW,
					.pools = "default gpu",
					.executors = "shell sim",
					.isolation = "subreaper",
					.capacity_hosts = 2000,
					.capacity_units = 512,
					.parts = parts,
					.part_count = 2,
					.executor_states = states,
					.executor_state_count = 2 };

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	return core_leave(fn(context, &engine));
}

static int get_executors(void *c, int (*fn)(void *context, const struct drover_executor_row *row), void *context,
			 struct drover_error *err)
{
	struct drover_executor_row row = { .size = sizeof(row),
					   .name = "shell",
					   .plugin = "shell",
					   .version = "1.0",
					   .types = "shell",
					   .summary = "commands",
					   .state = "up" };

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	return core_leave(fn(context, &row));
}

static void get_health(void *c, struct drover_core_health *health)
{
	(void)c;
	pthread_mutex_lock(&core.lock);
	health->ready = health->store_ok = !core.away;
	health->message = core.away ? "the store is away" : NULL;
	pthread_mutex_unlock(&core.lock);
}

static const char *get_name(void *c)
{
	(void)c;
	return "node1";
}

static void tell_metrics(void *c, drover_metric_fn *fn, void *context)
{
	static const double bounds[] = { 0.001, 0.5 };
	static const int64_t buckets[] = { 3, 2, 1 };
	static const char *const states[][3] = { { "state", "queued", NULL }, { "state", "run\\n\"ing\"\n", NULL } };

	(void)c;
	for (int i = 0; i < 2; i++)
		fn(context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
						     .name = "tasks",
						     .help = "Open tasks,\nby \\state.",
						     .type = DROVER_GAUGE,
						     .labels = states[i],
						     .value = i + 0.25 });
	fn(context, &(struct drover_metric){ .size = sizeof(struct drover_metric),
					     .name = "commit_seconds",
					     .help = "Commits.",
					     .type = DROVER_HISTOGRAM,
					     .value = 1.5,
					     .bounds = bounds,
					     .buckets = buckets,
					     .bucket_count = 2 });
}

void core_set_about_services(struct drover_source_services *services)
{
	services->engines = get_engines;
	services->executors = get_executors;
	services->health = get_health;
	services->node = get_name;
	services->version = get_name;
	services->metrics = tell_metrics;
}
