/* results_spool.c - see results_spool.h. */
#include "sched/results_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include <drover/crash_point.h>

#include "sched/results_batch.h"
#include "sched/results_file.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/worker.h"

struct work_list {
	struct result_batch *head, **tail;
};

struct results_spool {
	int folder;
	int64_t last_number; /* the thread's */
	struct worker worker;
	struct work_list todo, ready; /* under its lock */
	int event_fd;
	sd_event_source *source;
	results_spool_done_fn *done;
	void *context;
};

static void list_init(struct work_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void list_put(struct work_list *list, struct result_batch *batch)
{
	batch->next_work = NULL;
	*list->tail = batch;
	list->tail = &batch->next_work;
}

static struct result_batch *list_take(struct work_list *list)
{
	struct result_batch *batch = list->head;

	if (batch) {
		list->head = batch->next_work;
		if (!list->head)
			list->tail = &list->head;
	}
	return batch;
}

char *results_spool_folder(const char *state_dir)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/results", state_dir);
	return buf_take(&path);
}

/* ----------------------------------------------------------------------------------- the thread */

/* Nobody else frees the rows before there is a file, so they are read without the lock. */
static void write_batch(struct results_spool *spool, struct result_batch *batch)
{
	struct result_rows *rows = batch->rows;
	const struct results_content content = { .results = rows->results,
						 .ended_at = rows->ended_at,
						 .count = batch->count,
						 .ends = batch->ends,
						 .end_count = batch->end_count };
	int64_t number = spool->last_number + 1, size = 0;

	batch->spool_code = results_file_write(spool->folder, number, &content, &size, &batch->spool_err);
	if (batch->spool_code)
		return;
	spool->last_number = number;
	worker_lock(&spool->worker);
	batch->number = number;
	batch->size = size;
	if (batch->applying)
		rows = NULL;
	else
		batch->rows = NULL;
	worker_unlock(&spool->worker);
	result_rows_free(rows);
}

static void work(struct results_spool *spool, struct result_batch *batch)
{
	batch->spool_code = 0;
	switch (batch->work) {
	case SPOOL_WRITE:
		CRASH_POINT("spool.write");
		write_batch(spool, batch);
		CRASH_POINT("spool.written");
		break;
	case SPOOL_REMOVE:
		results_file_remove(spool->folder, batch->number);
		break;
	case SPOOL_SET_ASIDE:
		results_file_set_aside(spool->folder, batch->number, batch->job.err.message);
		break;
	}
}

static void spool_thread(void *context)
{
	struct results_spool *spool = context;
	struct result_batch *batch;
	uint64_t one = 1;

	worker_lock(&spool->worker);
	for (;;) {
		while (!spool->todo.head && worker_wait(&spool->worker, WORKER_FOREVER))
			;
		batch = list_take(&spool->todo);
		if (!batch)
			break;
		worker_unlock(&spool->worker);
		work(spool, batch);
		worker_lock(&spool->worker);
		list_put(&spool->ready, batch);
		while (write(spool->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	}
	worker_unlock(&spool->worker);
}

/* ------------------------------------------------------------------------------------- the loop */

static void take_ready(struct results_spool *spool)
{
	struct work_list ready;
	struct result_batch *batch;

	list_init(&ready);
	worker_lock(&spool->worker);
	while ((batch = list_take(&spool->ready)))
		list_put(&ready, batch);
	worker_unlock(&spool->worker);
	while ((batch = list_take(&ready)))
		spool->done(spool->context, batch);
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *context)
{
	uint64_t count;

	(void)source;
	(void)events;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	take_ready(context);
	return 0;
}

int results_spool_new(struct sd_event *event, const char *folder, struct results_spool **result,
		      struct drover_error *err)
{
	struct results_spool *spool;
	int fd = results_file_folder(folder, err), code;

	if (fd < 0)
		return fd;
	spool = xcalloc(1, sizeof(*spool));
	spool->folder = fd;
	spool->last_number = results_file_highest(fd);
	list_init(&spool->todo);
	list_init(&spool->ready);
	worker_init(&spool->worker);
	spool->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = spool->event_fd < 0 ? -errno
				   : sd_event_add_io(event, &spool->source, spool->event_fd, EPOLLIN, on_event, spool);
	code = code < 0
		       ? drover_error_set(err, DROVER_EFAULT, "cannot hear of the results' thread: %s", strerror(-code))
		       : worker_start(&spool->worker, "results", spool_thread, spool, err);
	if (code) {
		sd_event_source_unref(spool->source);
		if (spool->event_fd >= 0)
			close(spool->event_fd);
		close(fd);
		worker_dispose(&spool->worker);
		free(spool);
		return code;
	}
	*result = spool;
	return 0;
}

void results_spool_free(struct results_spool *spool)
{
	if (!spool)
		return;
	worker_stop(&spool->worker);
	take_ready(spool);
	sd_event_source_unref(spool->source);
	worker_dispose(&spool->worker);
	close(spool->event_fd);
	close(spool->folder);
	free(spool);
}

void results_spool_listen(struct results_spool *spool, results_spool_done_fn *done, void *context)
{
	spool->done = done;
	spool->context = context;
}

void results_spool_put(struct results_spool *spool, struct result_batch *batch)
{
	if (!spool->worker.runs) { /* the thread has ended: what follows from its last work */
		work(spool, batch);
		spool->done(spool->context, batch);
		return;
	}
	worker_lock(&spool->worker);
	list_put(&spool->todo, batch);
	worker_wake(&spool->worker);
	worker_unlock(&spool->worker);
}

/* ------------------------------------------------------------------------ the writer's thread */

struct drover_result *results_spool_enter(struct results_spool *spool, struct result_batch *batch,
					  struct results_file *file, int *code, struct drover_error *err)
{
	struct result_rows *rows;
	int64_t number, now;

	*file = (struct results_file){ .results = NULL };
	worker_lock(&spool->worker);
	rows = batch->rows;
	batch->applying = rows != NULL;
	number = batch->number;
	worker_unlock(&spool->worker);
	*code = 0;
	if (rows) {
		now = clock_utc_ms();
		for (size_t i = 0; i < batch->count; i++)
			rows->results[i].age = rows->ended_at[i] < now ? now - rows->ended_at[i] : 0;
		return rows->results;
	}
	*code = results_file_read(spool->folder, number, file, err);
	if (!*code && (file->count != batch->count || file->end_count != batch->end_count))
		*code = drover_error_set(err, DROVER_EINVALID, "it has not the results that were written");
	return *code ? NULL : file->results;
}

void results_spool_leave(struct results_spool *spool, struct result_batch *batch, struct results_file *file)
{
	struct result_rows *rows = NULL;

	worker_lock(&spool->worker);
	if (batch->applying && batch->number) { /* it got its file meanwhile */
		rows = batch->rows;
		batch->rows = NULL;
	}
	batch->applying = false;
	worker_unlock(&spool->worker);
	result_rows_free(rows);
	results_file_dispose(file);
}

/* ----------------------------------------------------------------------------------- at the start */

static int apply(const struct drover_store_ops *ops, struct drover_session *session, struct drover_result *results,
		 size_t count, struct drover_unit_end *ends, size_t end_count, struct drover_error *err)
{
	int code = ops->begin(session, err);

	if (!code && count)
		code = ops->results(session, results, count, err);
	for (size_t i = 0; i < end_count && !code; i++)
		code = ops->end_unit(session, &ends[i], err);
	if (!code)
		code = ops->commit(session, NULL, NULL, err);
	if (code)
		ops->rollback(session);
	return code;
}

/* What the store may take at another time, so that it is worth waiting for. */
static bool is_passing(int code)
{
	return code == DROVER_ERETRY || code == DROVER_ENOMEM || code == DROVER_EDENIED;
}

struct recovered {
	size_t files, results[DROVER_FOREIGN + 1], ends, held;
};

/* An end that the store does not take, takes no result and no other end with it. */
static int apply_apart(const struct drover_store_ops *ops, struct drover_session *session, struct results_file *file,
		       struct drover_error *err)
{
	int code = file->count ? apply(ops, session, file->results, file->count, NULL, 0, err) : 0;

	for (size_t i = 0; i < file->end_count && !code; i++) {
		code = apply(ops, session, NULL, 0, &file->ends[i], 1, err);
		if (!code || is_passing(code))
			continue;
		log_error("cannot store the end of task %lld unit %lld: %s", (long long)file->ends[i].task_key,
			  (long long)file->ends[i].unit, err->message);
		code = 0;
	}
	return code;
}

static int recover_file(int folder, int64_t number, const struct drover_store_ops *ops, struct drover_session *session,
			struct recovered *counts, struct drover_error *err)
{
	struct results_file file;
	int code = results_file_read(folder, number, &file, err);

	if (!code)
		code = apply(ops, session, file.results, file.count, file.ends, file.end_count, err);
	if (code && !is_passing(code) && file.end_count)
		code = apply_apart(ops, session, &file, err);
	for (size_t i = 0; i < file.count && !code; i++)
		counts->results[file.results[i].outcome]++;
	for (size_t i = 0; i < file.end_count && !code; i++) {
		counts->ends++;
		counts->held += file.ends[i].held;
	}
	results_file_dispose(&file);
	if (!code)
		results_file_remove(folder, number);
	else if (is_passing(code))
		return code;
	else
		results_file_set_aside(folder, number, err->message);
	return 0;
}

int results_spool_recover(const char *path, const struct drover_store_ops *ops, struct drover_session *session,
			  struct drover_error *err)
{
	struct recovered counts = { .files = 0 };
	int folder = results_file_folder(path, err), code = 0;
	int64_t number = 0;

	if (folder < 0)
		return folder;
	while (!code && (number = results_file_next(folder, number))) {
		code = recover_file(folder, number, ops, session, &counts, err);
		counts.files++;
	}
	if (counts.files && !code)
		log_info(
			"stored what an earlier life of this node could not: %zu results, and %zu for units that were "
			"taken over, %zu that were there already, %zu for hosts that are not there; %zu ends of units, "
			"and %zu of units that were taken over (%zu files)",
			counts.results[DROVER_WRITTEN], counts.results[DROVER_LATE], counts.results[DROVER_REPEATED],
			counts.results[DROVER_FOREIGN], counts.held, counts.ends - counts.held, counts.files);
	close(folder);
	return code;
}

bool results_spool_waits(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool waits = folder >= 0 && results_file_next(folder, 0);

	if (folder >= 0)
		close(folder);
	return waits;
}
