/*
 * schema.c - SQLite's tables. All missing steps run in one transaction. Integers are never NULL but in `rc`: 0 says
 * "none" or "not yet".
 */
#include "sqlite.h"

/* The hosts of a task have the ids [host_base, host_base + hosts), so a unit is a range of them. */
static const char step_1[] =
	"CREATE TABLE counters (task INTEGER NOT NULL, host INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT;"
	"INSERT INTO counters VALUES (0, 0, 0);"

	"CREATE TABLE incarnations ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, version TEXT NOT NULL,"
	" started_at INTEGER NOT NULL, renewed_at INTEGER NOT NULL, ended_at INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX incarnations_living ON incarnations (node) WHERE ended_at = 0;"

	/* id is NULL and state 0 while what is left of a removed task is deleted in small steps. */
	"CREATE TABLE tasks ("
	" key INTEGER PRIMARY KEY, id TEXT UNIQUE, name TEXT, type TEXT NOT NULL, executor TEXT NOT NULL,"
	" pool TEXT NOT NULL, owner TEXT, parent TEXT, credential TEXT, priority INTEGER NOT NULL,"
	" rerun_lost INTEGER NOT NULL, timeout INTEGER NOT NULL, host_timeout INTEGER NOT NULL,"
	" connect_timeout INTEGER NOT NULL, output_limit INTEGER NOT NULL, fanout INTEGER NOT NULL,"
	" expires_at INTEGER NOT NULL, unit_size INTEGER NOT NULL, hosts INTEGER NOT NULL, units INTEGER NOT NULL,"
	" incarnation INTEGER NOT NULL, host_base INTEGER NOT NULL, state INTEGER NOT NULL, reason TEXT,"
	" created_at INTEGER NOT NULL, started_at INTEGER NOT NULL DEFAULT 0, finished_at INTEGER NOT NULL DEFAULT 0,"
	" pending INTEGER NOT NULL DEFAULT 0, running INTEGER NOT NULL DEFAULT 0, ok INTEGER NOT NULL DEFAULT 0,"
	" failed INTEGER NOT NULL DEFAULT 0, unreachable INTEGER NOT NULL DEFAULT 0,"
	" timed_out INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,"
	" cancelled INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0, lost INTEGER NOT NULL DEFAULT 0,"
	" units_done INTEGER NOT NULL DEFAULT 0, seq INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX tasks_changed ON tasks (seq);"
	"CREATE INDEX tasks_open ON tasks (state, key) WHERE state < 5;"
	"CREATE INDEX tasks_ended ON tasks (finished_at) WHERE state >= 5;"

	/* What is large and never changes, so that a change of counts writes a small row. */
	"CREATE TABLE submissions ("
	" task INTEGER PRIMARY KEY, note TEXT, labels TEXT, payload TEXT NOT NULL, options TEXT NOT NULL,"
	" body BLOB NOT NULL) STRICT;"

	/* seq: of the last change of the unit or of one of its hosts. */
	"CREATE TABLE units ("
	" task INTEGER NOT NULL, unit INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,"
	" state INTEGER NOT NULL DEFAULT 0, open INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0,"
	" incarnation INTEGER NOT NULL DEFAULT 0, claimed_at INTEGER NOT NULL DEFAULT 0,"
	" finished_at INTEGER NOT NULL DEFAULT 0, deadline INTEGER NOT NULL DEFAULT 0,"
	" seq INTEGER NOT NULL DEFAULT 0, message TEXT, PRIMARY KEY (task, unit)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX units_ready ON units (task, unit) WHERE state = 0;"
	"CREATE INDEX units_held ON units (incarnation) WHERE state = 1;"

	/* stdout, stderr: digests of what `outputs` keeps, NULL where nothing was written. */
	"CREATE TABLE hosts ("
	" id INTEGER PRIMARY KEY, task INTEGER NOT NULL, unit INTEGER NOT NULL, name TEXT NOT NULL, address TEXT,"
	" port INTEGER NOT NULL, user TEXT, vars TEXT, status INTEGER NOT NULL DEFAULT 0,"
	" phase INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0, remote INTEGER NOT NULL DEFAULT 0,"
	" rc INTEGER, signal TEXT, message TEXT, waiting_for TEXT, via TEXT, result TEXT,"
	" stdout BLOB, stdout_size INTEGER NOT NULL DEFAULT 0, stdout_total INTEGER NOT NULL DEFAULT 0,"
	" stderr BLOB, stderr_size INTEGER NOT NULL DEFAULT 0, stderr_total INTEGER NOT NULL DEFAULT 0,"
	" attempt INTEGER NOT NULL DEFAULT 0, incarnation INTEGER NOT NULL DEFAULT 0,"
	" started_at INTEGER NOT NULL DEFAULT 0, finished_at INTEGER NOT NULL DEFAULT 0,"
	" seq INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE INDEX hosts_name ON hosts (name, id);"
	/* For the feed. A final row does not change any more, so it is only ever appended to. */
	"CREATE INDEX hosts_ended ON hosts (seq) WHERE status >= 2;"

	/* The same output of many hosts of a task is kept once. */
	"CREATE TABLE outputs (task INTEGER NOT NULL, digest BLOB NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY (task, digest)) STRICT, WITHOUT ROWID;"

	/* Results that came after their unit was taken over; the first for each host. */
	"CREATE TABLE late (host INTEGER PRIMARY KEY, result TEXT NOT NULL) STRICT;";

/* Thresholds and order: tasks that were there before are one wave, which is open. */
static const char step_2[] =
	"ALTER TABLE tasks ADD COLUMN waves INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE tasks ADD COLUMN wave_pause INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN max_failed_as INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN max_failed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN concurrency_key TEXT;"
	/* The open waves: the last one, units of all, hosts of the last, hosts of all, bad hosts before the last. */
	"ALTER TABLE tasks ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN wave_units INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN wave_hosts INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN wave_end INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN wave_base INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE tasks ADD COLUMN next_wave_at INTEGER NOT NULL DEFAULT 0;"
	"UPDATE tasks SET wave_units = units, wave_hosts = hosts, wave_end = hosts;"
	"CREATE INDEX tasks_concurrency ON tasks (concurrency_key, key) WHERE concurrency_key IS NOT NULL AND state < "
	"5;"
	/* excused: attempts that do not count. */
	"ALTER TABLE units ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE units ADD COLUMN excused INTEGER NOT NULL DEFAULT 0;";

/* What several nodes tell each other; here the one node tells it to nobody. */
static const char step_3[] =
	"ALTER TABLE schema_version ADD COLUMN oldest INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE tasks ADD COLUMN home TEXT;"
	"ALTER TABLE tasks ADD COLUMN published INTEGER NOT NULL DEFAULT 0;"

	/* publish_at: when a ready unit is to be published again; 0: it was not published, or is not ready. */
	"ALTER TABLE units ADD COLUMN publish_at INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE units ADD COLUMN publications INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE units ADD COLUMN pool TEXT NOT NULL DEFAULT '';" /* its task's */
	"UPDATE units SET pool = (SELECT t.pool FROM tasks t WHERE t.key = units.task) WHERE state < 2;"
	"CREATE INDEX units_queued ON units (publish_at, task, unit, pool) WHERE publish_at > 0;"

	/* What was signed of a unit, apart from its row, which changes often. */
	"CREATE TABLE envelopes (task INTEGER NOT NULL, unit INTEGER NOT NULL, bytes BLOB NOT NULL,"
	" PRIMARY KEY (task, unit)) STRICT;"

	/* newest: of its node. */
	"ALTER TABLE incarnations ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN drain INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN pools TEXT;"
	"ALTER TABLE incarnations ADD COLUMN executors TEXT;"
	"ALTER TABLE incarnations ADD COLUMN isolation TEXT;"
	"ALTER TABLE incarnations ADD COLUMN state TEXT;"
	"ALTER TABLE incarnations ADD COLUMN capacity_hosts INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN capacity_units INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN running_hosts INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN running_units INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE incarnations ADD COLUMN dispatches INTEGER NOT NULL DEFAULT 0;"
	"UPDATE incarnations SET newest = 1 WHERE id IN (SELECT max(id) FROM incarnations GROUP BY node);"
	"CREATE INDEX incarnations_newest ON incarnations (node) WHERE newest = 1;";

static const struct schema_step steps[] = { { step_1, 1 }, { step_2, 2 }, { step_3, 3 } };

const struct schema schema = {
	.steps = steps,
	.newest = sizeof(steps) / sizeof(steps[0]),
	.tells_oldest = 3,
	.known = "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'",
	.foreign = "SELECT count(*) FROM sqlite_schema WHERE name <> 'schema_version'",
	.table = "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, applied_at INTEGER NOT NULL)"
		 " STRICT",
};

const char *const sql_removals[SQL_REMOVALS] = {
	"DELETE FROM late WHERE host IN (SELECT host FROM late WHERE host BETWEEN ?2 AND ?3 LIMIT ?4)",
	"DELETE FROM hosts WHERE id IN (SELECT id FROM hosts WHERE id BETWEEN ?2 AND ?3 LIMIT ?4)",
	"DELETE FROM outputs WHERE task = ?1 AND digest IN (SELECT digest FROM outputs WHERE task = ?1 LIMIT ?4)",
	"DELETE FROM units WHERE task = ?1 AND unit IN (SELECT unit FROM units WHERE task = ?1 LIMIT ?4)",
	"DELETE FROM envelopes WHERE task = ?1 AND unit IN (SELECT unit FROM envelopes WHERE task = ?1 LIMIT ?4)",
};
