/*
 * sqlite.h - the embedded store's own part: its instance and its connection.
 */
#ifndef SQLITE_STORE_H
#define SQLITE_STORE_H

#include <sqlite3.h>

#include "sqlstore/sqlstore.h"

/* The instance. */
struct sqlite {
	char *path;
	int64_t cache_size;   /* bytes */
	int64_t busy_timeout; /* ms */
};

struct driver {
	const struct sqlite *store;
	sqlite3 *db;
};

/* Turns SQLite's result `rc` into a code and a message: "cannot WHAT: reason". */
int sqlite_fail(const struct driver *driver, int rc, const char *what, struct drover_error *err);

#endif
