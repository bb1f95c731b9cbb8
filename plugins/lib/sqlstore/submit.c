/*
 * submit.c - a task comes in: its row, its hosts' and units' in chunks, and the change that makes it
 * visible.
 */
#include "sqlstore.h"

static const char sql_task[] =
	"INSERT INTO tasks (`key`, id, name, type, executor, pool, owner, parent, credential, priority, rerun_lost,"
	" timeout, host_timeout, connect_timeout, output_limit, fanout, expires_at, unit_size, hosts, units,"
	" incarnation, host_base, state, created_at, waves, wave_pause, max_failed_as, max_failed, concurrency_key,"
	" home)"
	" VALUES (?1, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?22,"
	" 0, ?23, ?24, ?25, ?26, ?27, ?28, ?29)";
static const char sql_submission[] =
	"INSERT INTO submissions (task, note, labels, payload, options, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
/* A chunk may be written again after a commit whose outcome nobody knew; what is there is what would be. */
static const char sql_host[] =
	"INSERT INTO hosts (id, task, unit, port, name, address, user, vars) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
	" ON CONFLICT (id) DO NOTHING";
static const char sql_unit[] =
	"INSERT INTO units (task, unit, first, count, open, wave, pool) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)"
	" ON CONFLICT (task, unit) DO NOTHING";
static const char sql_envelope[] =
	"INSERT INTO envelopes (task, unit, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (task, unit) DO NOTHING";
static const char sql_renumber[] = "UPDATE hosts SET unit = ?3 WHERE id BETWEEN ?1 AND ?2 AND unit <> ?3";
static const char sql_count_hosts[] = "SELECT count(*) FROM hosts WHERE id BETWEEN ?1 AND ?2";
static const char sql_count_covered[] = "SELECT sum(count) FROM units WHERE task = ?1";
static const char sql_count_units[] = "SELECT count(*) FROM units WHERE task = ?1";
static const char sql_units_said[] = "SELECT units FROM tasks WHERE `key` = ?1";

static int insert_submission(struct drover_session *s, const struct drover_task *task, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_submission, &stmt, err, task->key);

	if (code)
		return code;
	sql_bind_text(stmt, 2, task->note);
	sql_bind_text(stmt, 3, task->labels);
	sql_bind_text(stmt, 4, task->payload ? task->payload : "{}");
	sql_bind_text(stmt, 5, task->options ? task->options : "{}");
	sql_bind_blob(stmt, 6, task->body ? task->body : "", task->body_size);
	return sql_step(s, stmt, err);
}

int submit_task(struct drover_session *s, int64_t incarnation, struct drover_task *task, struct drover_error *err)
{
	const char *const texts[] = { task->id,   task->name,  task->type,   task->executor,
				      task->pool, task->owner, task->parent, task->credential };
	struct sql_stmt *stmt;
	int code;

	code = transaction_take_ids(s, task->hosts, &task->key, &task->host_base, err);
	task->created_at = driver_now(s);
	if (!code)
		code = session_prepare(s, sql_task, &stmt, err, task->key, task->priority, task->rerun_lost,
				       task->timeout, task->host_timeout, task->connect_timeout, task->output_limit,
				       task->fanout, task->expires_at, task->unit_size, task->hosts, task->units,
				       incarnation);
	if (code)
		return code;
	for (int i = 0; i < 8; i++)
		sql_bind_text(stmt, 14 + i, texts[i]);
	sql_bind_int64(stmt, 22, task->host_base);
	sql_bind_int64(stmt, 23, task->created_at);
	sql_bind_int64(stmt, 24, task->waves > 0 ? task->waves : 1);
	sql_bind_int64(stmt, 25, task->wave_pause);
	sql_bind_int64(stmt, 26, task->max_failed_as);
	sql_bind_int64(stmt, 27, task->max_failed);
	sql_bind_text(stmt, 28, task->concurrency_key);
	sql_bind_text(stmt, 29, task->home);
	code = sql_step(s, stmt, err);
	if (code == DROVER_ECONFLICT)
		return drover_error_set(err, DROVER_ECONFLICT, "a task with the id %s exists already", task->id);
	if (code)
		return code;
	task->state = DROVER_TASK_ACCEPTING;
	return insert_submission(s, task, err);
}

/* Most tasks have units of one size, so that a host's unit is known before the units are inserted. */
static int64_t unit_of(const struct drover_task *task, int64_t index)
{
	return task->unit_size > 0 ? index / task->unit_size : 0;
}

int submit_hosts(struct drover_session *s, const struct drover_task *task, int64_t first,
		 const struct drover_host_spec *hosts, int64_t count, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code;

	if (first < 0 || count < 0 || first + count > task->hosts)
		return drover_error_set(err, DROVER_EINVALID, "task %s has no hosts %lld to %lld", task->id,
					(long long)first, (long long)(first + count - 1));
	code = session_prepare(s, sql_host, &stmt, err, 0, task->key);
	for (int64_t i = 0; i < count && !code; i++) {
		sql_bind_int64(stmt, 1, task->host_base + first + i);
		sql_bind_int64(stmt, 3, unit_of(task, first + i));
		sql_bind_int64(stmt, 4, hosts[i].port);
		sql_bind_text(stmt, 5, hosts[i].name);
		sql_bind_text(stmt, 6, hosts[i].address);
		sql_bind_text(stmt, 7, hosts[i].user);
		sql_bind_text(stmt, 8, hosts[i].vars);
		code = sql_queue(s, stmt, err);
	}
	return code;
}

static int insert_envelope(struct drover_session *s, int64_t task, int64_t unit, struct drover_bytes envelope,
			   struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_envelope, &stmt, err, task, unit);

	if (code)
		return code;
	sql_bind_blob(stmt, 3, envelope.data, envelope.size);
	return sql_queue(s, stmt, err);
}

int submit_units(struct drover_session *s, const struct drover_task *task, int64_t first_unit,
		 const struct drover_unit_spec *units, int64_t count, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = 0;

	for (int64_t i = 0; i < count && !code; i++) {
		int64_t first = units[i].first, last = units[i].first + units[i].count - 1;
		int64_t unit = first_unit + i;

		code = session_prepare(s, sql_unit, &stmt, err, task->key, unit, first, units[i].count, units[i].wave);
		if (code)
			return code;
		sql_bind_text(stmt, 6, task->pool);
		code = sql_queue(s, stmt, err);
		if (!code && units[i].envelope.size)
			code = insert_envelope(s, task->key, unit, units[i].envelope, err);
		if (!code && (unit_of(task, first) != unit || unit_of(task, last) != unit))
			code = session_run(s, sql_renumber, NULL, err, task->host_base + first, task->host_base + last,
					   unit);
	}
	return code;
}

/* What is counted from here on must be there. */
static int check_complete(struct drover_session *s, const struct task_row *task, struct drover_error *err)
{
	int64_t rows, covered, units, said;
	int code =
		session_number(s, sql_count_hosts, 0, &rows, err, task->host_base, task->host_base + task->hosts - 1);

	if (!code)
		code = session_number(s, sql_count_covered, 0, &covered, err, task->key);
	if (!code)
		code = session_number(s, sql_count_units, 0, &units, err, task->key);
	if (!code)
		code = session_number(s, sql_units_said, 0, &said, err, task->key);
	if (code)
		return code;
	if (rows != task->hosts || covered != task->hosts || units != said)
		return drover_error_set(
			err, DROVER_EINVALID,
			"the task is incomplete: %lld of %lld hosts, %lld of them in units, %lld of %lld "
			"units",
			(long long)rows, (long long)task->hosts, (long long)covered, (long long)units, (long long)said);
	return 0;
}

int submit_accept(struct drover_session *s, int64_t task_key, struct drover_error *err)
{
	struct task_row *task;
	int code = rows_task(s, task_key, &task, err);

	if (code)
		return code;
	if (task->state != DROVER_TASK_ACCEPTING)
		return drover_error_set(err, DROVER_ECONFLICT, "the task was accepted already");
	code = check_complete(s, task, err);
	if (!code)
		code = thresholds_open_first(s, task, err);
	if (code)
		return code;
	task->counts[DROVER_PENDING] = task->hosts;
	task->counted = true;
	states_move_task(task, DROVER_TASK_QUEUED, driver_now(s));
	return 0;
}
