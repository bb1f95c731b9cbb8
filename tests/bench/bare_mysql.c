/*
 * bare_mysql.c - what MariaDB itself needs for the writes of a task: a bare program that issues the same
 * statements on the store's own tables in the same transactions and batches as plugins/mysql, and does nothing
 * else. store_bench.c does the same through the store, and makes the tables.
 *
 *	bare_mysql [HOSTS [UNIT_SIZE [GROUP [DATABASE]]]]
 *
 * The server is that of $DROVER_MARIADB_SOCKET. GROUP is how many hosts' rows go into one transaction. Prints
 * seconds and hosts/s of each part.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mysql.h>

enum { COLUMNS = 22 };

static const char insert_host[] = "INSERT INTO hosts (id, task, unit, port, name, address, user, vars)"
				  " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id";
static const char end_host[] =
	"UPDATE hosts SET status = ?, phase = ?, changed = ?, remote = ?, stdout_size = ?, stdout_total = ?,"
	" stderr_size = ?, stderr_total = ?, attempt = ?, incarnation = ?, finished_at = ?, seq = ?, rc = ?, `signal` "
	"= ?,"
	" message = ?, waiting_for = ?, via = ?, result = ?, stdout = ?, stderr = ? WHERE id = ? AND status = ?";

static MYSQL *db;
static int64_t hosts, unit_size, group, seq, key, base;

static void must(int failed, const char *text)
{
	if (!failed)
		return;
	fprintf(stderr, "bare_mysql: %s\n", text);
	exit(1);
}

__attribute__((format(printf, 1, 2))) static int64_t run(const char *format, ...)
{
	char sql[1024];
	MYSQL_RES *result;
	MYSQL_ROW row;
	int64_t number = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(sql, sizeof(sql), format, args);
	va_end(args);
	must(mysql_real_query(db, sql, strlen(sql)), mysql_error(db));
	result = mysql_store_result(db);
	row = result ? mysql_fetch_row(result) : NULL;
	if (row && row[0])
		number = atoll(row[0]);
	mysql_free_result(result);
	return number;
}

/* `count` rows whose columns are the numbers of `values`, but for the texts and NULLs that `kinds` names. */
static void run_array(MYSQL_STMT *stmt, const char *kinds, int64_t (*values)[COLUMNS], unsigned count)
{
	size_t columns = strlen(kinds);
	MYSQL_BIND binds[COLUMNS] = { 0 };
	int64_t *numbers = malloc(columns * count * sizeof(*numbers));
	char *null = malloc(count), (*texts)[24] = malloc(count * sizeof(*texts));
	const char **pointers = malloc(count * sizeof(*pointers));
	unsigned long *sizes = malloc(count * sizeof(*sizes));

	memset(null, STMT_INDICATOR_NULL, count);
	for (unsigned r = 0; r < count; r++) {
		for (size_t c = 0; c < columns; c++)
			numbers[c * count + r] = values[r][c];
		sizes[r] = (unsigned long)snprintf(texts[r], sizeof(texts[r]), "h%" PRId64, values[r][0]);
		pointers[r] = texts[r];
	}
	for (size_t c = 0; c < columns; c++) {
		binds[c].buffer_type = kinds[c] == 'n' ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_STRING;
		binds[c].buffer = kinds[c] == 'n' ? (void *)(numbers + c * count) : (void *)pointers;
		binds[c].length = kinds[c] == 'n' ? NULL : sizes;
		binds[c].u.indicator = kinds[c] == '0' ? null : NULL;
	}
	mysql_stmt_attr_set(stmt, STMT_ATTR_ARRAY_SIZE, &count);
	must(mysql_stmt_bind_param(stmt, binds) || mysql_stmt_execute(stmt), mysql_stmt_error(stmt));
	free(numbers), free(null), free(texts), free(pointers), free(sizes);
}

static MYSQL_STMT *prepare(const char *sql)
{
	MYSQL_STMT *stmt = mysql_stmt_init(db);

	must(mysql_stmt_prepare(stmt, sql, strlen(sql)), mysql_stmt_error(stmt));
	return stmt;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void begin(void)
{
	run("START TRANSACTION");
	seq = run("SELECT seq FROM counters FOR UPDATE");
}

static void commit(void)
{
	run("UPDATE tasks SET seq = %" PRId64 " WHERE `key` = %" PRId64, ++seq, key);
	run("UPDATE counters SET seq = %" PRId64, seq);
	run("COMMIT");
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void submit(void)
{
	MYSQL_STMT *stmt = prepare(insert_host);
	int64_t(*values)[COLUMNS] = calloc((size_t)group, sizeof(*values));

	for (int64_t first = 0; first < hosts; first += group) {
		int64_t count = least(group, hosts - first);

		for (int64_t i = 0; i < count; i++) {
			values[i][0] = base + first + i;
			values[i][1] = key;
			values[i][2] = (first + i) / unit_size;
		}
		begin();
		run_array(stmt, "nnnns000", values, (unsigned)count);
		for (int64_t unit = first / unit_size; unit * unit_size < first + count; unit++)
			if (unit * unit_size >= first)
				run("INSERT INTO units (task, unit, first, count, open) VALUES (%" PRId64 ", %" PRId64
				    ", %" PRId64 ", %" PRId64 ", %" PRId64 ")",
				    key, unit, unit * unit_size, unit_size, unit_size);
		commit();
	}
	mysql_stmt_close(stmt);
	free(values);
}

static void claim(void)
{
	int64_t at_once = group / unit_size ? group / unit_size : 1;

	for (int64_t first = 0; first * unit_size < hosts; first += at_once) {
		begin();
		for (int64_t unit = first; unit < first + at_once && unit * unit_size < hosts; unit++) {
			int64_t id = base + unit * unit_size;

			run("SELECT * FROM units WHERE task = %" PRId64 " AND unit = %" PRId64, key, unit);
			run("UPDATE hosts SET status = 1, started_at = 1700000000000, attempt = 1, incarnation = 1, "
			    "seq = %" PRId64 " WHERE id BETWEEN %" PRId64 " AND %" PRId64 " AND status = 0",
			    ++seq, id, id + unit_size - 1);
			run("UPDATE units SET state = 1, attempt = 1, incarnation = 1, claimed_at = 1700000000000, seq "
			    "= %" PRId64 " WHERE task = %" PRId64 " AND unit = %" PRId64,
			    ++seq, key, unit);
		}
		commit();
	}
}

static void finish(void)
{
	MYSQL_STMT *stmt = prepare(end_host);
	int64_t(*values)[COLUMNS] = calloc((size_t)group, sizeof(*values));

	for (int64_t first = 0; first < hosts; first += group) {
		int64_t count = least(group, hosts - first);

		begin();
		for (int64_t i = 0; i < count; i++) {
			values[i][0] = 2;
			values[i][8] = values[i][9] = 1;
			values[i][10] = 1700000000000;
			values[i][11] = ++seq;
			values[i][20] = base + first + i;
			values[i][21] = 1;
		}
		run_array(stmt, "nnnnnnnnnnnnn0000000nn", values, (unsigned)count);
		for (int64_t unit = first / unit_size; unit * unit_size < first + count; unit++) {
			run("SELECT * FROM units WHERE task = %" PRId64 " AND unit = %" PRId64, key, unit);
			run("UPDATE units SET open = 0, state = 2, seq = %" PRId64 " WHERE task = %" PRId64
			    " AND unit = %" PRId64,
			    ++seq, key, unit);
		}
		commit();
	}
	mysql_stmt_close(stmt);
	free(values);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*part)(void);
	} parts[] = { { "submit", submit }, { "claim", claim }, { "results", finish } };
	double begun, start;

	hosts = argc > 1 ? atoll(argv[1]) : 100000;
	unit_size = argc > 2 ? atoll(argv[2]) : 1000;
	group = argc > 3 ? atoll(argv[3]) : 1000;
	db = mysql_init(NULL);
	must(!mysql_real_connect(db, NULL, "drover", "open sesame", argc > 4 ? argv[4] : "drover", 0,
				 getenv("DROVER_MARIADB_SOCKET"), CLIENT_FOUND_ROWS),
	     mysql_error(db));
	run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
	begin();
	run("UPDATE counters SET task = task + 1, host = host + %" PRId64, hosts);
	key = run("SELECT task FROM counters");
	base = run("SELECT host FROM counters") - hosts + 1;
	run("INSERT INTO tasks (`key`, id, type, executor, pool, priority, rerun_lost, timeout, host_timeout,"
	    " connect_timeout, output_limit, fanout, expires_at, unit_size, hosts, units, incarnation, host_base, "
	    "state,"
	    " created_at) VALUES (%" PRId64 ", 'bare%" PRId64
	    "', 'sim', 'sim', 'default', 50, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1,"
	    " %" PRId64 ", 2, 1)",
	    key, key, base);
	commit();
	begun = seconds();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		start = seconds();
		parts[i].part();
		printf("bare  %-8s %8.3f s %10.0f hosts/s\n", parts[i].name, seconds() - start,
		       (double)hosts / (seconds() - start));
	}
	printf("bare  %-8s %8.3f s %10.0f hosts/s\n", "all", seconds() - begun, (double)hosts / (seconds() - begun));
	mysql_close(db);
	return 0;
}
