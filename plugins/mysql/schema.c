/*
 * schema.c - MySQL's tables. Its CREATE and ALTER commit by themselves, so each statement of a step can be run
 * again. Integers are never NULL but in `rc`: 0 says "none" or "not yet". It has no indexes over a part of a
 * table, so where SQLite's leave ended rows out, the state comes first in these.
 *
 * Names and ids are compared byte by byte. What executors report is kept as bytes: it is shown as it came.
 */
#include "sqlstore/driver.h"

#define TABLE " ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;"
#define NUMBER " BIGINT NOT NULL DEFAULT 0, "
#define SMALL " TINYINT NOT NULL DEFAULT 0, "

/* The hosts of a task have the ids [host_base, host_base + hosts), so a unit is a range of them. */
static const char step_1[] =
	"CREATE TABLE IF NOT EXISTS counters (id TINYINT PRIMARY KEY, task" NUMBER "host" NUMBER
	"seq BIGINT NOT NULL DEFAULT 0)" TABLE "INSERT IGNORE INTO counters (id) VALUES (1);"

	/* For each writing session the number of its last transaction that was committed. */
	"CREATE TABLE IF NOT EXISTS sessions (id BIGINT PRIMARY KEY AUTO_INCREMENT, number BIGINT NOT NULL)" TABLE

	"CREATE TABLE IF NOT EXISTS incarnations ("
	" id BIGINT PRIMARY KEY AUTO_INCREMENT, node VARCHAR(255) NOT NULL, version VARCHAR(255) NOT NULL,"
	" started_at BIGINT NOT NULL, renewed_at BIGINT NOT NULL, ended_at" NUMBER
	" KEY incarnations_living (node, ended_at))" TABLE

	/* id is NULL and state 0 while what is left of a removed task is deleted in small steps. */
	"CREATE TABLE IF NOT EXISTS tasks ("
	" `key` BIGINT PRIMARY KEY, id VARCHAR(255), name TEXT, type VARCHAR(255) NOT NULL, executor TEXT NOT NULL,"
	" pool TEXT NOT NULL, owner VARCHAR(255), parent TEXT, credential TEXT, priority INT NOT NULL,"
	" rerun_lost TINYINT NOT NULL, timeout BIGINT NOT NULL, host_timeout BIGINT NOT NULL,"
	" connect_timeout BIGINT NOT NULL, output_limit BIGINT NOT NULL, fanout BIGINT NOT NULL,"
	" expires_at BIGINT NOT NULL, unit_size BIGINT NOT NULL, hosts BIGINT NOT NULL, units BIGINT NOT NULL,"
	" incarnation BIGINT NOT NULL, host_base BIGINT NOT NULL, state TINYINT NOT NULL, reason LONGTEXT,"
	" created_at BIGINT NOT NULL, started_at" NUMBER "finished_at" NUMBER "pending" NUMBER "running" NUMBER
	"ok" NUMBER "failed" NUMBER "unreachable" NUMBER "timed_out" NUMBER "skipped" NUMBER "cancelled" NUMBER
	"expired" NUMBER "lost" NUMBER "units_done" NUMBER "seq" NUMBER
	"waves BIGINT NOT NULL DEFAULT 1, wave_pause" NUMBER "max_failed_as" SMALL "max_failed" NUMBER
	/* The open waves: the last one, units of all, hosts of the last, hosts of all, bad hosts before the last. */
	"concurrency_key VARCHAR(700), wave" NUMBER "wave_units" NUMBER "wave_hosts" NUMBER "wave_end" NUMBER
	"wave_base" NUMBER "next_wave_at" NUMBER
	" UNIQUE KEY tasks_id (id), KEY tasks_changed (seq), KEY tasks_open (state, `key`),"
	" KEY tasks_ended (finished_at), KEY tasks_concurrency (concurrency_key, state, `key`))" TABLE

	/* What is large and never changes, so that a change of counts writes a small row. */
	"CREATE TABLE IF NOT EXISTS submissions ("
	" task BIGINT PRIMARY KEY, note LONGTEXT, labels LONGTEXT, payload LONGTEXT NOT NULL, options LONGTEXT NOT "
	"NULL,"
	" body LONGBLOB NOT NULL)" TABLE

	/* seq: of the last change of the unit or of one of its hosts. excused: attempts that do not count. */
	"CREATE TABLE IF NOT EXISTS units ("
	" task BIGINT NOT NULL, unit BIGINT NOT NULL, first BIGINT NOT NULL, count BIGINT NOT NULL,"
	" state" SMALL "open BIGINT NOT NULL, attempt" NUMBER "incarnation" NUMBER "claimed_at" NUMBER
	"finished_at" NUMBER "deadline" NUMBER "seq" NUMBER "message LONGBLOB, wave" NUMBER "excused" NUMBER
	" PRIMARY KEY (task, unit), KEY units_ready (task, state, unit), KEY units_held (state, incarnation))" TABLE

	/* stdout, stderr: digests of what `outputs` keeps, NULL where nothing was written. */
	"CREATE TABLE IF NOT EXISTS hosts ("
	" id BIGINT PRIMARY KEY, task BIGINT NOT NULL, unit BIGINT NOT NULL, name VARCHAR(255) NOT NULL, address TEXT,"
	" port INT NOT NULL, user TEXT, vars LONGTEXT, status" SMALL "phase" SMALL "changed" SMALL "remote" SMALL
	"rc INT, `signal` LONGBLOB, message LONGBLOB, waiting_for LONGBLOB, via LONGBLOB, result LONGBLOB,"
	" stdout VARBINARY(32), stdout_size" NUMBER "stdout_total" NUMBER "stderr VARBINARY(32), stderr_size" NUMBER
	"stderr_total" NUMBER "attempt" NUMBER "incarnation" NUMBER "started_at" NUMBER "finished_at" NUMBER
	"seq" NUMBER " KEY hosts_name (name, id), KEY hosts_ended (seq))" TABLE

	/* The same output of many hosts of a task is kept once. */
	"CREATE TABLE IF NOT EXISTS outputs (task BIGINT NOT NULL, digest VARBINARY(32) NOT NULL, bytes LONGBLOB NOT "
	"NULL,"
	" PRIMARY KEY (task, digest))" TABLE

	/* Results that came after their unit was taken over; the first for each host. */
	"CREATE TABLE IF NOT EXISTS late (host BIGINT PRIMARY KEY, result LONGTEXT NOT NULL)" TABLE;

/* What the nodes that share the store tell each other. */
static const char step_2[] =
	"ALTER TABLE schema_version ADD COLUMN oldest BIGINT NOT NULL DEFAULT 1;"
	"ALTER TABLE tasks ADD COLUMN home VARCHAR(255), ADD COLUMN published BIGINT NOT NULL DEFAULT 0;"

	/* publish_at: when a ready unit is to be published again; 0: it was not published, or is not ready. */
	"ALTER TABLE units ADD COLUMN publish_at BIGINT NOT NULL DEFAULT 0,"
	" ADD COLUMN publications BIGINT NOT NULL DEFAULT 0,"
	" ADD COLUMN pool VARCHAR(255) NOT NULL DEFAULT ''," /* its task's */
	" ADD KEY units_queued (publish_at, task, unit, pool);"
	"UPDATE units u JOIN tasks t ON t.key = u.task SET u.pool = t.pool WHERE u.state < 2;"

	/* What was signed of a unit, apart from its row, which changes often. */
	"CREATE TABLE IF NOT EXISTS envelopes (task BIGINT NOT NULL, unit BIGINT NOT NULL, bytes LONGBLOB NOT NULL,"
	" PRIMARY KEY (task, unit))" TABLE

	/* newest: of its node. */
	"ALTER TABLE incarnations ADD COLUMN newest TINYINT NOT NULL DEFAULT 0,"
	" ADD COLUMN drain TINYINT NOT NULL DEFAULT 0, ADD COLUMN pools TEXT, ADD COLUMN executors LONGTEXT,"
	" ADD COLUMN isolation VARCHAR(255), ADD COLUMN state VARCHAR(255),"
	" ADD COLUMN capacity_hosts BIGINT NOT NULL DEFAULT 0, ADD COLUMN capacity_units BIGINT NOT NULL DEFAULT 0,"
	" ADD COLUMN running_hosts BIGINT NOT NULL DEFAULT 0, ADD COLUMN running_units BIGINT NOT NULL DEFAULT 0,"
	" ADD COLUMN dispatches TINYINT NOT NULL DEFAULT 0, ADD KEY incarnations_newest (newest, node);"
	"UPDATE incarnations i JOIN (SELECT max(id) AS id FROM incarnations GROUP BY node) n ON n.id = i.id"
	" SET i.newest = 1;";

/* The tests build a program of the next version, which has a step more. */
#ifndef SCHEMA_LATER
#define SCHEMA_LATER
#endif

static const struct schema_step steps[] = { { step_1, 1 }, { step_2, 2 } SCHEMA_LATER };

#define OF_THIS " FROM information_schema.tables WHERE table_schema = database() AND table_name "

const struct schema schema = {
	.steps = steps,
	.newest = sizeof(steps) / sizeof(steps[0]),
	.tells_oldest = 2,
	.known = "SELECT 1" OF_THIS "= 'schema_version'",
	.foreign = "SELECT count(*)" OF_THIS "<> 'schema_version'",
	.table = "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY, applied_at BIGINT NOT "
		 "NULL)" TABLE,
};

const char *const sql_removals[SQL_REMOVALS] = {
	"DELETE FROM late WHERE host BETWEEN ?2 AND ?3 LIMIT ?4",
	"DELETE FROM hosts WHERE id BETWEEN ?2 AND ?3 LIMIT ?4",
	"DELETE FROM outputs WHERE task = ?1 LIMIT ?4",
	"DELETE FROM units WHERE task = ?1 LIMIT ?4",
	"DELETE FROM envelopes WHERE task = ?1 LIMIT ?4",
};
