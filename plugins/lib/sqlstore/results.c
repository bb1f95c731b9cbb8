/*
 * results.c - hosts' ends are written: one UPDATE by primary key each, behind the fence of their unit.
 *
 * What the hosts are is read first, unit by unit, so that the writes need no answer each: a driver may
 * send many of them at once. Nobody else changes hosts meanwhile (transaction_serialise).
 */
#include "sqlstore.h"

#include <sodium.h>

enum { DIGEST_SIZE = 32 };

static const char sql_end_host[] =
	"UPDATE hosts SET status = ?3, phase = ?4, changed = ?5, remote = ?6, stdout_size = ?7, stdout_total = ?8,"
	" stderr_size = ?9, stderr_total = ?10, attempt = ?11, incarnation = ?12, finished_at = CASE"
	" WHEN started_at > ?13 THEN started_at ELSE ?13 END, seq = ?14,"
	" rc = ?15, `signal` = ?16, message = ?17, waiting_for = ?18, via = ?19, result = ?20, stdout = ?21,"
	" stderr = ?22 WHERE id = ?1 AND status = ?2";
static const char sql_progress[] = "UPDATE hosts SET changed = ?3, result = ?4 WHERE id = ?1 AND status = ?2";
static const char sql_hosts[] =
	"SELECT id, status, attempt, incarnation, remote FROM hosts WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
static const char sql_output[] =
	"INSERT INTO outputs (task, digest, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (task, digest) DO NOTHING";
static const char sql_late[] =
	"INSERT INTO late (host, result) VALUES (?1, json_object('status', ?9, 'attempt', ?2, 'rc', ?4,"
	" 'signal', ?5, 'message', ?6, 'via', ?7, 'phase', ?10, 'result', CASE WHEN json_valid(?8) THEN json(?8) END,"
	" 'stdout', ?11, 'stdout_encoding', 'base64', 'stderr', ?12, 'stderr_encoding', 'base64', 'received_at', ?3))"
	" ON CONFLICT (host) DO NOTHING";

/* A result with what its host is. */
struct entry {
	struct drover_result *result;
	struct unit_row *unit; /* NULL: there is none */
	bool exists;           /* the host, in that unit; the members below are its row's */
	enum drover_status status;
	int64_t attempt, incarnation;
	bool begun_before; /* … and is pending: this attempt has not touched it */
};

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

/* `r`: what is said of it, the entry's own result or one that was made of it. */
static int end_host(struct drover_session *s, struct entry *entry, const struct drover_result *r, int64_t now,
		    struct drover_error *err)
{
	const struct drover_report *report = &r->report;
	struct unit_row *unit = entry->unit;
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
		code = session_prepare(s, sql_end_host, &stmt, err, unit->task->host_base + r->index, entry->status,
				       r->status, report->phase, report->changed, report->remote, (int64_t)out.size,
				       out.total, (int64_t)errors.size, errors.total, r->attempt, r->incarnation,
				       now - r->age, seq, report->rc);
	if (code)
		return code;
	if (!report->has_rc)
		sql_bind_null(stmt, 15);
	for (int i = 0; i < 5; i++)
		sql_bind_text(stmt, 16 + i, texts[i]);
	bind_digest(stmt, 21, &out);
	bind_digest(stmt, 22, &errors);
	code = sql_queue(s, stmt, err);
	if (code)
		return code;
	states_move_hosts(unit->task, unit, entry->status, r->status, 1, now);
	entry->status = r->status;
	entry->attempt = r->attempt;
	entry->incarnation = r->incarnation;
	return 0;
}

/* What an executor gives up without having begun it was begun before: nobody knows what became of it. */
static int lose_host(struct drover_session *s, struct entry *entry, int64_t now, struct drover_error *err)
{
	struct drover_result *r = entry->result;
	char message[DROVER_ERROR_SIZE];
	struct drover_result lost = *r;

	begun_before_explain(message, sizeof(message),
			     r->report.message ? r->report.message : drover_status_name(r->status));
	lost.attempt = (int)entry->attempt;
	lost.incarnation = entry->incarnation;
	lost.report = (struct drover_report){ .remote = DROVER_REMOTE_UNKNOWN, .message = message };
	lost.status = r->status = DROVER_LOST;
	return end_host(s, entry, &lost, now, err);
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
	return sql_queue(s, stmt, err);
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
 * A result that does not end its host. The same result may come again after a crash, from the spool:
 * its host is final by that very attempt. A host that became `lost` may still have a true result.
 */
static int refuse(struct drover_session *s, const struct entry *entry, struct drover_error *err)
{
	const struct unit_row *unit = entry->unit;
	struct drover_result *r = entry->result;
	bool same = entry->attempt == r->attempt && entry->incarnation == r->incarnation;
	bool held = unit->attempt == r->attempt && unit->incarnation == r->incarnation;

	if ((held || same) && drover_status_is_final(entry->status) && entry->status != DROVER_LOST) {
		r->outcome = DROVER_REPEATED;
		return 0;
	}
	r->outcome = DROVER_LATE;
	return keep_late(s, unit->task->host_base + r->index, r, err);
}

static int write_one(struct drover_session *s, struct entry *entry, int64_t now, struct drover_error *err)
{
	const struct unit_row *unit = entry->unit;
	struct drover_result *r = entry->result;
	bool fenced;

	r->outcome = DROVER_FOREIGN;
	if (!entry->exists)
		return 0;
	fenced = unit->state == DROVER_UNIT_CLAIMED && unit->attempt == r->attempt &&
		 unit->incarnation == r->incarnation;
	r->outcome = DROVER_WRITTEN;
	if (r->status == DROVER_RUNNING)
		return fenced && entry->status == DROVER_RUNNING ? note_progress(s, unit, r, err) : 0;
	if (fenced && !drover_status_is_final(entry->status))
		return entry->begun_before ? lose_host(s, entry, now, err) : end_host(s, entry, r, now, err);
	return refuse(s, entry, err);
}

/* ------------------------------------------------------------------------------- a call's results */

/* By unit and host; of one host in the order in which they came. */
static int compare(const void *left, const void *right)
{
	const struct drover_result *a = ((const struct entry *)left)->result;
	const struct drover_result *b = ((const struct entry *)right)->result;

	if (a->task_key != b->task_key)
		return a->task_key < b->task_key ? -1 : 1;
	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return a < b ? -1 : a > b;
}

static bool same_unit(const struct entry *a, const struct entry *b)
{
	return a->result->task_key == b->result->task_key && a->result->unit == b->result->unit;
}

/* The rows of the hosts of `count` entries of one unit. */
static int load_hosts(struct drover_session *s, struct entry *entries, size_t count, struct drover_error *err)
{
	const struct unit_row *unit = entries->unit;
	int64_t first = entries[0].result->index, last = entries[count - 1].result->index;
	int64_t base = unit->task->host_base;
	struct sql_stmt *stmt;
	size_t at = 0;
	int code;

	if (first < unit->first)
		first = unit->first;
	if (last >= unit->first + unit->count)
		last = unit->first + unit->count - 1;
	code = session_prepare(s, sql_hosts, &stmt, err, base + first, base + last);
	while (!code && (code = sql_step(s, stmt, err)) > 0) {
		int64_t index = sql_int64(stmt, 0) - base;

		for (; at < count && entries[at].result->index <= index; at++) {
			if (entries[at].result->index < index)
				continue;
			entries[at].exists = true;
			entries[at].status = (enum drover_status)sql_int(stmt, 1);
			entries[at].attempt = sql_int64(stmt, 2);
			entries[at].incarnation = sql_int64(stmt, 3);
			entries[at].begun_before = unit->task->rerun_lost && entries[at].status == DROVER_PENDING &&
						   sql_int(stmt, 4) == DROVER_REMOTE_UNKNOWN;
		}
		code = 0;
	}
	return code;
}

static int load(struct drover_session *s, struct entry *entries, size_t count, struct drover_error *err)
{
	int code = 0;

	for (size_t i = 0, next; i < count && !code; i = next) {
		struct unit_row *unit = NULL;

		code = rows_unit(s, entries[i].result->task_key, entries[i].result->unit, &unit, err);
		for (next = i; next < count && same_unit(&entries[next], &entries[i]); next++) {
			entries[next].unit = unit;
			entries[next].exists = false;
		}
		if (!code)
			code = load_hosts(s, entries + i, next - i, err);
		else if (code == DROVER_ENOTFOUND)
			code = 0;
	}
	return code;
}

/* Of the same host. */
static void know_the_same(struct entry *entry, const struct entry *from)
{
	struct drover_result *own = entry->result;

	*entry = *from;
	entry->result = own;
}

static int write_all(struct drover_session *s, struct entry *entries, size_t count, struct drover_error *err)
{
	int64_t now = driver_now(s);
	bool aborted;
	int code = load(s, entries, count, err);

	for (size_t i = 0; i < count && !code; i++) {
		struct entry *entry = &entries[i];

		code = write_one(s, entry, now, err);
		if (code || !entry->unit)
			continue;
		/* The same host again? */
		if (i + 1 < count && same_unit(entry, entry + 1) && entry[1].result->index == entry->result->index)
			know_the_same(&entry[1], entry);
		code = thresholds_check(s, entry->unit->task, &aborted, err);
		if (!code && aborted) /* units were forgotten, and hosts have ended */
			code = load(s, entries + i + 1, count - i - 1, err);
	}
	return code;
}

int results_write(struct drover_session *s, struct drover_result *results, size_t count, struct drover_error *err)
{
	struct entry *entries = calloc(count + 1, sizeof(*entries));
	int code = 0;

	if (!entries)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	for (size_t i = 0; i < count && !code; i++) {
		entries[i].result = &results[i];
		if (!drover_status_is_final(results[i].status) && results[i].status != DROVER_RUNNING)
			code = drover_error_set(err, DROVER_EINVALID, "%s is not a final status",
						drover_status_name(results[i].status));
	}
	if (!code) {
		qsort(entries, count, sizeof(*entries), compare);
		code = write_all(s, entries, count, err);
	}
	free(entries);
	return code;
}
