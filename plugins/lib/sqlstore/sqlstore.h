/*
 * sqlstore.h - a store in an SQL database: the logic that all of them share, whatever the database
 * (driver.h). A plugin makes its store's operations of operations.h, and gives its instance as `self`.
 *
 * A session is one connection. A writing session keeps, for the length of a transaction, the rows of
 * the tasks and units that it has touched: operations change those in memory and each is written
 * back once, before COMMIT (rows.c). Hosts' rows are written at once, one statement each.
 *
 * Every function here returns 0 or a negative drover_code unless it says otherwise, and is called by
 * the one thread that uses the session.
 */
#ifndef SQLSTORE_H
#define SQLSTORE_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define uthash_fatal(message) abort()
#include <uthash.h>

#include <drover/sink.h>
#include <drover/store.h>

#include "sqlstore/driver.h"

struct driver; /* the plugin's own part of a session: its connection */

/* A prepared statement, found again by the address of its text. */
struct statement {
	const char *sql;
	struct sql_stmt *stmt;
	UT_hash_handle hh;
};

/* A task's row in a transaction: the members below `old_state` are written back. */
struct task_row {
	int64_t key;
	int64_t host_base, hosts;
	int64_t expires_at, timeout, fanout;
	int64_t waves, wave_pause;
	enum drover_threshold max_failed_as;
	int64_t max_failed;
	bool rerun_lost, has_key;
	bool has_home; /* else its units are published */
	bool dirty;    /* differs from its row */
	bool touched;  /* to be told by commit */
	bool counted;  /* some count changed */
	enum drover_task_state old_state;
	enum drover_task_state state;
	int64_t counts[DROVER_STATUS_COUNT], old_counts[DROVER_STATUS_COUNT];
	int64_t units_done;
	int64_t started_at, finished_at;
	int64_t wave, wave_units, wave_hosts; /* as in struct drover_task */
	int64_t wave_end;                     /* hosts of all open waves: the task's first */
	int64_t wave_base;                    /* bad hosts when the last of them was opened */
	int64_t next_wave_at;
	UT_hash_handle hh;
};

struct unit_key {
	int64_t task, unit;
};

/* A unit's row in a transaction. */
struct unit_row {
	struct unit_key key;
	struct task_row *task;
	int64_t first, count, wave;
	bool dirty;
	enum drover_unit_state state;
	int64_t attempt, incarnation;
	int64_t excused; /* of its attempts, those that do not count */
	int64_t seq;     /* as it was loaded */
	int64_t open;    /* its hosts that have no final status; 0 exactly when it is done */
	int64_t claimed_at, finished_at, deadline;
	int64_t publish_at, publications; /* schema.c of a driver has what they say */
	UT_hash_handle hh;
};

/* Numbers that only grow: the last ones given out. */
struct counters {
	bool loaded, dirty;
	int64_t task, host, seq;
};

/* A string that a commit's report lent out. */
struct lent_text {
	struct lent_text *next;
	char bytes[];
};

struct drover_session {
	void *store; /* the plugin's instance */
	struct driver *driver;
	enum drover_session_mode mode;
	struct statement *statements;

	/* Of the transaction. */
	bool in_transaction;
	struct task_row *tasks;
	struct unit_row *units;
	struct counters counters;
	int64_t first_seq; /* of what it gave out; 0: none */
	int64_t living;    /* the incarnation that was last seen to live; 0: none */

	/* Of a commit whose outcome is not known: the change numbers that it gave out. */
	int64_t doubt_first, doubt_last;

	/* Of the last commit's report. */
	struct lent_text *texts;
};

/* ------------------------------------------------------------------------------- session.c */

int session_open(void *self, enum drover_session_mode mode, struct drover_session **session, struct drover_error *err);
void session_close(struct drover_session *s);
/* Ends all statements that are kept, as before their connection goes. */
void session_forget_statements(struct drover_session *s);

/* A statement with integers for ?1, ?2, …; the session's until session_close, reset by its user. */
int session_prepare_(struct drover_session *s, const char *sql, const int64_t *values, size_t count,
		     struct sql_stmt **stmt, struct drover_error *err);
/* Runs such a statement to its end. `changed`, unless NULL, is told the number of changed rows. */
int session_run_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t *changed,
		 struct drover_error *err);
/* The first column of such a statement's first row; `fallback` when there is none or it is NULL. */
int session_number_(struct drover_session *s, const char *sql, const int64_t *values, size_t count, int64_t fallback,
		    int64_t *number, struct drover_error *err);

/* `sql` must be a string with static storage: its address is its name in the cache. */
#define SESSION_INTEGERS(...)                                                                                          \
	(const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)
#define session_prepare(s, sql, stmt, err, ...)                                                                        \
	session_prepare_((s), (sql), SESSION_INTEGERS(__VA_ARGS__), (stmt), (err))
#define session_run(s, sql, changed, err, ...) session_run_((s), (sql), SESSION_INTEGERS(__VA_ARGS__), (changed), (err))
#define session_number(s, sql, fallback, number, err, ...)                                                             \
	session_number_((s), (sql), SESSION_INTEGERS(__VA_ARGS__), (fallback), (number), (err))

/* -------------------------------------------------------------------------------- schema.c */

/* Brings the schema up to date (writing sessions), or checks that it is (reading ones). */
int schema_migrate(struct drover_session *s, struct drover_error *err);
int schema_check(struct drover_session *s, struct drover_error *err);
/* The database's, and whether this program may work with it. DROVER_EINVALID: it is something else. */
int schema_version(struct drover_session *s, int64_t *version, bool *usable, struct drover_error *err);

/* --------------------------------------------------------------------------- transaction.c */

int transaction_begin(struct drover_session *s, struct drover_error *err);
int transaction_commit(struct drover_session *s, drover_change_fn *change, void *context, struct drover_error *err);
void transaction_rollback(struct drover_session *s);

/*
 * From here on to the end of the transaction nobody else changes tasks, units and hosts, and what others have
 * committed is seen. The loading of a task and the taking of numbers say it by themselves. It also makes
 * change numbers visible in their order: who has read one has seen all that are lower.
 */
int transaction_serialise(struct drover_session *s, struct drover_error *err);

/* Before a query: writes what a transaction has changed in memory, so that it is seen. */
int transaction_flush(struct drover_session *s, struct drover_error *err);

/* Reserves `count` numbers and gives the first. */
int transaction_take_seq(struct drover_session *s, int64_t count, int64_t *first, struct drover_error *err);
int transaction_take_ids(struct drover_session *s, int64_t hosts, int64_t *task, int64_t *host_base,
			 struct drover_error *err);

/* Whether the incarnation lives. */
int transaction_lives(struct drover_session *s, int64_t incarnation, bool *lives, struct drover_error *err);

/* ---------------------------------------------------------------------------------- rows.c */

/* The rows, loaded at their first use; borrowed until they are forgotten. DROVER_ENOTFOUND. */
int rows_task(struct drover_session *s, int64_t key, struct task_row **task, struct drover_error *err);
int rows_unit(struct drover_session *s, int64_t task, int64_t unit, struct unit_row **out, struct drover_error *err);
/* Writes back those that were changed; a task whose hosts are all final gets its final state here. */
int rows_save(struct drover_session *s, struct drover_error *err);
/* Forgets all; or all units, after statements that changed many of them (to be saved before). */
void rows_forget(struct drover_session *s);
void rows_forget_units(struct drover_session *s);
void rows_forget_task(struct drover_session *s, struct task_row *task);

/* -------------------------------------------------------------------------------- states.c */

/* The transition tables: a move that they lack is a bug. */
void states_move_task(struct task_row *task, enum drover_task_state to, int64_t now);
void states_move_unit(struct unit_row *unit, enum drover_unit_state to, int64_t now);
/* `count` hosts went from one status to another; `unit` may be NULL where no unit is at hand. */
void states_move_hosts(struct task_row *task, struct unit_row *unit, enum drover_status from, enum drover_status to,
		       int64_t count, int64_t now);

/* ------------------------------------------------------------------------- the operations */

/* submit.c */
int submit_task(struct drover_session *s, int64_t incarnation, struct drover_task *task, struct drover_error *err);
int submit_hosts(struct drover_session *s, const struct drover_task *task, int64_t first,
		 const struct drover_host_spec *hosts, int64_t count, struct drover_error *err);
int submit_units(struct drover_session *s, const struct drover_task *task, int64_t first_unit,
		 const struct drover_unit_spec *units, int64_t count, struct drover_error *err);
int submit_accept(struct drover_session *s, int64_t task_key, struct drover_error *err);

/* claim.c */
int claim_units(struct drover_session *s, int64_t incarnation, struct drover_claim *claims, size_t count,
		struct drover_error *err);
int claim_intend(struct drover_session *s, struct drover_intent *intents, size_t count, struct drover_error *err);

/* thresholds.c */
/* So many more of the task's hosts may be running. */
int64_t thresholds_room(const struct task_row *task);
/* Whether an older task with the same concurrency key comes first. */
int thresholds_wait(struct drover_session *s, struct task_row *task, bool *wait, struct drover_error *err);
/* Aborts the task where its hosts exceed max_failed: call it after each that ended. Forgets all units then. */
int thresholds_check(struct drover_session *s, struct task_row *task, bool *aborted, struct drover_error *err);
/* The open waves have ended? Then the next has its time. */
void thresholds_settle(struct task_row *task, int64_t now);
/* The first wave is open; the task's units are there. */
int thresholds_open_first(struct drover_session *s, struct task_row *task, struct drover_error *err);
int thresholds_advance(struct drover_session *s, struct drover_advance *advance, struct drover_error *err);

/* results.c */
int results_write(struct drover_session *s, struct drover_result *results, size_t count, struct drover_error *err);

/* unit_end.c */
int unit_end(struct drover_session *s, struct drover_unit_end *end, struct drover_error *err);
int unit_end_sweep(struct drover_session *s, int max_attempts, int64_t limit, drover_unit_row_fn *unit, void *context,
		   bool *more, struct drover_error *err);

/* begun_before.c */
/*
 * Those of the task's pending hosts, or of its unit's where `unit` is not NULL, that were begun in an attempt which
 * brought no result end `lost`. `why`: what ends the others.
 */
int begun_before_lose(struct drover_session *s, struct task_row *task, struct unit_row *unit, const char *why,
		      int64_t ended_at, int64_t now, struct drover_error *err);
/* What is said of such a host. */
void begun_before_explain(char *text, size_t size, const char *why);

/* lifecycle.c */
int lifecycle_cancel(struct drover_session *s, int64_t task_key, const char *reason, struct drover_error *err);
/* A running task starts no further host and ends when those that run have ended. Forgets all units. */
int lifecycle_abort(struct drover_session *s, struct task_row *task, const char *reason, struct drover_error *err);
int lifecycle_expire(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err);

/* incarnations.c */
int incarnations_begin(struct drover_session *s, const char *node, const char *version, int64_t *incarnation,
		       struct drover_error *err);
int incarnations_renew(struct drover_session *s, struct drover_renewal *renewal, struct drover_error *err);
int incarnations_retire(struct drover_session *s, int64_t incarnation, struct drover_error *err);
int incarnations_query(struct drover_session *s, int64_t limit, drover_incarnation_fn *fn, void *context,
		       struct drover_error *err);
int incarnations_expel(struct drover_session *s, int64_t incarnation, int64_t renewed_at, bool *ended,
		       struct drover_error *err);
int incarnations_ask_drain(struct drover_session *s, const char *node, bool drain, struct drover_error *err);
int incarnations_nodes(struct drover_session *s, drover_incarnation_fn *fn, void *context, struct drover_error *err);

/* publishing.c */
int publishing_note(struct drover_session *s, const struct drover_publication *publications, size_t count,
		    struct drover_error *err);
int publishing_due(struct drover_session *s, const struct drover_due_filter *filter, drover_due_fn *fn, void *context,
		   struct drover_error *err);
int publishing_queued(struct drover_session *s, drover_queued_fn *fn, void *context, struct drover_error *err);
int publishing_envelopes(struct drover_session *s, int64_t task_key, int64_t first, int64_t limit,
			 int (*fn)(void *context, int64_t unit, struct drover_bytes envelope), void *context,
			 struct drover_error *err);

/* removal.c */
int removal_sweep_accepting(struct drover_session *s, int64_t limit, bool *more, struct drover_error *err);
int removal_abandon(struct drover_session *s, int64_t task_key, struct drover_error *err);
int removal_retain(struct drover_session *s, int64_t before, int64_t limit, bool *more, struct drover_error *err);

/* query_tasks.c */
int query_task(struct drover_session *s, const char *id, int64_t key, drover_task_fn *fn, void *context,
	       struct drover_error *err);
int query_tasks(struct drover_session *s, const struct drover_task_filter *filter, drover_task_fn *fn, void *context,
		struct drover_error *err);
int query_last_seq(struct drover_session *s, int64_t *seq, struct drover_error *err);
/* A row by key, whatever its state; its strings are copied into s->texts. */
int query_task_copy(struct drover_session *s, int64_t key, struct drover_task *task, struct drover_error *err);

/* query_units.c */
int query_units(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit, drover_unit_row_fn *fn,
		void *context, struct drover_error *err);
int query_ready_units(struct drover_session *s, int64_t task_key, int64_t after_unit, int64_t limit,
		      drover_unit_row_fn *fn, void *context, struct drover_error *err);
int query_unit_hosts(struct drover_session *s, int64_t task_key, int64_t unit,
		     int (*fn)(void *context, int64_t index, enum drover_status status,
			       const struct drover_host_spec *host),
		     void *context, struct drover_error *err);
int query_task_hosts(struct drover_session *s, int64_t task_key,
		     int (*fn)(void *context, int64_t index, enum drover_status status, enum drover_remote remote,
			       const struct drover_host_spec *host),
		     void *context, struct drover_error *err);
int query_verify(struct drover_session *s, int64_t task_key, struct drover_verification *verification,
		 struct drover_error *err);

/* query_results.c */
int query_results(struct drover_session *s, const struct drover_result_filter *filter, drover_result_fn *fn,
		  void *context, struct drover_error *err);

/* query_outputs.c */
int query_groups(struct drover_session *s, const struct drover_group_filter *filter, drover_group_fn *fn, void *context,
		 struct drover_error *err);
int query_output_part(struct drover_session *s, int64_t task_key, const char *host, int stream,
		      drover_output_want_fn *want, drover_output_fn *fn, void *context, struct drover_error *err);

#endif
