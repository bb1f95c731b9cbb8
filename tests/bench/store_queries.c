/*
 * store_queries.c - how long a store of a million hosts' rows takes to answer what is asked all the time: a task's
 * progress, the first page of its results, a host's history, what has ended, which units are due, and who is there.
 *
 *	store_queries [TASKS [HOSTS [FOLDER | mysql:DATABASE]]]
 *
 * TASKS ended tasks of the same HOSTS hosts (100 of 10,000), and one whose units wait, published. Prints the median
 * and the 99th percentile of each in milliseconds; ends with 1 where a percentile is above 10 ms.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <drover/sink.h>
#include <drover/store.h>

#include "sdk/fake_host.h"

enum { UNIT = 100, WAITING = 1000, QUERIES = 2000, GROUP = 1000 };

static const double promised = 10; /* ms */

static const struct drover_store_ops *ops;
static struct drover_session *writer, *reader;
static struct drover_error err;
static int64_t tasks, hosts, incarnation;
static int64_t newest; /* change */
static int64_t *keys;
static unsigned seed = 1;

static void must(int code)
{
	if (!code)
		return;
	fprintf(stderr, "store_queries: %s\n", err.message);
	exit(1);
}

static int64_t roll(int64_t sides)
{
	return (int64_t)(((uint64_t)rand_r(&seed) << 31 | (uint64_t)rand_r(&seed)) % (uint64_t)sides);
}

static double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ------------------------------------------------------------------------------------ its rows */

static void begin(void)
{
	must(ops->begin(writer, &err));
}

static void commit(void)
{
	must(ops->commit(writer, NULL, NULL, &err));
}

static struct drover_task submit(const char *id, int64_t count, int64_t unit_size)
{
	struct drover_task task = { .size = sizeof(task),
				    .id = id,
				    .type = "sim",
				    .executor = "sim",
				    .pool = "default",
				    .payload = "{}",
				    .options = "{}",
				    .priority = 50,
				    .unit_size = unit_size,
				    .hosts = count,
				    .units = (count + unit_size - 1) / unit_size };
	struct drover_host_spec *specs = calloc((size_t)count, sizeof(*specs));
	struct drover_unit_spec *units = calloc((size_t)task.units, sizeof(*units));
	char(*names)[24] = calloc((size_t)count, sizeof(*names));
	char envelope[400];

	memset(envelope, 'e', sizeof(envelope));
	for (int64_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "host%06" PRId64, i);
		specs[i].name = names[i];
	}
	for (int64_t i = 0; i < task.units; i++)
		units[i] = (struct drover_unit_spec){ .first = i * unit_size,
						      .count = count - i * unit_size < unit_size ? count - i * unit_size
												 : unit_size,
						      .envelope = { envelope, sizeof(envelope) } };
	begin();
	must(ops->insert_task(writer, incarnation, &task, &err));
	must(ops->insert_hosts(writer, &task, 0, specs, count, &err));
	must(ops->insert_units(writer, &task, 0, units, task.units, &err));
	must(ops->accept(writer, task.key, &err));
	commit();
	free(specs);
	free(units);
	free(names);
	return task;
}

static void end(const struct drover_task *task)
{
	struct drover_result *results = calloc(GROUP, sizeof(*results));

	begin();
	for (int64_t unit = 0; unit < task->units; unit++) {
		struct drover_claim claim = { .task_key = task->key, .unit = unit };

		must(ops->claim(writer, incarnation, &claim, 1, &err));
	}
	commit();
	for (int64_t first = 0; first < task->hosts; first += GROUP) {
		int64_t count = task->hosts - first < GROUP ? task->hosts - first : GROUP;

		for (int64_t i = 0; i < count; i++)
			results[i] = (struct drover_result){ .task_key = task->key,
							     .unit = (first + i) / UNIT,
							     .incarnation = incarnation,
							     .attempt = 1,
							     .index = first + i,
							     .status = roll(50) ? DROVER_OK : DROVER_FAILED,
							     .report = { .has_rc = true,
									 .out = "the output of a command\n" } };
		begin();
		must(ops->results(writer, results, (size_t)count, &err));
		commit();
	}
	free(results);
}

static void publish(const struct drover_task *task)
{
	struct drover_publication *some = calloc((size_t)task->units, sizeof(*some));

	for (int64_t i = 0; i < task->units; i++)
		some[i] = (struct drover_publication){ .task_key = task->key,
						       .unit = i,
						       .again_in = i % 2 ? 3600000 : 0 };
	begin();
	must(ops->published(writer, some, (size_t)task->units, &err));
	commit();
	free(some);
}

static void fill(void)
{
	double start = milliseconds();
	struct drover_task task;
	char id[24];

	begin();
	must(ops->incarnate(writer, "bench", "0", &incarnation, &err));
	commit();
	for (int64_t i = 0; i < tasks; i++) {
		snprintf(id, sizeof(id), "task%" PRId64, i);
		task = submit(id, hosts, UNIT);
		end(&task);
		keys[i] = task.key;
	}
	task = submit("waiting", WAITING, 1);
	publish(&task);
	must(ops->last_seq(reader, &newest, &err));
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%" PRId64 " rows of hosts in %.0f s\n", tasks * hosts, (milliseconds() - start) / 1e3);
}

/* --------------------------------------------------------------------------------- its questions */

static int see_task(void *context, const struct drover_task *task)
{
	(void)task;
	(*(int64_t *)context)++;
	return 0;
}

static int see_row(void *context, const struct drover_result_row *row)
{
	(void)row;
	(*(int64_t *)context)++;
	return 0;
}

static int see_due(void *context, const struct drover_due_unit *unit)
{
	(void)unit;
	(*(int64_t *)context)++;
	return 0;
}

static int see_queued(void *context, const struct drover_queued *queued)
{
	*(int64_t *)context += queued->units;
	return 0;
}

static int see_node(void *context, const struct drover_incarnation_row *row)
{
	(void)row;
	(*(int64_t *)context)++;
	return 0;
}

static void progress(int64_t *seen)
{
	char id[24];

	snprintf(id, sizeof(id), "task%" PRId64, roll(tasks));
	must(ops->task(reader, id, 0, see_task, seen, &err));
}

static void first_page(int64_t *seen)
{
	struct drover_result_filter filter = { .size = sizeof(filter), .task_key = keys[roll(tasks)], .limit = 100 };

	must(ops->results_query(reader, &filter, see_row, seen, &err));
}

static void page_with_outputs(int64_t *seen)
{
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .task_key = keys[roll(tasks)],
					       .limit = 100,
					       .outputs = true,
					       .output_limit = 4096 };

	must(ops->results_query(reader, &filter, see_row, seen, &err));
}

static void history(int64_t *seen)
{
	struct drover_result_filter filter = { .size = sizeof(filter), .limit = 100 };
	char name[24];

	snprintf(name, sizeof(name), "host%06" PRId64, roll(hosts));
	filter.host = name;
	must(ops->results_query(reader, &filter, see_row, seen, &err));
}

/* What sinks and event streams follow. */
static void ended(int64_t *seen)
{
	struct drover_result_filter filter = { .size = sizeof(filter), .feed = true, .limit = 100 };

	filter.since_seq = newest - roll(tasks * hosts);
	must(ops->results_query(reader, &filter, see_row, seen, &err));
}

static void due(int64_t *seen)
{
	struct drover_due_filter filter = { .size = sizeof(filter), .due = true, .limit = 100 };

	must(ops->due_units(reader, &filter, see_due, seen, &err));
}

static void waiting(int64_t *seen)
{
	struct drover_due_filter filter = { .size = sizeof(filter), .pools = "default other", .limit = 20 };

	must(ops->due_units(reader, &filter, see_due, seen, &err));
}

static void queued(int64_t *seen)
{
	must(ops->queued(reader, see_queued, seen, &err));
}

static void nodes(int64_t *seen)
{
	must(ops->nodes(reader, see_node, seen, &err));
}

static int by_time(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool measure(const char *name, void (*ask)(int64_t *seen))
{
	static double times[QUERIES];
	int64_t seen = 0;

	for (int i = 0; i < QUERIES; i++) {
		double start = milliseconds();

		ask(&seen);
		times[i] = milliseconds() - start;
	}
	qsort(times, QUERIES, sizeof(*times), by_time);
	printf("%-24s %6.1f rows  median %7.3f ms  p99 %7.3f ms  most %7.3f ms\n", name, (double)seen / QUERIES,
	       times[QUERIES / 2], times[QUERIES * 99 / 100], times[QUERIES - 1]);
	return times[QUERIES * 99 / 100] <= promised;
}

static int measure_all(void)
{
	static const struct {
		const char *name;
		void (*ask)(int64_t *seen);
	} questions[] = { { "a task's progress", progress },
			  { "first page of results", first_page },
			  { "the same with outputs", page_with_outputs },
			  { "a host's history", history },
			  { "hosts that ended", ended },
			  { "units due", due },
			  { "units waiting", waiting },
			  { "units queued by pool", queued },
			  { "nodes", nodes } };
	bool kept = true;

	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
		kept = measure(questions[i].name, questions[i].ask) && kept;
	return kept ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *place = argc > 3 ? argv[3] : "/tmp";
	bool mysql = !strncmp(place, "mysql:", 6);
	const struct drover_sink *sink = fake_host_load(mysql ? "mysql" : "sqlite")->sink;
	char path[4096];
	const char *const file[] = { "path", path, NULL };
	const char *const server[] = { "socket",   getenv("DROVER_MARIADB_SOCKET"),
				       "user",     "drover",
				       "password", "open sesame",
				       "database", place + 6,
				       NULL };
	void *self;
	int result;

	tasks = argc > 1 ? atoll(argv[1]) : 100;
	hosts = argc > 2 ? atoll(argv[2]) : 10000;
	keys = calloc((size_t)tasks, sizeof(*keys));
	snprintf(path, sizeof(path), "%s/store_queries.%d.db", place, (int)getpid());
	self = fake_host_new(&sink->info, mysql ? server : file);
	must(sink->open(self, &err));
	ops = sink->store;
	must(ops->session_open(self, DROVER_SESSION_WRITE, &writer, &err));
	must(ops->session_open(self, DROVER_SESSION_READ, &reader, &err));
	fill();
	result = measure_all();
	ops->session_close(reader);
	ops->session_close(writer);
	fake_host_free(&sink->info, self);
	if (!mysql)
		unlink(path);
	free(keys);
	return result;
}
