/*
 * plugin.c - mysql: the store that several nodes share, a database of a MariaDB or MySQL server; or a sink, for nodes
 * whose store is another one.
 */
#include "mysql.h"

#include <stdio.h>

#include <sodium.h>

#include "settings.h"
#include "sink.h"
#include "sqlstore/operations.h"

static const char *const batch_words[] = { "auto", "array", "values", NULL };

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct mysql, host, "localhost", "the server's name or address"),
	DROVER_OPT_INT(struct mysql, port, "3306", "1", "65535", "the server's port"),
	DROVER_OPT_STRING(struct mysql, socket, NULL,
			  "path of a server's socket on this machine, instead of host and port"),
	DROVER_OPT_STRING(struct mysql, user, "drover", "who to connect as"),
	DROVER_OPT_SECRET(struct mysql, password, "that user's password"),
	DROVER_OPT_STRING(struct mysql, database, "drover", "the database, which must be there; its tables are made"),
	DROVER_OPT_MAP(
		struct mysql, tls,
		"encrypts the connection: `{ca: FILE, cert: FILE, key: FILE, verify: yes}`, PEM; all but one may "
		"be left out"),
	DROVER_OPT_DURATION(struct mysql, connect_timeout, "5s", "1s", "5m", "how long a connection may take"),
	DROVER_OPT_DURATION(struct mysql, read_timeout, "60s", "1s", "1h", "how long an answer may take"),
	DROVER_OPT_DURATION(struct mysql, write_timeout, "60s", "1s", "1h", "how long sending may take"),
	DROVER_OPT_DURATION(struct mysql, lock_timeout, "10s", "1s", "5m",
			    "how long to wait for another node's transaction"),
	DROVER_OPT_DURATION(struct mysql, commit_wait, "10s", "0s", "5m",
			    "how long to find out whether a commit was done whose connection was lost"),
	DROVER_OPT_STRING(struct mysql, node, NULL,
			  "as a sink: the name that its rows carry as the node's; this machine's where it is absent"),
	DROVER_OPT_CHOICE(struct mysql, batches, batch_words, "auto",
			  "how many rows are sent at once: array (MariaDB) or values (any server)",
			  .flags = DROVER_HIDDEN),
	DROVER_OPT_END
};

static int check(const void *self, struct drover_error *err)
{
	const struct mysql *store = self;

	if (!store->database || !*store->database)
		return drover_error_set(err, DROVER_EINVALID, "database is missing");
	if (store->socket && *store->socket && *store->socket != '/')
		return drover_error_set(err, DROVER_EINVALID, "socket: \"%.80s\" does not begin with /", store->socket);
	return settings_check_tls(&store->tls, err);
}

static int open_store(void *self, struct drover_error *err)
{
	struct mysql *store = self;

	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot start libsodium");
	if (mysql_library_init(0, NULL, NULL))
		return drover_error_set(err, DROVER_EFAULT, "cannot start the MySQL client library");
	settings_name(store);
	return sink_open(store, err);
}

static const struct drover_store_ops operations = { SQLSTORE_OPERATIONS, .shared = true };

DROVER_SINK(.name = "mysql", .version = "1.0",
	    .summary = "the store that nodes share, or a sink, on a MariaDB or MySQL server",
	    .self_size = sizeof(struct mysql), .options = options, .check = check, .open = open_store,
	    .write = sink_write, .close = sink_close, .store = &operations);
