/*
 * driver.h - what the store's logic asks of a database. Each store plugin that is built with this library
 * defines these functions for its own: sqlite for a file, mysql for a server.
 *
 * SQL. Texts are written as SQLite reads them; a driver for another database translates the few phrases
 * that it reads differently (mysql/dialect.c has the list). Parameters are ?1, ?2, …, each as often as
 * wanted. Names that another database reserves are in backticks. LIMIT takes no negative number.
 *
 * Statements. Several may be stepped at once in a session. What is bound as text or as bytes is borrowed
 * until the statement has run; bindings last until they are replaced. What a column gives is valid until
 * the statement's next step, reset or end.
 *
 * Errors are as everywhere: 0 or a negative drover_code. DROVER_ERETRY: the transaction cannot go on, and a
 * later one may work. DROVER_ECONFLICT of a statement: a row with that key is there already.
 */
#ifndef SQLSTORE_DRIVER_H
#define SQLSTORE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/store.h>

struct sql_stmt;
struct counters;

enum sql_use {
	SQL_ONCE,   /* the caller finalizes it */
	SQL_KEPT,   /* it will be run very often */
	SQL_STREAM, /* as ONCE; its rows may be too much for memory */
};

/* What is not said in both dialects is named here, so that a driver can find it in a text. */
#define SQL_LABELLED                                                                                                   \
	"EXISTS (SELECT 1 FROM json_each(s.labels) l WHERE l.key = ?10"                                                \
	" AND (?11 IS NULL OR CAST(l.value AS TEXT) = ?11))"
#define SQL_LOCKED " /* locked to the transaction's end */" /* after a SELECT */

/* ---------------------------------------------------------------------------------- connection */

/* Connects s->driver and makes the session ready, its schema too. driver_close takes what is half open. */
int driver_open(struct drover_session *s, struct drover_error *err);
void driver_close(struct drover_session *s);

/* The store's operation of that name; `self` is the plugin's instance. */
int driver_examine(void *self, drover_finding_fn *fn, void *context, struct drover_error *err);

/* For messages: what the database is called, borrowed. */
const char *driver_name(const struct drover_session *s);

/* Of a writing session. A rollback works whatever happened before. */
int driver_begin(struct drover_session *s, struct drover_error *err);
int driver_commit(struct drover_session *s, struct drover_error *err);
void driver_rollback(struct drover_session *s);
/* After a commit that failed: nobody knows whether it was done. */
bool driver_in_doubt(const struct drover_session *s);

/* Said before each reading outside of a transaction: a driver may connect anew here. */
int driver_ready(struct drover_session *s, struct drover_error *err);
/* Until driver_release a session outside of a transaction reads one state of the database. They do not nest. */
int driver_hold(struct drover_session *s, struct drover_error *err);
void driver_release(struct drover_session *s);

/* The database's clock: UTC ms. Within a transaction, or after driver_open. */
int64_t driver_now(struct drover_session *s);

/* Keeps them in their row, which the transaction has locked. */
int driver_save_counters(struct drover_session *s, const struct counters *counters, struct drover_error *err);

/* Without parameters or rows; several are separated by semicolons. */
int driver_script(struct drover_session *s, const char *sql, struct drover_error *err);

/* Rows of the last statement that changed some; those that it found and that were so already count. */
int64_t driver_changes(struct drover_session *s);
/* The key that the last INSERT made. */
int64_t driver_last_id(struct drover_session *s);

/* ---------------------------------------------------------------------------------- statements */

int sql_prepare(struct drover_session *s, const char *sql, enum sql_use use, struct sql_stmt **stmt,
		struct drover_error *err);
void sql_finalize(struct sql_stmt *stmt); /* NULL is allowed */

/* One step: 1 a row, 0 the end (the statement is reset), or an error (reset, too). */
int sql_step(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err);
void sql_reset(struct sql_stmt *stmt); /* NULL is allowed */

/*
 * A statement without rows, run with many others of its kind: at once, or copied and run before the next
 * statement that is stepped and before the commit. How many rows it changed is not known.
 */
int sql_queue(struct drover_session *s, struct sql_stmt *stmt, struct drover_error *err);

void sql_bind_int64(struct sql_stmt *stmt, int position, int64_t value);
void sql_bind_null(struct sql_stmt *stmt, int position);
void sql_bind_text(struct sql_stmt *stmt, int position, const char *text); /* NULL is NULL */
void sql_bind_blob(struct sql_stmt *stmt, int position, const void *bytes, size_t size);

int64_t sql_int64(struct sql_stmt *stmt, int column);
int sql_int(struct sql_stmt *stmt, int column);
bool sql_is_null(struct sql_stmt *stmt, int column);
const char *sql_text(struct sql_stmt *stmt, int column);
struct drover_bytes sql_blob(struct sql_stmt *stmt, int column);

enum { SQL_REMOVALS = 5 };
/*
 * Texts that delete up to ?4 rows of what hangs on a task, ?1, with the hosts' ids ?2 to ?3: late results, hosts,
 * outputs, units and envelopes, in this order.
 */
extern const char *const sql_removals[SQL_REMOVALS];

/* ---------------------------------------------------------------------------------------- schema */

/*
 * A step of the schema. `oldest`: programs that know the schema up to that version may go on working with it, as
 * they may where a step adds columns with defaults, tables and indexes.
 */
struct schema_step {
	const char *sql;
	int oldest;
};

/* The steps that lead to today's schema; each may be run again where it was broken off. */
struct schema {
	const struct schema_step *steps;
	int newest;
	int tells_oldest;    /* from this version on schema_version has the column `oldest` */
	const char *known;   /* a row where there is a table schema_version */
	const char *foreign; /* the number of tables besides it */
	const char *table;   /* makes schema_version */
};

extern const struct schema schema;

#endif
