/*
 * connection.c - driver.h's connection for MySQL and MariaDB: how it is made, its transactions, and the one
 * place that turns errors into codes and messages.
 *
 * A writer locks the row of `counters` before it changes tasks, units or hosts, and holds it to its commit. So
 * writers follow each other, none deadlocks with another, and change numbers become visible in their order.
 * InnoDB gives row locks up before it syncs its log, so commits still share their syncs.
 */
#define _GNU_SOURCE /* CLOCK_BOOTTIME */
#include "mysql.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

#include "settings.h"

#define CLOCK_EVERY 1000 /* ms: how long the database's clock is taken from ours */
#define CLOCK_LATE 200   /* ms: it is read once more where the answer took longer */
#define CLOCK_TRIES 3
#define READERS_CLOCK 10000 /* ms: the same for one that only reads */
#define IDLE_CHECK 1000     /* ms without use after which a reader asks whether its connection stands */

static const char sql_number[] = "SELECT number FROM sessions WHERE id = %lld FOR UPDATE";

int64_t mysql_local_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const char *driver_name(const struct drover_session *s)
{
	return s->driver->store->name;
}

/* ------------------------------------------------------------------------------------ errors */

static bool is_lost(unsigned error)
{
	switch (error) {
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_UNKNOWN_HOST:
	case CR_SSL_CONNECTION_ERROR:
	case CR_COMMANDS_OUT_OF_SYNC:
	case CR_MALFORMED_PACKET:
	case ER_CONNECTION_KILLED:
	case ER_SERVER_SHUTDOWN:
	case ER_UNKNOWN_STMT_HANDLER:
		return true;
	default:
		return error >= CR_MIN_ERROR && error <= CR_MAX_ERROR && error != CR_OUT_OF_MEMORY;
	}
}

static int code_of(unsigned error)
{
	switch (error) {
	case ER_DUP_ENTRY:
		return DROVER_ECONFLICT;
	case ER_LOCK_DEADLOCK:
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_CHECKREAD:
	case ER_QUERY_INTERRUPTED:
	case ER_STATEMENT_TIMEOUT:
	case ER_CON_COUNT_ERROR:
	case ER_TOO_MANY_USER_CONNECTIONS:
	case ER_MAX_PREPARED_STMT_COUNT_REACHED:
	case ER_RECORD_FILE_FULL:
	case ER_DISK_FULL:
	case ER_ERROR_ON_WRITE:
	case ER_GET_ERRNO:
	case ER_ERROR_DURING_COMMIT:
	case ER_OPTION_PREVENTS_STATEMENT: /* read_only */
	case ER_OUT_OF_RESOURCES:
		return DROVER_ERETRY;
	case ER_ACCESS_DENIED_ERROR:
	case ER_DBACCESS_DENIED_ERROR:
	case ER_TABLEACCESS_DENIED_ERROR:
	case ER_HOST_NOT_PRIVILEGED:
		return DROVER_EDENIED;
	case ER_NET_PACKET_TOO_LARGE:
	case ER_BAD_DB_ERROR:
		return DROVER_EINVALID;
	case CR_OUT_OF_MEMORY:
		return DROVER_ENOMEM;
	default:
		return DROVER_EFAULT;
	}
}

int mysql_fail(struct driver *d, unsigned error, const char *text, const char *what, struct drover_error *err)
{
	int code = code_of(error);

	if (is_lost(error)) {
		d->broken = true;
		code = DROVER_ERETRY;
	}
	return drover_error_set(err, code, "cannot %s: %s: %s (%u)", what, d->store->name, text, error);
}

static int fail(struct driver *d, const char *what, struct drover_error *err)
{
	return mysql_fail(d, mysql_errno(d->db), mysql_error(d->db), what, err);
}

/* ------------------------------------------------------------------------------ plain statements */

static int query(struct driver *d, const char *sql, const char *what, struct drover_error *err)
{
	if (d->broken || !d->db)
		return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost", d->store->name);
	if (mysql_real_query(d->db, sql, strlen(sql)))
		return fail(d, what, err);
	d->used_at = mysql_local_ms();
	return 0;
}

/* The first column of the first row; `fallback` when there is none or it is NULL. */
static int ask(struct driver *d, const char *sql, int64_t fallback, int64_t *number, struct drover_error *err)
{
	MYSQL_RES *result;
	MYSQL_ROW row;
	int code = query(d, sql, "read from the store", err);

	if (code)
		return code;
	result = mysql_store_result(d->db);
	if (!result)
		return fail(d, "read from the store", err);
	row = mysql_fetch_row(result);
	*number = row && row[0] ? strtoll(row[0], NULL, 10) : fallback;
	mysql_free_result(result);
	return 0;
}

/* What a step that was broken off had done already: MySQL knows no IF NOT EXISTS for columns and keys. */
static bool was_done(const struct driver *d)
{
	return !d->broken && (mysql_errno(d->db) == ER_DUP_FIELDNAME || mysql_errno(d->db) == ER_DUP_KEYNAME);
}

/* Statements separated by semicolons at the ends of lines. */
int driver_script(struct drover_session *s, const char *sql, struct drover_error *err)
{
	char *text = strdup(sql), *rest = text, *statement;
	int code = text ? 0 : drover_error_set(err, DROVER_ENOMEM, "out of memory");

	while (!code && (statement = strsep(&rest, ";"))) {
		if (statement[strspn(statement, " \n\t")])
			code = query(s->driver, statement, "use the store", err);
		if (code && was_done(s->driver))
			code = 0;
	}
	free(text);
	return code;
}

/* ---------------------------------------------------------------------------------- connecting */

/* An answer that was long on its way (a server that stood still) says little: it is asked again. */
static int read_clock(struct driver *d, struct drover_error *err)
{
	int64_t local = mysql_local_ms(), took = 0;
	int code = 0;

	if (d->asked && local - d->asked < CLOCK_EVERY)
		return 0;
	for (int i = 0; !code && i < CLOCK_TRIES && (!i || took > CLOCK_LATE); i++) {
		d->asked = mysql_local_ms();
		code = ask(d, "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)", 0, &d->clock, err);
		took = mysql_local_ms() - d->asked;
	}
	return code;
}

int64_t driver_now(struct drover_session *s)
{
	return s->driver->clock + (mysql_local_ms() - s->driver->asked);
}

static void disconnect(struct driver *d)
{
	session_forget_statements(d->session);
	batch_drop(d);
	if (d->db)
		mysql_close(d->db);
	d->db = NULL;
}

static int connect_to(struct driver *d, struct drover_error *err)
{
	const struct mysql *store = d->store;
	bool local = store->socket && *store->socket;
	int fd, code;

	disconnect(d);
	d->broken = false;
	d->asked = 0;
	d->db = mysql_init(NULL);
	if (!d->db)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	settings_connection(d->db, store);
	if (!mysql_real_connect(d->db, local ? NULL : store->host, store->user, store->password, store->database,
				local ? 0 : (unsigned)store->port, local ? store->socket : NULL, CLIENT_FOUND_ROWS)) {
		code = fail(d, "connect to the store", err);
		d->broken = true;
		return code;
	}
	fd = mysql_get_socket(d->db);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	d->used_at = mysql_local_ms();
	code = settings_session(d, err);
	if (!code)
		code = read_clock(d, err);
	if (code)
		d->broken = true;
	return code;
}

/*
 * A server that was killed may have lost the last change numbers that a reader saw (it shows a commit before
 * its log is synced). Whoever comes back after that begins so far above that none is given out twice.
 */
static int skip_numbers(struct driver *d, struct drover_error *err)
{
	return query(d, "UPDATE counters SET seq = seq + 1000000", "use the store", err);
}

static int reconnect(struct driver *d, struct drover_error *err)
{
	int code;

	if (d->open)
		return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost", d->store->name);
	code = connect_to(d, err);
	if (!code && d->session->mode == DROVER_SESSION_WRITE && d->id)
		code = skip_numbers(d, err);
	return code;
}

/* ------------------------------------------------------------------------------ transactions */

int driver_begin(struct drover_session *s, struct drover_error *err)
{
	static const char sql[] = "START TRANSACTION";
	struct driver *d = s->driver;
	int code = d->broken ? reconnect(d, err) : 0;

	d->marked = false;
	d->number++;
	if (code)
		return code;
	code = query(d, sql, "write to the store", err);
	if (code == DROVER_ERETRY && d->broken) {
		code = reconnect(d, err);
		if (!code)
			code = query(d, sql, "write to the store", err);
	}
	return code ? code : read_clock(d, err);
}

int driver_save_counters(struct drover_session *s, const struct counters *counters, struct drover_error *err)
{
	static const char sql[] = "UPDATE counters c, sessions s SET c.task = ?1, c.host = ?2, c.seq = ?3,"
				  " s.number = ?4 WHERE s.id = ?5";
	struct driver *d = s->driver;

	d->marked = true;
	return session_run(s, sql, NULL, err, counters->task, counters->host, counters->seq, d->number, d->id);
}

/*
 * The connection went while the server may or may not have committed: its session's row tells. The row stays
 * locked while the server still works at it. 0: it was committed.
 */
static int find_outcome(struct driver *d, struct drover_error *err)
{
	int64_t until = mysql_local_ms() + d->store->commit_wait, number = 0;
	struct timespec pause = { .tv_nsec = 50000000 };
	char sql[sizeof(sql_number) + 24];
	struct drover_error why;
	int code;

	snprintf(sql, sizeof(sql), sql_number, (long long)d->id);
	for (;;) {
		code = reconnect(d, &why);
		if (!code)
			code = ask(d, sql, 0, &number, &why);
		if (!code)
			break;
		if (mysql_local_ms() >= until) {
			d->doubt = true;
			return drover_error_set(err, DROVER_ERETRY, "a commit has no known outcome: %s", why.message);
		}
		nanosleep(&pause, NULL);
	}
	if (number == d->number)
		return 0;
	return drover_error_set(err, DROVER_ERETRY, "the connection to %s was lost in a commit, which was not done",
				d->store->name);
}

int driver_commit(struct drover_session *s, struct drover_error *err)
{
	struct driver *d = s->driver;
	int code = batch_flush(d, err);

	if (code)
		return code;
	d->doubt = false;
	code = query(d, "COMMIT", "write to the store", err);
	if (code == DROVER_ERETRY && d->broken && d->marked)
		code = find_outcome(d, err);
	return code;
}

bool driver_in_doubt(const struct drover_session *s)
{
	return s->driver->doubt;
}

void driver_rollback(struct drover_session *s)
{
	struct driver *d = s->driver;

	batch_drop(d);
	if (!d->broken && query(d, "ROLLBACK", "write to the store", NULL))
		d->broken = true; /* it must not go on in that transaction */
}

/* Nothing comes unasked but the connection's end, and now and then something of TLS's own. */
static bool has_news(struct driver *d)
{
	struct pollfd fd = { .fd = mysql_get_socket(d->db), .events = POLLIN };

	return poll(&fd, 1, 0) != 0;
}

int driver_ready(struct drover_session *s, struct drover_error *err)
{
	struct driver *d = s->driver;

	if (!d->broken && d->open)
		return 0;
	if (!d->broken && (mysql_local_ms() - d->used_at >= IDLE_CHECK || has_news(d))) {
		d->broken = mysql_ping(d->db) != 0;
		d->used_at = mysql_local_ms();
	}
	if (d->broken)
		return reconnect(d, err);
	return mysql_local_ms() - d->asked < READERS_CLOCK ? 0 : read_clock(d, err);
}

int driver_hold(struct drover_session *s, struct drover_error *err)
{
	struct driver *d = s->driver;

	if (s->in_transaction || d->held)
		return 0;
	d->held = true;
	return query(d, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "read from the store", err);
}

void driver_release(struct drover_session *s)
{
	struct driver *d = s->driver;

	if (s->in_transaction || !d->held)
		return;
	d->held = false;
	if (!d->broken && query(d, "COMMIT", "read from the store", NULL))
		d->broken = true;
}

int64_t driver_changes(struct drover_session *s)
{
	return s->driver->changes;
}

int64_t driver_last_id(struct drover_session *s)
{
	return (int64_t)mysql_insert_id(s->driver->db);
}

/* ------------------------------------------------------------------------------- open, close */

/* Nodes that start at once follow each other. */
static int migrate(struct drover_session *s, struct drover_error *err)
{
	struct driver *d = s->driver;
	int64_t locked, freed;
	int code = ask(d, "SELECT GET_LOCK(CONCAT('drover.', MD5(DATABASE())), 60)", 0, &locked, err);

	if (!code && !locked)
		return drover_error_set(err, DROVER_ERETRY, "another node is changing the schema of %s",
					d->store->name);
	if (!code)
		code = schema_migrate(s, err);
	if (!d->broken)
		(void)ask(d, "SELECT RELEASE_LOCK(CONCAT('drover.', MD5(DATABASE())))", 0, &freed, NULL);
	return code;
}

static int start_writer(struct drover_session *s, struct drover_error *err)
{
	struct driver *d = s->driver;
	int code = migrate(s, err);

	if (!code)
		code = settings_warn(d, err);
	if (!code)
		code = query(d, "INSERT INTO sessions (number) VALUES (0)", "use the store", err);
	if (!code)
		d->id = (int64_t)mysql_insert_id(d->db);
	return code ? code : skip_numbers(d, err);
}

int driver_connect(struct drover_session *s, struct drover_error *err)
{
	s->driver = calloc(1, sizeof(*s->driver));
	if (!s->driver)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	s->driver->session = s;
	s->driver->store = s->store;
	return connect_to(s->driver, err);
}

int driver_open(struct drover_session *s, struct drover_error *err)
{
	int code = driver_connect(s, err);

	if (code)
		return code;
	return s->mode == DROVER_SESSION_WRITE ? start_writer(s, err) : schema_check(s, err);
}

void driver_close(struct drover_session *s)
{
	struct driver *d = s->driver;
	char sql[64];

	if (!d)
		return;
	snprintf(sql, sizeof(sql), "DELETE FROM sessions WHERE id = %lld", (long long)d->id);
	if (d->id && !d->broken)
		(void)query(d, sql, "use the store", NULL);
	disconnect(d);
	free(d);
}
