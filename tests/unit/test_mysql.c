/*
 * test_mysql.c - what only the shared store has: several writers at once, connections that are lost, commits
 * whose answer is lost, and indexes that hold what they promise.
 */
#define _GNU_SOURCE /* memmem */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "unit/store_fixture.h"

static struct store st;

static void setup(void)
{
	store_kind = STORE_MYSQL;
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

static struct drover_result result_of(const struct drover_task *task, int64_t incarnation, int64_t index)
{
	return (struct drover_result){ .task_key = task->key,
				       .unit = index / task->unit_size,
				       .incarnation = incarnation,
				       .attempt = 1,
				       .index = index,
				       .status = DROVER_OK };
}

/* ------------------------------------------------------------------------------ lost connections */

static void kill_connections(void)
{
	char answer[64];

	store_server("KILL HARD CONNECTION USER drover", answer, sizeof(answer));
}

START_TEST(a_lost_connection_ends_the_transaction_and_the_next_has_a_new_one)
{
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *reader;

	store_submit(&st, &task);
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	claim.task_key = task.key;
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	kill_connections();
	ck_assert_int_eq(st.ops->commit(st.w, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(st.w);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	/* A reader that notices it is told to try again, and then it works. */
	if (st.ops->task(reader, NULL, task.key, store_take_task, &task, &err))
		ck_assert_int_eq(err.code, DROVER_ERETRY);
	WORKS(st.ops->task(reader, NULL, task.key, store_take_task, &task, &err));
	ck_assert_int_eq(task.counts[DROVER_RUNNING], 5);
	st.ops->session_close(reader);
	store_verify(&st, task.key);
}
END_TEST

/* Between the store and its server: passes bytes on, but for one COMMIT it ends the connection. */
struct proxy {
	char path[80];
	int listener;
	pthread_t thread;
	atomic_int cut; /* 0: pass; 1: before the server gets it; 2: when it has answered */
	atomic_bool stop;
	atomic_bool away; /* nobody gets through after that */
};

static int proxy_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("DROVER_MARIADB_SOCKET"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static bool proxy_pass(int from, int to, char *bytes, size_t room, ssize_t *size)
{
	*size = read(from, bytes, room);
	return *size > 0 && write(to, bytes, (size_t)*size) == *size;
}

/* One connection. */
static void proxy_serve(struct proxy *p, int client)
{
	struct pollfd fds[2] = { { .fd = client, .events = POLLIN }, { .fd = proxy_connect(), .events = POLLIN } };
	char bytes[16384];
	ssize_t size = 1;

	if (atomic_load(&p->away)) {
		close(fds[1].fd);
		close(client);
		return;
	}

	while (!atomic_load(&p->stop)) {
		if (poll(fds, 2, 50) <= 0)
			continue;
		if (fds[1].revents && !proxy_pass(fds[1].fd, client, bytes, sizeof(bytes), &size))
			break;
		if (!fds[0].revents)
			continue;
		size = recv(client, bytes, sizeof(bytes), MSG_PEEK);
		if (size <= 0)
			break;
		if (atomic_load(&p->cut) && memmem(bytes, (size_t)size, "COMMIT", 6)) {
			if (atomic_exchange(&p->cut, 0) >= 2) {
				proxy_pass(client, fds[1].fd, bytes, sizeof(bytes), &size);
				ck_assert_int_gt(read(fds[1].fd, bytes, sizeof(bytes)), 0);
			}
			break;
		}
		if (!proxy_pass(client, fds[1].fd, bytes, sizeof(bytes), &size))
			break;
	}
	close(fds[1].fd);
	close(client);
}

static void *proxy_thread(void *arg)
{
	struct proxy *p = arg;
	struct pollfd fd = { .fd = p->listener, .events = POLLIN };

	while (!atomic_load(&p->stop))
		if (poll(&fd, 1, 50) > 0)
			proxy_serve(p, accept(p->listener, NULL, NULL));
	return NULL;
}

static void proxy_start(struct proxy *p)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(p->path, sizeof(p->path), "/tmp/test_mysql.%d", (int)getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(p->path);
	ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(p->listener, 4), 0);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_thread, p), 0);
}

static void proxy_end(struct proxy *p)
{
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	close(p->listener);
	unlink(p->path);
}

/* A commit whose answer does not come tells the truth: what is said to be done is done, and only that. */
static void cut_a_commit(int cut)
{
	struct proxy proxy = { .listener = -1 };
	const char *const options[] = { "socket",      proxy.path, "user",  "drover", "password",
					"open sesame", "database", st.path, NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *own = st.w, *through;
	void *self;
	int code;

	proxy_start(&proxy);
	store_submit(&st, &task);
	self = fake_host_new(&st.sink->info, options);
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &through, &err));
	claim.task_key = task.key;
	WORKS(st.ops->begin(through, &err));
	WORKS(st.ops->claim(through, st.incarnation, &claim, 1, &err));
	atomic_store(&proxy.cut, cut);
	st.w = through;
	st.changes = 0;
	code = st.ops->commit(through, store_note, &st, &err);
	st.w = own;
	ck_assert_int_eq(atomic_load(&proxy.cut), 0);
	ck_assert_int_eq(code, cut == 1 ? DROVER_ERETRY : 0);
	ck_assert_int_eq(st.changes, cut == 1 ? 0 : 1);
	if (code)
		st.ops->rollback(through);
	ck_assert_int_eq(store_unit(&st, task.key, 0).state, cut == 1 ? DROVER_UNIT_READY : DROVER_UNIT_CLAIMED);
	/* And it goes on. */
	claim.unit = 1;
	WORKS(st.ops->begin(through, &err));
	WORKS(st.ops->claim(through, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(through, NULL, NULL, &err));
	ck_assert(claim.claimed);
	st.ops->session_close(through);
	fake_host_free(&st.sink->info, self);
	proxy_end(&proxy);
	store_verify(&st, task.key);
}

START_TEST(a_commit_that_never_reached_the_server_is_told_as_not_done)
{
	cut_a_commit(1);
}
END_TEST

START_TEST(a_commit_whose_answer_was_lost_is_told_as_done)
{
	cut_a_commit(2);
}
END_TEST

/* And where it cannot be found out for so long: who does all of it again finds its claim. */
START_TEST(a_claim_without_an_answer_is_found_when_it_is_made_again)
{
	struct proxy proxy = { .listener = -1 };
	const char *const options[] = { "socket",   proxy.path, "user",        "drover", "password", "open sesame",
					"database", st.path,    "commit_wait", "0s",     NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *s;
	void *self;

	proxy_start(&proxy);
	store_submit(&st, &task);
	self = fake_host_new(&st.sink->info, options);
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &s, &err));
	claim.task_key = task.key;
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	atomic_store(&proxy.away, true);
	atomic_store(&proxy.cut, 2);
	ck_assert_int_eq(st.ops->commit(s, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(s);
	ck_assert_int_eq(st.ops->begin(s, &err), DROVER_ERETRY);
	atomic_store(&proxy.away, false);
	claim = (struct drover_claim){ .task_key = task.key };
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(s, NULL, NULL, &err));
	ck_assert(claim.claimed && claim.attempt == 1 && claim.count == 5);
	/* Once: it is no way to get a unit twice. */
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(s, NULL, NULL, &err));
	ck_assert(!claim.claimed);
	st.ops->session_close(s);
	fake_host_free(&st.sink->info, self);
	proxy_end(&proxy);
	store_verify(&st, task.key);
}
END_TEST

/* ------------------------------------------------------------------------------ several writers */

enum { WRITERS = 4, NODES = 8, HOSTS_EACH = 300, UNIT = 10 };

struct work {
	struct drover_task task;
	char id[16];
	pthread_t thread;
	char trouble[sizeof(err.message)];
};

static atomic_int writing;

/* Runs a task of its own to its end, in small transactions; on trouble says why. */
static void *write_task(void *arg)
{
	struct work *work = arg;
	struct drover_session *s;
	struct drover_error why = { .code = 0 };
	int code = st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why);

	for (int64_t i = 0; i < HOSTS_EACH && !code; i++) {
		struct drover_claim claim = { .task_key = work->task.key, .unit = i / UNIT };
		struct drover_result result = result_of(&work->task, st.incarnation, i);

		code = st.ops->begin(s, &why);
		if (!code && i % UNIT == 0)
			code = st.ops->claim(s, st.incarnation, &claim, 1, &why);
		if (!code)
			code = st.ops->results(s, &result, 1, &why);
		if (!code)
			code = st.ops->commit(s, NULL, NULL, &why);
	}
	if (code)
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	atomic_fetch_sub(&writing, 1);
	return NULL;
}

struct feed {
	int64_t seq;
	int rows;
};

static int follow(void *context, const struct drover_result_row *row)
{
	struct feed *feed = context;

	ck_assert_int_gt(row->seq, feed->seq);
	feed->seq = row->seq;
	feed->rows++;
	return 0;
}

/* Who follows the feed while many write sees each row, though it never looks back. */
START_TEST(the_feed_misses_nothing_of_several_writers)
{
	struct drover_result_filter filter = { .size = sizeof(filter), .feed = true, .limit = 50 };
	struct work works[WRITERS] = { 0 };
	struct feed feed = { 0 };
	struct drover_session *reader;
	bool last;

	for (int i = 0; i < WRITERS; i++) {
		snprintf(works[i].id, sizeof(works[i].id), "t%d", i);
		works[i].task = store_task(works[i].id, HOSTS_EACH, UNIT);
		store_submit(&st, &works[i].task);
	}
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	atomic_store(&writing, WRITERS);
	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, write_task, &works[i]), 0);
	do {
		last = !atomic_load(&writing);
		do {
			filter.since_seq = feed.seq;
			WORKS(st.ops->results_query(reader, &filter, follow, &feed, &err));
		} while (feed.seq != filter.since_seq);
	} while (!last);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
		ck_assert_int_eq(store_verify(&st, works[i].task.key).state, DROVER_TASK_DONE);
	}
	ck_assert_int_eq(feed.rows, WRITERS * HOSTS_EACH);
	st.ops->session_close(reader);
}
END_TEST

/* One unit, many who want it. */
static void *claim_first(void *arg)
{
	struct work *work = arg;
	struct drover_error why = { .code = 0 };
	struct drover_claim claim = { .task_key = work->task.key };
	struct drover_session *s;
	int code = st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why);

	for (int64_t unit = 0; unit < HOSTS_EACH / UNIT && !code; unit++) {
		claim.unit = unit;
		code = st.ops->begin(s, &why);
		if (!code)
			code = st.ops->claim(s, st.incarnation, &claim, 1, &why);
		if (!code)
			code = st.ops->commit(s, NULL, NULL, &why);
		if (!code && claim.claimed)
			atomic_fetch_add(&writing, 1);
	}
	if (code)
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	return NULL;
}

START_TEST(of_many_who_claim_a_unit_one_gets_it)
{
	struct drover_task task = store_task("t", HOSTS_EACH, UNIT);
	struct work works[WRITERS] = { 0 };

	store_submit(&st, &task);
	atomic_store(&writing, 0);
	for (int i = 0; i < WRITERS; i++) {
		works[i].task = task;
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, claim_first, &works[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
	}
	ck_assert_int_eq(atomic_load(&writing), HOSTS_EACH / UNIT);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_RUNNING], HOSTS_EACH);
}
END_TEST

static void *open_writer(void *arg)
{
	struct work *work = arg;
	struct drover_error why = { .code = 0 };
	struct drover_session *s;

	if (st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &why))
		snprintf(work->trouble, sizeof(work->trouble), "%s", why.message);
	else
		st.ops->session_close(s);
	return NULL;
}

START_TEST(nodes_that_start_at_once_make_one_schema)
{
	struct work works[NODES] = { 0 };
	char sql[256], answer[64];

	st.ops->session_close(st.w);
	snprintf(sql, sizeof(sql), "DROP DATABASE %s; CREATE DATABASE %s", st.path, st.path);
	store_server(sql, answer, sizeof(answer));
	for (int i = 0; i < NODES; i++)
		ck_assert_int_eq(pthread_create(&works[i].thread, NULL, open_writer, &works[i]), 0);
	for (int i = 0; i < NODES; i++) {
		pthread_join(works[i].thread, NULL);
		ck_assert_str_eq(works[i].trouble, "");
	}
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_str_eq(answer, "2");
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &st.w, &err));
}
END_TEST

/* As by SIGSTOP: its transaction is ended by the server before another's patience is. */
START_TEST(a_writer_that_stops_in_the_middle_holds_nobody_up)
{
	const char *const options[] = { "socket",
					getenv("DROVER_MARIADB_SOCKET"),
					"user",
					"drover",
					"password",
					"open sesame",
					"database",
					st.path,
					"lock_timeout",
					"4s",
					NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *own = st.w, *stopped, *other;
	void *self = fake_host_new(&st.sink->info, options);

	store_submit(&st, &task);
	claim.task_key = task.key;
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &stopped, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &other, &err));
	WORKS(st.ops->begin(stopped, &err));
	WORKS(st.ops->claim(stopped, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	st.w = other;
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	st.w = own;
	ck_assert_int_eq(st.ops->commit(stopped, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(stopped);
	st.ops->session_close(stopped);
	st.ops->session_close(other);
	fake_host_free(&st.sink->info, self);
	store_verify(&st, task.key);
}
END_TEST

/* --------------------------------------------------------------------------------- no scans */

/* Rows that the server has read of tables and indexes so far. */
static int64_t rows_read(void)
{
	char answer[64];

	store_server("SELECT sum(variable_value) FROM information_schema.global_status WHERE variable_name IN"
		     " ('Handler_read_first', 'Handler_read_key', 'Handler_read_next', 'Handler_read_prev',"
		     " 'Handler_read_rnd', 'Handler_read_rnd_next')",
		     answer, sizeof(answer));
	return atoll(answer);
}

static int64_t asking_costs;

#define READS_FEW(call)                                                                                                \
	do {                                                                                                           \
		int64_t before = rows_read(), rows;                                                                    \
                                                                                                                       \
		WORKS(call);                                                                                           \
		rows = rows_read() - before - asking_costs;                                                            \
		ck_assert_msg(rows <= 700, "%s reads %" PRId64 " rows", #call, rows);                                  \
	} while (0)

static int count_row(void *context, const struct drover_result_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static int count_unit(void *context, const struct drover_unit_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

static int count_task(void *context, const struct drover_task *task)
{
	(void)task;
	(*(int *)context)++;
	return 0;
}

/* Ended tasks of `hosts` hosts, to be passed over, and one that runs. */
static struct drover_task fill(int tasks, int hosts)
{
	struct drover_task task;
	char id[24];

	for (int i = 0; i < tasks; i++) {
		struct drover_result *results = calloc((size_t)hosts, sizeof(*results));

		snprintf(id, sizeof(id), "old%d", i);
		task = store_task(id, hosts, hosts);
		task.concurrency_key = "one at a time";
		store_submit(&st, &task);
		ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
		for (int h = 0; h < hosts; h++)
			results[h] = result_of(&task, st.incarnation, h);
		store_begin(&st);
		WORKS(st.ops->results(st.w, results, (size_t)hosts, &err));
		store_commit(&st);
		free(results);
		store_incarnate(&st, id);
		store_incarnate(&st, id);
	}
	task = store_task("new", hosts, 50);
	task.concurrency_key = "one at a time";
	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	return task;
}

static int take_pool(void *context, const char *pool, int64_t units)
{
	(void)pool;
	*(int64_t *)context += units;
	return 0;
}

static int count_node(void *context, const struct drover_incarnation_row *row)
{
	(void)row;
	(*(int *)context)++;
	return 0;
}

/* All but the first, which is claimed. */
static void publish_all(const struct drover_task *task)
{
	struct drover_publication *some = calloc((size_t)task->units, sizeof(*some));

	for (int64_t i = 0; i < task->units; i++)
		some[i] = (struct drover_publication){ .task_key = task->key, .unit = i, .again_in = 60000 };
	store_begin(&st);
	WORKS(st.ops->published(st.w, some, (size_t)task->units, &err));
	store_commit(&st);
	free(some);
	ck_assert_int_eq(store_get(&st, task->key).published, task->units);
}

/* Of 42,000 hosts none but those that are asked for are read. */
START_TEST(nothing_scans)
{
	struct drover_task task = fill(20, 2000), row;
	struct drover_result results[50];
	struct drover_unit_end end = { .task_key = task.key, .incarnation = st.incarnation, .attempt = 1 };
	struct drover_claim claim = { .task_key = task.key, .unit = 1 };
	struct drover_publication publication = { .unit = 20 };
	struct drover_result_filter history = { .size = sizeof(history), .host = "h7", .limit = 100 };
	struct drover_result_filter page = { .size = sizeof(page), .task_key = task.key, .limit = 50 };
	struct drover_result_filter changes = { .size = sizeof(changes), .task_key = task.key };
	struct drover_result_filter feed = { .size = sizeof(feed), .feed = true, .limit = 100 };
	struct drover_task_filter open = { .size = sizeof(open), .states = 1u << DROVER_TASK_RUNNING };
	struct drover_due_filter due = { .size = sizeof(due), .due = true, .limit = 20 };
	struct drover_due_filter any = { .size = sizeof(any), .pools = "default", .limit = 20 };
	int64_t first, seq, queued = 0;
	int count = 0;
	bool more;

	first = rows_read();
	asking_costs = rows_read() - first;
	READS_FEW(st.ops->task(st.w, "new", 0, store_take_task, &row, &err));
	READS_FEW(st.ops->tasks(st.w, &open, count_task, &count, &err));
	ck_assert_int_eq(count, 1);
	READS_FEW(st.ops->results_query(st.w, &history, count_row, &count, &err));
	ck_assert_int_eq(count, 22);
	READS_FEW(st.ops->results_query(st.w, &page, count_row, &count, &err));
	ck_assert_int_eq(count, 72);
	WORKS(st.ops->last_seq(st.w, &seq, &err));
	feed.since_seq = seq - 100;
	READS_FEW(st.ops->results_query(st.w, &feed, count_row, &count, &err));
	READS_FEW(st.ops->ready_units(st.w, task.key, 10, 3, count_unit, &count, &err));
	publish_all(&task);
	count = 0;
	READS_FEW(st.ops->due_units(st.w, &due, store_count_due, &count, &err));
	ck_assert_int_eq(count, 0);
	READS_FEW(st.ops->due_units(st.w, &any, store_count_due, &count, &err));
	ck_assert_int_eq(count, 20);
	READS_FEW(st.ops->queued_units(st.w, take_pool, &queued, &err));
	ck_assert_int_eq(queued, 39);
	count = 0;
	READS_FEW(st.ops->nodes(st.w, count_node, &count, &err));
	ck_assert_int_eq(count, 21);
	store_begin(&st);
	READS_FEW(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	for (int i = 0; i < 50; i++)
		results[i] = result_of(&task, st.incarnation, i);
	READS_FEW(st.ops->results(st.w, results, 49, &err));
	store_commit(&st);
	changes.since_seq = seq;
	count = 0;
	READS_FEW(st.ops->results_query(st.w, &changes, count_row, &count, &err));
	ck_assert_int_eq(count, 99);
	store_begin(&st);
	end.begun = end.rest = DROVER_FAILED;
	READS_FEW(st.ops->end_unit(st.w, &end, &err));
	READS_FEW(st.ops->sweep(st.w, 3, 10, count_unit, &count, &more, &err));
	publication.task_key = task.key;
	READS_FEW(st.ops->published(st.w, &publication, 1, &err));
	READS_FEW(st.ops->sweep_accepting(st.w, 10, &more, &err));
	READS_FEW(st.ops->expire(st.w, 10, &more, &err));
	READS_FEW(st.ops->retain(st.w, 1, 100, &more, &err));
	READS_FEW(st.ops->retain(st.w, INT64_MAX, 100, &more, &err));
	ck_assert(more);
	store_commit(&st);
}
END_TEST

/* Its units are counted anew one by one; its hosts are looked at once. */
START_TEST(a_cancel_reads_its_own_hosts_only)
{
	struct drover_task task = fill(3, 2000);
	int64_t before = rows_read(), rows;

	asking_costs = rows_read() - before;
	before = rows_read();
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	store_commit(&st);
	rows = rows_read() - before - asking_costs;
	ck_assert_msg(rows < 3 * 2000, "cancelling 2,000 hosts reads %" PRId64 " rows", rows);
	store_verify(&st, task.key);
}
END_TEST

/* -------------------------------------------------------------------------------- the server */

START_TEST(settings_of_the_server_are_warned_about)
{
	struct drover_session *s;
	int before = fake_host_complaints();
	char answer[64];

	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err));
	st.ops->session_close(s);
	ck_assert_int_eq(fake_host_complaints(), before);
	store_server("SET GLOBAL innodb_flush_log_at_trx_commit = 2; SET GLOBAL sql_mode = ''", answer, sizeof(answer));
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err));
	st.ops->session_close(s);
	store_server("SET GLOBAL innodb_flush_log_at_trx_commit = 1; SET GLOBAL sql_mode = DEFAULT", answer,
		     sizeof(answer));
	ck_assert_int_eq(fake_host_complaints(), before + 2);
}
END_TEST

START_TEST(what_the_server_does_not_take_is_told)
{
	struct drover_task task = store_task("a", 10, 5);
	struct drover_result result;
	char *large = calloc(1, 20 << 20);
	int code;

	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	result = result_of(&task, st.incarnation, 0);
	memset(large, 'x', 20 << 20);
	result.report.out = large;
	result.report.out_size = 20 << 20;
	store_begin(&st);
	code = st.ops->results(st.w, &result, 1, &err);
	ck_assert_int_eq(code, DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "max_allowed_packet") != NULL, "%s", err.message);
	st.ops->rollback(st.w);
	result.report.out_size = 12 << 20;
	ck_assert_int_eq(store_result(&st, result), DROVER_WRITTEN);
	ck_assert_int_eq(store_row(&st, task.key, 0).row.stdout_size, 12 << 20);
	free(large);
}
END_TEST

START_TEST(another_databases_tables_and_newer_schemas_are_refused)
{
	struct drover_session *s;
	char sql[256], answer[64];

	snprintf(sql, sizeof(sql), "INSERT INTO %s.schema_version VALUES (1000, 0, 1000)", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "newer") != NULL, "%s", err.message);
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_READ, &s, &err), DROVER_EINVALID);
	snprintf(sql, sizeof(sql), "DROP TABLE %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_int_eq(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &s, &err), DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, "something else") != NULL, "%s", err.message);
}
END_TEST

/*
 * What the next version may do to the tables while this one works: columns with defaults, here before all others, a
 * table, an index. It says that this version may go on.
 */
START_TEST(a_schema_of_the_next_version_is_worked_with)
{
	static const char *const tables[] = { "counters", "sessions",  "incarnations", "tasks",   "submissions",
					      "units",    "envelopes", "hosts",        "outputs", "late" };
	struct drover_task task = store_task("before", 4, 2);
	struct drover_session *reader;
	char sql[512], answer[64];

	store_submit(&st, &task);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(sql, sizeof(sql),
			 "ALTER TABLE %s.%s ADD COLUMN next_one VARCHAR(20) NOT NULL DEFAULT 'x' FIRST", st.path,
			 tables[i]);
		store_server(sql, answer, sizeof(answer));
	}
	snprintf(sql, sizeof(sql),
		 "CREATE TABLE %1$s.next_table (id INT); CREATE INDEX next_index ON %1$s.hosts (next_one);"
		 "INSERT INTO %1$s.schema_version (version, applied_at, oldest) VALUES (3, 0, 2)",
		 st.path);
	store_server(sql, answer, sizeof(answer));
	/* A session that was open goes on, and new ones begin. */
	store_whole_life(&st, "open");
	st.ops->session_close(st.w);
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_WRITE, &st.w, &err));
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	st.ops->session_close(reader);
	store_whole_life(&st, "new");
	snprintf(sql, sizeof(sql), "SELECT max(version) FROM %s.schema_version", st.path);
	store_server(sql, answer, sizeof(answer));
	ck_assert_str_eq(answer, "3");
	snprintf(sql, sizeof(sql), "DROP DATABASE %s", st.path);
	store_server(sql, answer, sizeof(answer));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_lost_connection_ends_the_transaction_and_the_next_has_a_new_one,
		a_commit_that_never_reached_the_server_is_told_as_not_done,
		a_commit_whose_answer_was_lost_is_told_as_done,
		a_claim_without_an_answer_is_found_when_it_is_made_again,
		the_feed_misses_nothing_of_several_writers,
		of_many_who_claim_a_unit_one_gets_it,
		nodes_that_start_at_once_make_one_schema,
		a_writer_that_stops_in_the_middle_holds_nobody_up,
		nothing_scans,
		a_cancel_reads_its_own_hosts_only,
		settings_of_the_server_are_warned_about,
		what_the_server_does_not_take_is_told,
		another_databases_tables_and_newer_schemas_are_refused,
		a_schema_of_the_next_version_is_worked_with,
	};

	if (!store_has_server())
		return 1;
	return store_run("mysql", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
