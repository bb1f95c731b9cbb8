/*
 * store_bench.c - how fast a store takes a task from its submission to its end, through the store's
 * operations, in one process: what bare_sqlite.c and bare_mysql.c do with bare statements, in the same groups.
 *
 *	store_bench [HOSTS [UNIT_SIZE [GROUP [FOLDER | mysql:DATABASE]]]]
 *
 * GROUP is how many hosts' rows go into one transaction. Prints seconds and hosts/s of each part. With mysql: the
 * server of $DROVER_MARIADB_SOCKET (tests/services/mariadb.py); several at once may use one database.
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

struct bench {
	const struct drover_store_ops *ops;
	struct drover_session *session;
	int64_t hosts, unit_size, units, group;
	int64_t incarnation;
	struct drover_task task;
};

static struct drover_error err;

static void must(int code)
{
	if (!code)
		return;
	fprintf(stderr, "store_bench: %s\n", err.message);
	exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int ignore(void *context, const struct drover_task_change *change)
{
	(void)context, (void)change;
	return 0;
}

static void begin(struct bench *b)
{
	must(b->ops->begin(b->session, &err));
}

static void commit(struct bench *b)
{
	must(b->ops->commit(b->session, ignore, NULL, &err));
}

static void submit(struct bench *b)
{
	struct drover_host_spec *hosts = calloc((size_t)b->group, sizeof(*hosts));
	struct drover_unit_spec *units = calloc((size_t)b->units, sizeof(*units));
	char(*names)[32] = calloc((size_t)b->group, sizeof(*names));

	begin(b);
	must(b->ops->insert_task(b->session, b->incarnation, &b->task, &err));
	for (int64_t first = 0; first < b->hosts; first += b->group) {
		int64_t count = least(b->group, b->hosts - first);

		for (int64_t i = 0; i < count; i++) {
			snprintf(names[i], sizeof(names[i]), "host%07" PRId64, first + i);
			hosts[i].name = names[i];
		}
		must(b->ops->insert_hosts(b->session, &b->task, first, hosts, count, &err));
		commit(b);
		begin(b);
	}
	for (int64_t i = 0; i < b->units; i++) {
		units[i].first = i * b->unit_size;
		units[i].count = least(b->unit_size, b->hosts - units[i].first);
	}
	must(b->ops->insert_units(b->session, &b->task, 0, units, b->units, &err));
	must(b->ops->accept(b->session, b->task.key, &err));
	commit(b);
	free(hosts);
	free(units);
	free(names);
}

/* So many units make a group. */
static int64_t units_at_once(const struct bench *b)
{
	return b->group > b->unit_size ? b->group / b->unit_size : 1;
}

static void claim(struct bench *b)
{
	int64_t step = units_at_once(b);
	struct drover_claim *claims = calloc((size_t)step, sizeof(*claims));

	for (int64_t first = 0; first < b->units; first += step) {
		int64_t count = least(step, b->units - first);

		for (int64_t i = 0; i < count; i++)
			claims[i] = (struct drover_claim){ .task_key = b->task.key, .unit = first + i };
		begin(b);
		must(b->ops->claim(b->session, b->incarnation, claims, (size_t)count, &err));
		commit(b);
	}
	free(claims);
}

static void finish(struct bench *b)
{
	struct drover_result *results = calloc((size_t)b->group, sizeof(*results));

	for (int64_t first = 0; first < b->hosts; first += b->group) {
		int64_t count = least(b->group, b->hosts - first);

		for (int64_t i = 0; i < count; i++)
			results[i] = (struct drover_result){
				.task_key = b->task.key,
				.unit = (first + i) / b->unit_size,
				.incarnation = b->incarnation,
				.attempt = 1,
				.index = first + i,
				.status = DROVER_OK,
				.report = { .has_rc = true },
			};
		begin(b);
		must(b->ops->results(b->session, results, (size_t)count, &err));
		commit(b);
	}
	free(results);
}

static void end(struct bench *b)
{
	int64_t step = units_at_once(b);

	for (int64_t first = 0; first < b->units; first += step) {
		begin(b);
		for (int64_t i = 0; i < least(step, b->units - first); i++) {
			struct drover_unit_end unit = {
				.task_key = b->task.key,
				.unit = first + i,
				.incarnation = b->incarnation,
				.attempt = 1,
				.begun = DROVER_FAILED,
				.rest = DROVER_PENDING,
				.max_attempts = 3,
			};

			must(b->ops->end_unit(b->session, &unit, &err));
		}
		commit(b);
	}
}

static void check(struct bench *b)
{
	struct drover_verification v;

	must(b->ops->verify(b->session, b->task.key, &v, &err));
	if (v.state == DROVER_TASK_DONE && v.counted[DROVER_OK] == b->hosts && v.stored[DROVER_OK] == b->hosts &&
	    v.units_done == b->units)
		return;
	fprintf(stderr, "store_bench: the task did not end as it should\n");
	exit(1);
}

static void measure(struct bench *b)
{
	static const struct {
		const char *name;
		void (*run)(struct bench *b);
	} parts[] = { { "submit", submit }, { "claim", claim }, { "results", finish }, { "end", end } };
	double begun = seconds();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		double start = seconds(), taken;

		parts[i].run(b);
		taken = seconds() - start;
		printf("store %-8s %8.3f s %10.0f hosts/s\n", parts[i].name, taken, (double)b->hosts / taken);
	}
	printf("store %-8s %8.3f s %10.0f hosts/s\n", "all", seconds() - begun, (double)b->hosts / (seconds() - begun));
	check(b);
}

int main(int argc, char **argv)
{
	struct bench b = { .hosts = argc > 1 ? atoll(argv[1]) : 100000,
			   .unit_size = argc > 2 ? atoll(argv[2]) : 1000,
			   .group = argc > 3 ? atoll(argv[3]) : 1000 };
	const char *place = argc > 4 ? argv[4] : "/tmp";
	bool mysql = !strncmp(place, "mysql:", 6);
	const struct drover_sink *sink = fake_host_load(mysql ? "mysql" : "sqlite")->sink;
	char path[4096], id[32];
	const char *const file[] = { "path", path, NULL };
	const char *const server[] = { "socket",   getenv("DROVER_MARIADB_SOCKET"),
				       "user",     "drover",
				       "password", "open sesame",
				       "database", place + 6,
				       NULL };
	void *self;

	snprintf(path, sizeof(path), "%s/store_bench.%d.db", place, (int)getpid());
	snprintf(id, sizeof(id), "bench%d", (int)getpid());
	self = fake_host_new(&sink->info, mysql ? server : file);
	must(sink->open(self, &err));
	b.ops = sink->store;
	b.units = (b.hosts + b.unit_size - 1) / b.unit_size;
	b.task = (struct drover_task){ .size = sizeof(b.task),
				       .id = id,
				       .type = "sim",
				       .executor = "sim",
				       .pool = "default",
				       .payload = "{}",
				       .options = "{}",
				       .priority = 50,
				       .timeout = 100000,
				       .unit_size = b.unit_size,
				       .hosts = b.hosts,
				       .units = b.units };
	must(b.ops->session_open(self, DROVER_SESSION_WRITE, &b.session, &err));
	begin(&b);
	must(b.ops->incarnate(b.session, id, "0", &b.incarnation, &err));
	commit(&b);
	measure(&b);
	b.ops->session_close(b.session);
	if (sink->close)
		sink->close(self);
	fake_host_free(&sink->info, self);
	if (!mysql)
		unlink(path);
	return 0;
}
