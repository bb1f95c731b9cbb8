/*
 * sink.c - mysql as a sink: the events of a node whose store is another one go into a table of a database that
 * many nodes may share, and a view shows its hosts' results as columns.
 *
 * A batch is one transaction. An event that comes again, as after a crash, finds its row there. Whatever keeps
 * the server from taking a batch may pass, so the spool keeps the batch; only an event that is larger than the
 * server ever takes is left out.
 */
#include "sink.h"

#include <stdio.h>
#include <unistd.h>

static const char create_events[] =
	"CREATE TABLE IF NOT EXISTS events ("
	" node VARCHAR(255) NOT NULL, kind VARCHAR(16) NOT NULL, seq BIGINT NOT NULL, task VARCHAR(255) NOT NULL,"
	" host VARCHAR(255), event LONGTEXT NOT NULL,"
	" PRIMARY KEY (node, kind, seq), KEY events_task (task, kind, host), KEY events_host (host, kind, seq))"
	" ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

#define MEMBER(name) ", json_value(event, '$." name "') AS `" name "`"
static const char create_results[] =
	"CREATE OR REPLACE SQL SECURITY INVOKER VIEW results AS SELECT node, seq, task, host" MEMBER("time")
		MEMBER("status") MEMBER("phase") MEMBER("rc") MEMBER("signal") MEMBER("unit") MEMBER("attempt")
			MEMBER("engine") MEMBER("message") MEMBER("remote_process") MEMBER("started_at")
				MEMBER("stdout_bytes") MEMBER("stderr_bytes") " FROM events WHERE kind = 'host'";

static const char sql_is_store[] = "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()"
				   " AND table_name IN ('schema_version', 'counters')";
static const char sql_insert[] = "INSERT INTO events (node, kind, seq, task, host, event)"
				 " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (node, kind, seq) DO NOTHING";

static const char *kind_name(enum drover_event_kind kind)
{
	switch (kind) {
	case DROVER_EVENT_TASK:
		return "task";
	case DROVER_EVENT_UNIT:
		return "unit";
	case DROVER_EVENT_HOST:
		return "host";
	case DROVER_EVENT_AUDIT:
		return "audit";
	case DROVER_EVENT_OUTPUT:
		return "output";
	}
	return "other";
}

/* ------------------------------------------------------------------------------ the connection */

static int make_tables(struct drover_session *s, struct drover_error *err)
{
	struct drover_error why;
	int64_t tables;
	int code = session_number(s, sql_is_store, 0, &tables, err);

	if (!code && tables)
		return drover_error_set(err, DROVER_ERETRY,
					"%s is a store's: give the sink another one, as the option database",
					driver_name(s));
	if (!code)
		code = driver_script(s, create_events, err);
	/* Who may not make views, or has a table of that name, reads the events. */
	if (!code && driver_script(s, create_results, &why))
		drover_log(DROVER_LOG_WARNING, "%s has no view `results`: %s", driver_name(s), why.message);
	return code;
}

static int connect_sink(struct mysql *sink, struct drover_error *err)
{
	struct drover_session *s = calloc(1, sizeof(*s));
	int code;

	if (!s)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	s->store = sink;
	s->mode = DROVER_SESSION_WRITE;
	code = driver_connect(s, err);
	if (!code)
		code = make_tables(s, err);
	if (code)
		session_close(s);
	else
		sink->session = s;
	return code;
}

/* ------------------------------------------------------------------------------------ events */

static int insert(struct drover_session *s, const char *node, const struct drover_event *event,
		  struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_insert, &stmt, err, 0, 0, event->seq);

	if (code)
		return code;
	sql_bind_text(stmt, 1, node);
	sql_bind_text(stmt, 2, kind_name(event->kind));
	sql_bind_text(stmt, 4, event->task);
	sql_bind_text(stmt, 5, event->host);
	sql_bind_chars(stmt, 6, event->json, event->json_size);
	code = sql_queue(s, stmt, err);
	if (code != DROVER_EINVALID)
		return code;
	drover_log(DROVER_LOG_ERROR, "event %lld is left out: %s", (long long)event->seq, err->message);
	return 0;
}

static int write_batch(struct mysql *sink, const struct drover_event *events, size_t count, struct drover_error *err)
{
	int code = sink->session ? 0 : connect_sink(sink, err);

	if (!code)
		code = driver_begin(sink->session, err);
	for (size_t i = 0; i < count && !code; i++)
		code = insert(sink->session, sink->node, &events[i], err);
	return code ? code : driver_commit(sink->session, err);
}

int sink_write(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	struct mysql *sink = self;
	int code = write_batch(sink, events, count, err);

	if (!code)
		return 0;
	/* The next batch begins with a new connection, and looks for its table. */
	if (sink->session) {
		driver_rollback(sink->session);
		session_close(sink->session);
		sink->session = NULL;
	}
	err->code = DROVER_ERETRY;
	return DROVER_ERETRY;
}

int sink_open(struct mysql *sink, struct drover_error *err)
{
	char host[256];

	if (sink->node && *sink->node)
		return 0;
	if (gethostname(host, sizeof(host)))
		return drover_error_set(err, DROVER_EFAULT, "cannot get this machine's name: %m");
	free(sink->node);
	sink->node = strdup(host);
	return sink->node ? 0 : drover_error_set(err, DROVER_ENOMEM, "out of memory");
}

void sink_close(void *self)
{
	struct mysql *sink = self;

	if (sink->session)
		session_close(sink->session);
	sink->session = NULL;
}
