/* settings.c - see settings.h. */
#include "settings.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

enum { PACKET_MIN = 1 << 20, PACKET_GOOD = 16 << 20 };

static const char *const tls_members[] = { "ca", "cert", "key", "verify" };

static const char *member(const struct drover_map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (!strcmp(map->pairs[i].key, key))
			return map->pairs[i].value;
	return NULL;
}

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(word, words[i]))
			return true;
	return false;
}

static bool says_no(const char *value)
{
	static const char *const words[] = { "false", "no", "off" };

	return value && is_one_of(value, words, 3);
}

int settings_check_tls(const struct drover_map *tls, struct drover_error *err)
{
	static const char *const booleans[] = { "true", "false", "yes", "no", "on", "off" };

	for (size_t i = 0; i < tls->count; i++) {
		const struct drover_pair *pair = &tls->pairs[i];

		if (!is_one_of(pair->key, tls_members, 4))
			return drover_error_set(err, DROVER_EINVALID,
						"tls.%.40s: there are only ca, cert, key and verify", pair->key);
		if (!strcmp(pair->key, "verify")) {
			if (!is_one_of(pair->value, booleans, 6))
				return drover_error_set(err, DROVER_EINVALID, "tls.verify: \"%.40s\" is not yes or no",
							pair->value);
		} else if (*pair->value != '/') {
			return drover_error_set(err, DROVER_EINVALID,
						"tls.%s: write the whole path of a PEM file, beginning with /",
						pair->key);
		} else if (access(pair->value, F_OK) &&
			   errno == ENOENT) { /* who looks may not read it, who connects may */
			return drover_error_set(err, DROVER_EINVALID, "tls.%s: there is no file %s", pair->key,
						pair->value);
		}
	}
	if (!member(tls, "cert") != !member(tls, "key"))
		return drover_error_set(err, DROVER_EINVALID, "tls: cert and key go together");
	return 0;
}

void settings_name(struct mysql *store)
{
	if (store->socket && *store->socket)
		snprintf(store->name, sizeof(store->name), "the database %s at %s", store->database, store->socket);
	else
		snprintf(store->name, sizeof(store->name), "the database %s at %s:%lld", store->database, store->host,
			 (long long)store->port);
}

static unsigned seconds(int64_t ms)
{
	return (unsigned)((ms + 999) / 1000);
}

void settings_connection(MYSQL *db, const struct mysql *store)
{
	const struct drover_map *tls = &store->tls;
	unsigned connect = seconds(store->connect_timeout), reading = seconds(store->read_timeout);
	unsigned writing = seconds(store->write_timeout), none = 0;
	my_bool no = 0, yes = 1, verify = !says_no(member(tls, "verify"));

	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &reading);
	mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &writing);
	mysql_options(db, MYSQL_OPT_RECONNECT, &no);
	mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &none);
	mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(db, MYSQL_REPORT_DATA_TRUNCATION, &yes);
	mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, tls->count ? &verify : &no);
	if (!tls->count)
		return;
	mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &yes);
	if (member(tls, "ca"))
		mysql_options(db, MYSQL_OPT_SSL_CA, member(tls, "ca"));
	if (member(tls, "cert")) {
		mysql_options(db, MYSQL_OPT_SSL_CERT, member(tls, "cert"));
		mysql_options(db, MYSQL_OPT_SSL_KEY, member(tls, "key"));
	}
}

/* ----------------------------------------------------------------------------- after connecting */

static int set(struct driver *d, const char *sql, struct drover_error *err)
{
	if (mysql_real_query(d->db, sql, strlen(sql)))
		return mysql_fail(d, mysql_errno(d->db), mysql_error(d->db), "set the session up", err);
	return 0;
}

/* A variable's value; "" where the server has none of that name. */
static int variable(struct driver *d, const char *name, char *value, size_t size, struct drover_error *err)
{
	char sql[160];
	MYSQL_RES *result;
	MYSQL_ROW row;
	int code;

	snprintf(sql, sizeof(sql), "SHOW GLOBAL VARIABLES LIKE '%s'", name);
	code = set(d, sql, err);
	if (code)
		return code;
	result = mysql_store_result(d->db);
	row = result ? mysql_fetch_row(result) : NULL;
	snprintf(value, size, "%s", row && row[1] ? row[1] : "");
	mysql_free_result(result);
	return 0;
}

static bool is_mariadb(MYSQL *db)
{
	unsigned long flags = 0;

	mariadb_get_infov(db, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &flags);
	return flags & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32);
}

/*
 * A writer that is stopped in the middle would hold its locks: the server ends it before others give up.
 * MySQL's server has only a limit for all idling.
 */
static int limit_idling(struct driver *d, struct drover_error *err)
{
	unsigned limit = seconds(d->store->lock_timeout / 2);
	char sql[80];

	snprintf(sql, sizeof(sql), "SET SESSION idle_transaction_timeout = %u", limit);
	if (!mysql_real_query(d->db, sql, strlen(sql)))
		return 0;
	if (mysql_errno(d->db) != ER_UNKNOWN_SYSTEM_VARIABLE)
		return mysql_fail(d, mysql_errno(d->db), mysql_error(d->db), "set the session up", err);
	snprintf(sql, sizeof(sql), "SET SESSION wait_timeout = %u", limit);
	return set(d, sql, err);
}

int settings_session(struct driver *d, struct drover_error *err)
{
	bool writes = d->session->mode == DROVER_SESSION_WRITE;
	char packet[64], sql[256];
	int code;

	/* Names and ids are compared byte by byte, and nothing is cut in silence. */
	code = set(d, "SET NAMES utf8mb4 COLLATE utf8mb4_bin", err);
	if (!code)
		code = set(d,
			   "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,PIPES_AS_CONCAT', "
			   "autocommit = 1,"
			   " group_concat_max_len = 4294967295",
			   err);
	if (!code)
		code = set(d,
			   writes ? "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
				  : "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
			   err);
	snprintf(sql, sizeof(sql), "SET SESSION innodb_lock_wait_timeout = %u", seconds(d->store->lock_timeout));
	if (!code && writes)
		code = set(d, sql, err);
	if (!code && writes)
		code = limit_idling(d, err);
	if (!code)
		code = variable(d, "max_allowed_packet", packet, sizeof(packet), err);
	if (code)
		return code;
	d->packet = strtoul(packet, NULL, 10);
	d->arrays = d->store->batches == BATCHES_ARRAY || (d->store->batches == BATCHES_AUTO && is_mariadb(d->db));
	if (d->packet < PACKET_MIN)
		return drover_error_set(err, DROVER_EINVALID,
					"%s: max_allowed_packet is %zu; at least %d are needed, 67108864 are good",
					d->store->name, d->packet, PACKET_MIN);
	return 0;
}

int settings_warn(struct driver *d, struct drover_error *err)
{
	char flush[64], galera[64], mode[512];
	int code = variable(d, "innodb_flush_log_at_trx_commit", flush, sizeof(flush), err);

	if (!code)
		code = variable(d, "wsrep_on", galera, sizeof(galera), err);
	if (!code)
		code = variable(d, "sql_mode", mode, sizeof(mode), err);
	if (code)
		return code;
	if (strcmp(flush, "1") != 0)
		drover_log(
			DROVER_LOG_WARNING,
			"%s: innodb_flush_log_at_trx_commit is %s, so a power failure loses what was acknowledged: set "
			"it to 1",
			d->store->name, flush);
	if (!strcmp(galera, "ON"))
		drover_log(DROVER_LOG_WARNING,
			   "%s is a Galera cluster: all nodes must use one and the same of its servers, since locks do "
			   "not "
			   "reach the others",
			   d->store->name);
	if (!strstr(mode, "STRICT_"))
		drover_log(DROVER_LOG_WARNING,
			   "%s: its sql_mode is not strict; Drover's own sessions are, what else writes to it is not",
			   d->store->name);
	if (d->packet < PACKET_GOOD)
		drover_log(DROVER_LOG_WARNING, "%s: max_allowed_packet is %zu, outputs that are larger cannot be kept",
			   d->store->name, d->packet);
	return 0;
}
