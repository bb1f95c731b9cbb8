/* test_mysql_sink.c - mysql as a sink, on a real server: its rows, repetitions, lost connections, what it refuses. */
#include <stdarg.h>

#include "store_fixture.h"

static const struct drover_sink *sink;
static char database[32];

static void sql(char *answer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void sql(char *answer, size_t size, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	store_server(text, answer, size);
}

#define ASK(expected, ...)                                                                                             \
	do {                                                                                                           \
		char answer_[512];                                                                                     \
                                                                                                                       \
		sql(answer_, sizeof(answer_), __VA_ARGS__);                                                            \
		ck_assert_str_eq(answer_, expected);                                                                   \
	} while (0)

static void setup(void)
{
	snprintf(database, sizeof(database), "sink_%d", (int)getpid());
	ASK("", "CREATE DATABASE %s", database);
	sink = fake_host_load("mysql")->sink;
}

static void teardown(void)
{
	ASK("", "DROP DATABASE %s", database);
}

static void *open_sink(const char *node, const char *batches)
{
	const char *const options[] = { "socket",   getenv("DROVER_MARIADB_SOCKET"),
					"user",     "drover",
					"password", "open sesame",
					"database", database,
					"node",     node,
					"batches",  batches,
					NULL };
	void *self = fake_host_new(&sink->info, options);

	WORKS(sink->open(self, &err));
	return self;
}

static void close_sink(void *self)
{
	sink->close(self);
	fake_host_free(&sink->info, self);
}

enum { EVENTS = 150 };

struct batch {
	struct drover_event events[EVENTS];
	char text[EVENTS][160], hosts[EVENTS][16];
};

/* Hosts' ends with the numbers from `first` on; the last event is the task's end. */
static struct batch *make_batch(const char *task, int64_t first)
{
	struct batch *b = calloc(1, sizeof(*b));

	for (int i = 0; i < EVENTS; i++) {
		bool last = i == EVENTS - 1;

		snprintf(b->hosts[i], sizeof(b->hosts[i]), "h%d", i);
		snprintf(b->text[i], sizeof(b->text[i]),
			 last ? "{\"seq\":%" PRId64 ",\"kind\":\"task\",\"state\":\"done\"}"
			      : "{\"seq\":%" PRId64 ",\"kind\":\"host\",\"status\":\"ok\",\"rc\":0,\"signal\":null,"
				"\"message\":\"\xc3\xa4 \\\"'\",\"time\":\"2024-05-17T08:30:00.000Z\"} cut",
			 first + i);
		b->events[i] = (struct drover_event){ .size = sizeof(*b->events),
						      .seq = first + i,
						      .kind = last ? DROVER_EVENT_TASK : DROVER_EVENT_HOST,
						      .task = task,
						      .host = last ? NULL : b->hosts[i],
						      .json = b->text[i],
						      .json_size = strlen(b->text[i]) - (last ? 0 : strlen(" cut")) };
	}
	return b;
}

static void check_rows_and_repetitions(const char *batches)
{
	struct batch *one = make_batch("t1", 10), *two = make_batch("t1", 10);
	void *a = open_sink("a", batches), *b = open_sink("b", batches);

	WORKS(sink->write(a, one->events, EVENTS, &err));
	WORKS(sink->write(a, one->events, EVENTS, &err)); /* as after a crash */
	WORKS(sink->write(b, two->events, EVENTS, &err));
	ASK("300", "SELECT count(*) FROM %s.events", database);
	ASK("a\th7\tok\t0\tNULL",
	    "SELECT node, host, status, rc, \\`signal\\` FROM %s.results WHERE task = 't1' AND host = 'h7'"
	    " ORDER BY node LIMIT 1",
	    database);
	ASK("149", "SELECT count(*) FROM %s.results WHERE node = 'b' AND message = '\xc3\xa4 \\\"\\''", database);
	ASK("done", "SELECT json_value(event, '$.state') FROM %s.events WHERE node = 'a' AND kind = 'task'", database);
	close_sink(a);
	close_sink(b);
	free(one);
	free(two);
}

START_TEST(events_are_rows_and_come_once)
{
	check_rows_and_repetitions("array");
}
END_TEST

START_TEST(events_are_rows_and_come_once_by_values)
{
	check_rows_and_repetitions("values");
}
END_TEST

START_TEST(a_batch_is_kept_back_while_the_server_is_away)
{
	struct batch *one = make_batch("t1", 1), *two = make_batch("t2", 1000);
	void *self = open_sink("a", "array");

	WORKS(sink->write(self, one->events, EVENTS, &err));
	ASK("", "KILL HARD CONNECTION USER drover");
	if (sink->write(self, two->events, EVENTS, &err)) {
		ck_assert_int_eq(err.code, DROVER_ERETRY);
		WORKS(sink->write(self, two->events, EVENTS, &err));
	}
	ASK("300", "SELECT count(*) FROM %s.events", database);
	/* A table that went is made again, and what cannot be done now is for later. */
	ASK("", "ALTER USER 'drover'@'%%' ACCOUNT LOCK; KILL HARD CONNECTION USER drover; DROP TABLE %s.events",
	    database);
	ck_assert_int_eq(sink->write(self, one->events, EVENTS, &err), DROVER_ERETRY);
	ASK("", "ALTER USER 'drover'@'%%' ACCOUNT UNLOCK");
	WORKS(sink->write(self, one->events, EVENTS, &err));
	ASK("150", "SELECT count(*) FROM %s.events", database);
	close_sink(self);
	free(one);
	free(two);
}
END_TEST

START_TEST(an_event_that_is_too_large_takes_no_other_with_it)
{
	struct batch *b = make_batch("t1", 1);
	void *self = open_sink("a", "array");
	char *large = malloc(40 << 20);
	int before = fake_host_complaints();

	memset(large, ' ', 40 << 20);
	b->events[3].json = large;
	b->events[3].json_size = 40 << 20;
	WORKS(sink->write(self, b->events, EVENTS, &err));
	ASK("149", "SELECT count(*) FROM %s.events", database);
	ck_assert_int_eq(fake_host_complaints(), before + 1);
	close_sink(self);
	free(large);
	free(b);
}
END_TEST

START_TEST(a_stores_database_is_left_alone)
{
	struct batch *b = make_batch("t1", 1);
	void *self = open_sink("a", "array");
	struct drover_session *s;

	WORKS(sink->store->session_open(self, DROVER_SESSION_WRITE, &s, &err));
	sink->store->session_close(s);
	ck_assert_int_eq(sink->write(self, b->events, EVENTS, &err), DROVER_ERETRY);
	ck_assert_msg(strstr(err.message, "is a store's") != NULL, "%s", err.message);
	ASK("0", "SELECT count(*) FROM information_schema.tables WHERE table_schema = '%s' AND table_name = 'events'",
	    database);
	close_sink(self);
	free(b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		events_are_rows_and_come_once,
		events_are_rows_and_come_once_by_values,
		a_batch_is_kept_back_while_the_server_is_away,
		an_event_that_is_too_large_takes_no_other_with_it,
		a_stores_database_is_left_alone,
	};

	if (!store_has_server())
		return 1;
	return store_run("mysql sink", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
