/*
 * transaction.c - a transaction of a writing session: its beginning and its ends, the numbers that it
 * gives out, and the report of what a commit changed.
 */
#include "sqlstore.h"

static const char sql_counters[] = "SELECT task, host, seq FROM counters" SQL_LOCKED;
static const char sql_lives[] = "SELECT 1 FROM incarnations WHERE id = ?1 AND ended_at = 0";

/* ------------------------------------------------------------------------------------ numbers */

int transaction_serialise(struct drover_session *s, struct drover_error *err)
{
	struct counters *counters = &s->counters;
	struct sql_stmt *stmt;
	int code;

	if (counters->loaded)
		return 0;
	code = session_prepare(s, sql_counters, &stmt, err);
	if (!code)
		code = sql_step(s, stmt, err);
	if (code < 0)
		return code;
	if (!code)
		return drover_error_set(err, DROVER_EFAULT, "%s is damaged: it has no counters", driver_name(s));
	*counters = (struct counters){
		.loaded = true, .task = sql_int64(stmt, 0), .host = sql_int64(stmt, 1), .seq = sql_int64(stmt, 2)
	};
	sql_reset(stmt);
	return 0;
}

int transaction_take_seq(struct drover_session *s, int64_t count, int64_t *first, struct drover_error *err)
{
	int code = transaction_serialise(s, err);

	if (code)
		return code;
	*first = s->counters.seq + 1;
	if (!s->first_seq)
		s->first_seq = *first;
	s->counters.seq += count;
	s->counters.dirty = true;
	return 0;
}

int transaction_take_ids(struct drover_session *s, int64_t hosts, int64_t *task, int64_t *host_base,
			 struct drover_error *err)
{
	int code = transaction_serialise(s, err);

	if (code)
		return code;
	*task = ++s->counters.task;
	*host_base = s->counters.host + 1;
	s->counters.host += hosts;
	s->counters.dirty = true;
	return 0;
}

int transaction_lives(struct drover_session *s, int64_t incarnation, bool *lives, struct drover_error *err)
{
	int64_t found = 1;
	int code = 0;

	/* Who ends one does it after transaction_serialise, too: what lives here lives to the transaction's end. */
	if (s->living != incarnation || !incarnation)
		code = transaction_serialise(s, err);
	if (!code && (s->living != incarnation || !incarnation))
		code = session_number(s, sql_lives, 0, &found, err, incarnation);
	if (code)
		return code;
	*lives = found;
	if (found)
		s->living = incarnation;
	return 0;
}

/* ----------------------------------------------------------------------------- begin, commit, rollback */

int transaction_flush(struct drover_session *s, struct drover_error *err)
{
	int code = 0;

	if (!s->in_transaction)
		return driver_ready(s, err);
	code = rows_save(s, err);
	if (!code && s->counters.dirty) {
		code = driver_save_counters(s, &s->counters, err);
		s->counters.dirty = false;
	}
	return code;
}

static void forget_texts(struct drover_session *s)
{
	struct lent_text *text;

	while ((text = s->texts)) {
		s->texts = text->next;
		free(text);
	}
}

static void forget(struct drover_session *s)
{
	rows_forget(s);
	s->counters = (struct counters){ .loaded = false };
	s->living = s->first_seq = 0;
	s->in_transaction = false;
}

int transaction_begin(struct drover_session *s, struct drover_error *err)
{
	int code;

	assert(s->mode == DROVER_SESSION_WRITE && !s->in_transaction);
	forget_texts(s);
	code = driver_begin(s, err);
	s->in_transaction = !code;
	return code;
}

/* Collects the report before COMMIT, so that what it needs to read cannot fail after it. */
static int collect(struct drover_session *s, struct drover_task_change **changes, size_t *count,
		   struct drover_error *err)
{
	struct task_row *task, *next;
	int code = 0;

	*count = 0;
	*changes = calloc(HASH_COUNT(s->tasks) + 1, sizeof(**changes));
	if (!*changes)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	HASH_ITER (hh, s->tasks, task, next) {
		struct drover_task_change *change = *changes + *count;

		if (code || !task->touched)
			continue;
		code = query_task_copy(s, task->key, &change->task, err);
		change->old_state = task->old_state;
		change->counted = task->counted;
		memcpy(change->old_counts, task->old_counts, sizeof(change->old_counts));
		(*count)++;
	}
	return code;
}

/* A commit of which nobody knows whether it was done is done again by the caller: claim.c knows its claims by this. */
static int commit(struct drover_session *s, struct drover_error *err)
{
	int64_t first = s->first_seq, last = s->counters.seq;
	int code = driver_commit(s, err);

	if (!code) {
		s->doubt_first = s->doubt_last = 0;
	} else if (code == DROVER_ERETRY && first && driver_in_doubt(s)) {
		if (!s->doubt_first)
			s->doubt_first = first;
		s->doubt_last = last;
	}
	return code;
}

int transaction_commit(struct drover_session *s, drover_change_fn *change, void *context, struct drover_error *err)
{
	struct drover_task_change *changes = NULL;
	size_t count = 0;
	int code;

	assert(s->in_transaction);
	code = transaction_flush(s, err);
	if (!code && change)
		code = collect(s, &changes, &count, err);
	if (!code)
		code = commit(s, err);
	if (!code) {
		forget(s);
		/* It is durable: a callback can no longer refuse it. */
		for (size_t i = 0; i < count; i++)
			(void)change(context, &changes[i]);
	}
	free(changes);
	return code;
}

void transaction_rollback(struct drover_session *s)
{
	if (s->in_transaction)
		driver_rollback(s);
	forget(s);
	forget_texts(s);
}
