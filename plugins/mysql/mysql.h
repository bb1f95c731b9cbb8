/*
 * mysql.h - the shared store's own part: its instance, its connections and its statements.
 *
 * One connection a session, used by one thread at a time. It is never replaced behind the back of a
 * transaction: what was lost with it (locks, statements, the transaction) is told as DROVER_ERETRY, and
 * the next transaction or query begins with a new one.
 */
#ifndef MYSQL_STORE_H
#define MYSQL_STORE_H

#include <mysql.h>
#include <mysqld_error.h>
#include <errmsg.h>

#include "sqlstore/sqlstore.h"

enum mysql_batches { BATCHES_AUTO, BATCHES_ARRAY, BATCHES_VALUES };

/* The instance. */
struct mysql {
	char *host, *socket, *user, *password, *database;
	int64_t port;
	struct drover_map tls;
	int64_t connect_timeout, read_timeout, write_timeout, lock_timeout, commit_wait; /* ms */
	int batches;
	char *node;                     /* of a sink: whose events they are */
	char name[300];                 /* for messages */
	struct drover_session *session; /* of a sink; NULL: not connected */
};

struct driver {
	struct drover_session *session;
	const struct mysql *store;
	MYSQL *db;            /* NULL: there is no connection */
	bool broken;          /* it is of no use any more */
	bool arrays;          /* the server takes many rows with one execution */
	bool held;            /* a reader's snapshot */
	int open;             /* statements that others hold */
	int64_t used_at;      /* local ms: when it last worked */
	size_t packet;        /* bytes: what the server takes at once */
	int64_t clock, asked; /* UTC ms of the database; local ms when it was asked */
	int64_t changes;
	int64_t id;              /* of this session's row in `sessions`; 0: not yet */
	int64_t number;          /* of its transaction */
	bool doubt;              /* nobody knows whether the last commit was done */
	bool marked;             /* the transaction has written that number */
	struct sql_stmt *queued; /* those with rows that wait */
};

/* connection.c: turns the client's or server's error into a code and a message: "cannot WHAT: reason". */
int mysql_fail(struct driver *d, unsigned error, const char *text, const char *what, struct drover_error *err);
/* Local milliseconds that never jump and go on while the machine sleeps. */
int64_t mysql_local_ms(void);

/* connection.c: makes s->driver and connects it, and no more. */
int driver_connect(struct drover_session *s, struct drover_error *err);

/* dialect.c: the text as MySQL reads it; free it. `map` gets the parameter that each ? stands for. */
char *dialect_translate(const char *sql, unsigned char *map, size_t room, size_t *places);

/* batch.c: runs what waits in the queues. */
int batch_flush(struct driver *d, struct drover_error *err);
/* Forgets it. */
void batch_drop(struct driver *d);
void batch_free(struct sql_stmt *stmt);

/* ---------------------------------------------------------------------------------- statements.c */

enum { PARAMETERS = 32, PLACES = 64 };

enum value_kind { VALUE_NULL = 0, VALUE_INTEGER, VALUE_TEXT, VALUE_BYTES };

struct value {
	enum value_kind kind;
	int64_t integer;
	const void *bytes; /* of text and bytes, with their size */
	size_t size;
};

struct column {
	bool integer;
	int64_t number;
	char *bytes;
	unsigned long size, room;
	my_bool null, cut;
};

struct batch; /* batch.c */

struct sql_stmt {
	struct driver *driver;
	MYSQL_STMT *stmt;
	char *text;
	bool kept, stream;
	bool running;
	unsigned char map[PLACES]; /* parameter, from 1, of each place */
	size_t places;
	struct value values[PARAMETERS + 1]; /* by parameter */
	struct column *columns;
	MYSQL_BIND *binds; /* of the columns */
	unsigned column_count;
	bool moved;          /* columns have other room than the client library knows */
	struct batch *batch; /* NULL: nothing was ever queued */
	struct sql_stmt *next_queued;
};

/* As sql_bind_text, for text that ends with no zero. */
void sql_bind_chars(struct sql_stmt *stmt, int position, const char *text, size_t size);
/* Binds the value to a place of a statement. */
void statement_bind(MYSQL_BIND *bind, const struct value *value);
int statement_fail(struct sql_stmt *stmt, MYSQL_STMT *which, const char *what, struct drover_error *err);

#endif
