/*
 * results.c - hosts' ends are written: one UPDATE by primary key each, behind the fence of their unit.
 */
#include "sqlstore.h"

#include <sodium.h>

enum { DIGEST_SIZE = 32 };

static const char sql_end_host[] =
	"UPDATE hosts SET status = ?3, phase = ?4, changed = ?5, remote = ?6, stdout_size = ?7, stdout_total = ?8,"
	" stderr_size = ?9, stderr_total = ?10, attempt = ?11, incarnation = ?12, finished_at = ?13, seq = ?14,"
	" rc = ?15, `signal` = ?16, message = ?17, waiting_for = ?18, via = ?19, result = ?20, stdout = ?21,"
	" stderr = ?22 WHERE id = ?1 AND status = ?2";
static const char sql_progress[] = "UPDATE hosts SET changed = ?3, result = ?4 WHERE id = ?1 AND status = ?2";
static const char sql_host[] = "SELECT status, attempt, incarnation FROM hosts WHERE id = ?1";
static const char sql_output[] = "INSERT INTO outputs (task, digest, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (task, digest) DO NOTHING";
static const char sql_late[] =
	"INSERT INTO late (host, result) VALUES (?1, json_object('status', ?9, 'attempt', ?2, 'rc', ?4,"
	" 'signal', ?5, 'message', ?6, 'via', ?7, 'phase', ?10, 'result', CASE WHEN json_valid(?8) THEN json(?8) END,"
	" 'stdout', ?11, 'stdout_encoding', 'base64', 'stderr', ?12, 'stderr_encoding', 'base64', 'received_at', ?3))"
	" ON CONFLICT (host) DO NOTHING";

/* One stream of a report, with the ways that a report has to say its size made one. */
struct stream {
	const void *bytes;
	size_t size;
	int64_t total;
	unsigned char digest[DIGEST_SIZE];
};

static struct stream stream_of(const void *bytes, size_t size, uint64_t total)
{
	struct stream stream = { .bytes = bytes, .size = size };

	if (bytes && !size)
		stream.size = strlen(bytes);
	stream.total = total > stream.size ? (int64_t)total : (int64_t)stream.size;
	return stream;
}

static int keep_output(struct drover_session *s, int64_t task, struct stream *stream, struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code;

	if (!stream->size)
		return 0;
	crypto_generichash(stream->digest, DIGEST_SIZE, stream->bytes, stream->size, NULL, 0);
	code = session_prepare(s, sql_output, &stmt, err, task);
	if (code)
		return code;
	sql_bind_blob(stmt, 2, stream->digest, DIGEST_SIZE);
	sql_bind_blob(stmt, 3, stream->bytes, stream->size);
	return sql_queue(s, stmt, err);
}

static void bind_digest(struct sql_stmt *stmt, int position, const struct stream *stream)
{
	if (stream->size)
		sql_bind_blob(stmt, position, stream->digest, DIGEST_SIZE);
	else
		sql_bind_null(stmt, position);
}

/* Ends the host where it is `from`; *ended says whether it was. */
static int end_host(struct drover_session *s, struct unit_row *unit, const struct drover_result *r,
		    enum drover_status from, int64_t now, bool *ended, struct drover_error *err)
{
	const struct drover_report *report = &r->report;
	struct stream out = stream_of(report->out, report->out_size, report->out_total);
	struct stream errors = stream_of(report->err, report->err_size, report->err_total);
	const char *const texts[] = { report->signal, report->message, report->waiting_for, report->via,
				      report->result };
	struct sql_stmt *stmt;
	int64_t seq;
	int code = keep_output(s, r->task_key, &out, err);

	if (!code)
		code = keep_output(s, r->task_key, &errors, err);
	if (!code)
		code = transaction_take_seq(s, 1, &seq, err);
	if (!code)
		code = session_prepare(s, sql_end_host, &stmt, err, unit->task->host_base + r->index, from, r->status,
				       report->phase, report->changed, report->remote, (int64_t)out.size, out.total,
				       (int64_t)errors.size, errors.total, r->attempt, r->incarnation, now, seq,
				       report->rc);
	if (code)
		return code;
	if (!report->has_rc)
		sql_bind_null(stmt, 15);
	for (int i = 0; i < 5; i++)
		sql_bind_text(stmt, 16 + i, texts[i]);
	bind_digest(stmt, 21, &out);
	bind_digest(stmt, 22, &errors);
	code = sql_step(s, stmt, err);
	*ended = !code && driver_changes(s);
	if (*ended)
		states_move_hosts(unit->task, unit, from, r->status, 1, now);
	return code;
}

/* What is known of a host that runs. One that has ended meanwhile keeps what it has. */
static int note_progress(struct drover_session *s, const struct unit_row *unit, const struct drover_result *r,
			 struct drover_error *err)
{
	struct sql_stmt *stmt;
	int code = session_prepare(s, sql_progress, &stmt, err, unit->task->host_base + r->index, DROVER_RUNNING,
				   r->report.changed);

	if (code)
		return code;
	sql_bind_text(stmt, 4, r->report.result);
	return sql_step(s, stmt, err);
}

/* Base64 in memory of the caller's; NULL: none. */
static char *encode(const struct stream *stream)
{
	size_t size = sodium_base64_encoded_len(stream->size, sodium_base64_VARIANT_ORIGINAL);
	char *text = malloc(size);

	if (text)
		sodium_bin2base64(text, size, stream->bytes, stream->size, sodium_base64_VARIANT_ORIGINAL);
	return text;
}

/* Keeps a true result beside the row. Outputs may be bytes of any kind, so they are kept as base64. */
static int keep_late(struct drover_session *s, int64_t id, const struct drover_result *r, struct drover_error *err)
{
	const struct drover_report *report = &r->report;
	struct stream out = stream_of(report->out, report->out_size, report->out_total);
	struct stream errors = stream_of(report->err, report->err_size, report->err_total);
	char *out_text = encode(&out), *errors_text = encode(&errors);
	struct sql_stmt *stmt;
	int code;

	code = out_text && errors_text ? 0 : drover_error_set(err, DROVER_ENOMEM, "out of memory");
	if (!code)
		code = session_prepare(s, sql_late, &stmt, err, id, r->attempt, driver_now(s), report->rc);
	if (!code) {
		if (!report->has_rc)
			sql_bind_null(stmt, 4);
		sql_bind_text(stmt, 5, report->signal);
		sql_bind_text(stmt, 6, report->message);
		sql_bind_text(stmt, 7, report->via);
		sql_bind_text(stmt, 8, report->result);
		sql_bind_text(stmt, 9, drover_status_name(r->status));
		sql_bind_text(stmt, 10, drover_phase_name(report->phase));
		sql_bind_text(stmt, 11, out_text);
		sql_bind_text(stmt, 12, errors_text);
		code = sql_step(s, stmt, err);
	}
	free(out_text);
	free(errors_text);
	return code;
}

/*
 * A result that did not end its host. The same result may come again after a crash, from the spool:
 * its host is final by that very attempt. A host that became `lost` may still have a true result.
 */
static int refuse(struct drover_session *s, const struct unit_row *unit, struct drover_result *r,
		  struct drover_error *err)
{
	int64_t id = unit->task->host_base + r->index;
	enum drover_status status;
	struct sql_stmt *stmt;
	bool held, same;
	int code = session_prepare(s, sql_host, &stmt, err, id);

	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	r->outcome = DROVER_FOREIGN;
	if (!code)
		return 0;
	status = (enum drover_status)sql_int(stmt, 0);
	same = sql_int64(stmt, 1) == r->attempt && sql_int64(stmt, 2) == r->incarnation;
	held = unit->attempt == r->attempt && unit->incarnation == r->incarnation;
	sql_reset(stmt);
	if ((held || same) && drover_status_is_final(status) && status != DROVER_LOST) {
		r->outcome = DROVER_REPEATED;
		return 0;
	}
	r->outcome = DROVER_LATE;
	return keep_late(s, id, r, err);
}

static int write_one(struct drover_session *s, struct unit_row *unit, struct drover_result *r, int64_t now,
		     struct drover_error *err)
{
	bool fenced = unit->state == DROVER_UNIT_CLAIMED && unit->attempt == r->attempt &&
		      unit->incarnation == r->incarnation;
	bool ended = false;
	int code = 0;

	r->outcome = DROVER_FOREIGN;
	if (r->index < unit->first || r->index >= unit->first + unit->count)
		return 0;
	if (r->status == DROVER_RUNNING) {
		r->outcome = DROVER_WRITTEN;
		return fenced ? note_progress(s, unit, r, err) : 0;
	}
	if (fenced)
		code = end_host(s, unit, r, DROVER_RUNNING, now, &ended, err);
	if (fenced && !code && !ended)
		code = end_host(s, unit, r, DROVER_PENDING, now, &ended, err);
	if (code)
		return code;
	r->outcome = DROVER_WRITTEN;
	return ended ? 0 : refuse(s, unit, r, err);
}

int results_write(struct drover_session *s, struct drover_result *results, size_t count, struct drover_error *err)
{
	struct unit_row *unit = NULL;
	int64_t now = driver_now(s);
	bool aborted;
	int code = 0;

	for (size_t i = 0; i < count && !code; i++) {
		struct drover_result *r = &results[i];

		if (!drover_status_is_final(r->status) && r->status != DROVER_RUNNING)
			return drover_error_set(err, DROVER_EINVALID, "%s is not a final status",
						drover_status_name(r->status));
		if (!unit || unit->key.unit != r->unit || unit->key.task != r->task_key)
			code = rows_unit(s, r->task_key, r->unit, &unit, err);
		if (code == DROVER_ENOTFOUND) {
			r->outcome = DROVER_FOREIGN;
			unit = NULL;
			code = 0;
		} else if (!code) {
			code = write_one(s, unit, r, now, err);
			if (!code)
				code = thresholds_check(s, unit->task, &aborted, err);
			if (!code && aborted)
				unit = NULL;
		}
	}
	return code;
}
