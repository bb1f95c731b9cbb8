/* writer.c - see writer.h. */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "store/writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include <drover/crash_point.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/histogram.h"
#include "util/log.h"
#include "util/worker.h"

#define RETRY_MIN 50
#define RETRY_MAX 2000

struct job_list {
	struct job *head, **tail;
};

enum drop_which { DROP_ONE, DROP_IMPATIENT, DROP_ALL };

struct writer {
	const struct drover_store_ops *ops;
	struct drover_session *session;
	struct writer_options options;
	struct worker worker; /* its lock is of the following */
	struct job_list queue;
	size_t urgent;            /* jobs of the queue that are not idle */
	struct job_list finished; /* for the loop */

	atomic_bool store_ok;
	atomic_llong begun_at; /* CLOCK_BOOTTIME ms, of the transaction under way; 0: none */
	atomic_llong backlog;
	atomic_llong errors;
	struct histogram latency;
	int event_fd;
	sd_event_source *source;
};

/* A waiting thread's own job wrapper data: the writer signals `finished`. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool finished;
};

static void list_init(struct job_list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void list_put(struct job_list *list, struct job *job)
{
	job->next = NULL;
	*list->tail = job;
	list->tail = &job->next;
}

static struct job *list_take(struct job_list *list)
{
	struct job *job = list->head;

	if (job) {
		list->head = job->next;
		if (!list->head)
			list->tail = &list->head;
	}
	return job;
}

static void pause_ms(int64_t ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		;
}

/* Moves what still fits from the queue into the group. Under the lock. */
static void fill_group(struct writer *w, struct job_list *group, int64_t *weight)
{
	while (w->queue.head && (!group->head || *weight + w->queue.head->weight <= w->options.group_weight)) {
		*weight += w->queue.head->weight;
		w->urgent -= !w->queue.head->idle;
		list_put(group, list_take(&w->queue));
	}
}

/* Idle jobs wait for others, so that many share a commit when they come one by one. Under the lock. */
static void await_more(struct writer *w)
{
	int64_t until = clock_boot_ms() + w->options.idle_wait;

	while (!w->urgent && atomic_load(&w->backlog) < w->options.group_weight && worker_wait(&w->worker, until))
		;
}

/* Waits for something to come and takes what fits into one transaction. False: it is time to end. */
static bool take_group(struct writer *w, struct job_list *group, int64_t last_commit)
{
	int64_t weight = 0, early;
	bool stop;

	list_init(group);
	worker_lock(&w->worker);
	while (!w->queue.head && worker_wait(&w->worker, WORKER_FOREVER))
		;
	await_more(w);
	fill_group(w, group, &weight);
	stop = w->worker.stop;
	worker_unlock(&w->worker);
	early = last_commit + w->options.interval - clock_boot_ms();
	if (early > 0 && group->head && !stop) {
		/* What comes in meanwhile would cost a commit of its own: it joins. */
		pause_ms(early);
		worker_lock(&w->worker);
		fill_group(w, group, &weight);
		worker_unlock(&w->worker);
	}
	return group->head != NULL;
}

/* One try at the whole group. 0: committed. Else `*culprit` is the job that failed, or NULL: the commit. */
static int try_transaction(struct writer *w, const struct job_list *group, struct job **culprit,
			   struct drover_error *err)
{
	int64_t begun = clock_boot_us();
	int code;

	CRASH_POINT("writer.begin");
	code = w->ops->begin(w->session, err);

	*culprit = NULL;
	if (code) {
		atomic_fetch_add(&w->errors, 1);
		return code;
	}
	for (struct job *job = group->head; job && !code; job = job->next) {
		code = job->run(job, w->ops, w->session, err);
		if (code)
			*culprit = job;
	}
	CRASH_POINT("writer.commit");
	if (!code)
		code = w->ops->commit(w->session, w->options.change, w->options.context, err);
	CRASH_POINT("writer.committed");
	if (code) {
		w->ops->rollback(w->session);
		atomic_fetch_add(&w->errors, !*culprit || code == DROVER_ERETRY);
	} else {
		histogram_add(&w->latency, clock_boot_us() - begun);
	}
	return code;
}

static int try_group(struct writer *w, const struct job_list *group, struct job **culprit, struct drover_error *err)
{
	int code;

	atomic_store(&w->begun_at, clock_boot_ms());
	code = try_transaction(w, group, culprit, err);
	atomic_store(&w->begun_at, 0);
	return code;
}

void writer_post(struct writer *w, struct job *job)
{
	uint64_t one = 1;

	worker_lock(&w->worker);
	list_put(&w->finished, job);
	worker_unlock(&w->worker);
	while (write(w->event_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void finish(struct writer *w, struct job *job, int code, const struct drover_error *err)
{
	atomic_fetch_sub(&w->backlog, job->weight);
	job->code = code;
	if (err && code)
		job->err = *err;
	if (job->on_loop)
		writer_post(w, job);
	else
		job->done(job, code, &job->err);
}

/* Ends one job of the list, all impatient ones, or all. */
static void drop_jobs(struct writer *w, struct job_list *group, const struct job *only, enum drop_which which, int code,
		      const struct drover_error *err)
{
	struct job_list rest;
	struct job *job;

	list_init(&rest);
	while ((job = list_take(group))) {
		if (job == only || which == DROP_ALL || (which == DROP_IMPATIENT && job->impatient))
			finish(w, job, code, err);
		else
			list_put(&rest, job);
	}
	list_init(group);
	while ((job = list_take(&rest)))
		list_put(group, job);
}

/* Those that wait for their turn are not told later than those that had it. */
static void drop_queued(struct writer *w, enum drop_which which, const struct drover_error *err)
{
	struct job_list queued;
	struct job *job;

	list_init(&queued);
	worker_lock(&w->worker);
	while ((job = list_take(&w->queue)))
		list_put(&queued, job);
	w->urgent = 0;
	worker_unlock(&w->worker);
	drop_jobs(w, &queued, NULL, which, DROVER_ERETRY, err);
	worker_lock(&w->worker);
	while ((job = list_take(&w->queue))) /* what came meanwhile comes after them */
		list_put(&queued, job);
	while ((job = list_take(&queued))) {
		w->urgent += !job->idle;
		list_put(&w->queue, job);
	}
	worker_unlock(&w->worker);
}

static bool stopping(struct writer *w)
{
	bool stop;

	worker_lock(&w->worker);
	stop = w->worker.stop;
	worker_unlock(&w->worker);
	return stop;
}

/* The store is away: tell once, give up what may be given up, wait a little longer each time. */
static int64_t store_away(struct writer *w, struct job_list *group, int64_t delay, const struct drover_error *err)
{
	bool stop = stopping(w);

	if (atomic_exchange(&w->store_ok, false))
		log_error("cannot write to the store: %s; trying again", err->message);
	if (stop)
		log_error("ended while the store was away; what was not stored is found at the next start");
	drop_jobs(w, group, NULL, stop ? DROP_ALL : DROP_IMPATIENT, DROVER_ERETRY, err);
	drop_queued(w, stop ? DROP_ALL : DROP_IMPATIENT, err);
	if (stop)
		return delay;
	pause_ms(delay);
	return delay * 2 > RETRY_MAX ? RETRY_MAX : delay * 2;
}

static void run_group(struct writer *w, struct job_list *group)
{
	int64_t delay = RETRY_MIN;

	while (group->head) {
		struct drover_error err = { 0 };
		struct job *culprit;
		int code = try_group(w, group, &culprit, &err);

		if (!code) {
			if (!atomic_exchange(&w->store_ok, true))
				log_info("the store is back");
			while (group->head)
				finish(w, list_take(group), 0, NULL);
			CRASH_POINT("writer.done");
		} else if (code == DROVER_ERETRY || !culprit) {
			delay = store_away(w, group, delay, &err);
		} else {
			drop_jobs(w, group, culprit, DROP_ONE, code, &err);
		}
	}
}

static void writer_thread(void *context)
{
	struct writer *w = context;
	struct job_list group;
	int64_t last = 0;

	while (take_group(w, &group, last)) {
		last = clock_boot_ms();
		run_group(w, &group);
	}
}

static void finish_on_loop(struct writer *w)
{
	struct job_list jobs;
	struct job *job;

	list_init(&jobs);
	worker_lock(&w->worker);
	while ((job = list_take(&w->finished)))
		list_put(&jobs, job);
	worker_unlock(&w->worker);
	while ((job = list_take(&jobs)))
		job->done(job, job->code, &job->err);
}

static int on_event(sd_event_source *source, int fd, uint32_t events, void *context)
{
	uint64_t count;

	(void)source;
	(void)events;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	finish_on_loop(context);
	return 0;
}

int writer_new(struct sd_event *event, const struct drover_store_ops *ops, struct drover_session *session,
	       const struct writer_options *options, struct writer **writer, struct drover_error *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	int code;

	w->ops = ops;
	w->session = session;
	w->options = *options;
	list_init(&w->queue);
	list_init(&w->finished);
	worker_init(&w->worker);
	atomic_init(&w->store_ok, true);
	atomic_init(&w->backlog, 0);
	w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = w->event_fd < 0 ? -errno : sd_event_add_io(event, &w->source, w->event_fd, EPOLLIN, on_event, w);
	if (code < 0)
		code = drover_error_set(err, DROVER_EFAULT, "cannot hear of the store's thread: %s", strerror(-code));
	else
		code = worker_start(&w->worker, "store", writer_thread, w, err);
	if (code)
		writer_free(w);
	else
		*writer = w;
	return code;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	worker_stop(&w->worker);
	finish_on_loop(w);
	sd_event_source_unref(w->source);
	if (w->event_fd >= 0)
		close(w->event_fd);
	worker_dispose(&w->worker);
	free(w);
}

void writer_put(struct writer *w, struct job *job)
{
	atomic_fetch_add(&w->backlog, job->weight);
	worker_lock(&w->worker);
	/* For one more idle job nobody need be woken. */
	if (!job->idle || !w->queue.head || atomic_load(&w->backlog) >= w->options.group_weight)
		worker_wake(&w->worker);
	list_put(&w->queue, job);
	w->urgent += !job->idle;
	worker_unlock(&w->worker);
}

struct waiting_job {
	struct job job;
	struct job *inner;
	struct waiter waiter;
};

static int run_inner(struct job *job, const struct drover_store_ops *ops, struct drover_session *session,
		     struct drover_error *err)
{
	struct waiting_job *waiting = (struct waiting_job *)job;

	return waiting->inner->run(waiting->inner, ops, session, err);
}

static void wake_waiter(struct job *job, int code, const struct drover_error *err)
{
	struct waiting_job *waiting = (struct waiting_job *)job;

	(void)code;
	(void)err;
	pthread_mutex_lock(&waiting->waiter.lock);
	waiting->waiter.finished = true;
	pthread_cond_signal(&waiting->waiter.cond);
	pthread_mutex_unlock(&waiting->waiter.lock);
}

/* Takes it out of the queue, if it is still there. */
static bool withdraw(struct writer *w, struct job *wanted)
{
	struct job **at;
	bool found;

	worker_lock(&w->worker);
	for (at = &w->queue.head; *at && *at != wanted; at = &(*at)->next)
		;
	found = *at != NULL;
	if (found) {
		*at = wanted->next;
		if (w->queue.tail == &wanted->next)
			w->queue.tail = at;
		w->urgent -= !wanted->idle;
		atomic_fetch_sub(&w->backlog, wanted->weight);
	}
	worker_unlock(&w->worker);
	return found;
}

/* False: the time has passed. */
static bool await_end(struct waiter *waiter, int64_t patience)
{
	struct timespec until = clock_monotonic_in((patience / 1000 + 1) * 1000); /* never early */
	int code = 0;

	pthread_mutex_lock(&waiter->lock);
	while (!waiter->finished && code != ETIMEDOUT)
		code = patience ? pthread_cond_clockwait(&waiter->cond, &waiter->lock, CLOCK_MONOTONIC, &until)
				: pthread_cond_wait(&waiter->cond, &waiter->lock);
	pthread_mutex_unlock(&waiter->lock);
	return code != ETIMEDOUT;
}

int writer_wait(struct writer *w, struct job *job, struct drover_error *err)
{
	struct waiting_job waiting = {
		.job = { .run = run_inner, .done = wake_waiter, .weight = job->weight, .impatient = job->impatient },
		.inner = job,
		.waiter = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false },
	};

	writer_put(w, &waiting.job);
	if (!await_end(&waiting.waiter, job->impatient ? w->options.patience : 0)) {
		if (withdraw(w, &waiting.job))
			return drover_error_set(err, DROVER_ERETRY, "the store has not answered for %lld s",
						(long long)w->options.patience / 1000 + 1);
		await_end(&waiting.waiter, 0);
	}
	if (waiting.job.code && err)
		*err = waiting.job.err;
	return waiting.job.code;
}

bool writer_store_ok(const struct writer *w)
{
	int64_t begun = atomic_load(&w->begun_at);

	return atomic_load(&w->store_ok) &&
	       (!begun || !w->options.patience || clock_boot_ms() - begun <= w->options.patience);
}

struct histogram *writer_latency(struct writer *w)
{
	return &w->latency;
}

int64_t writer_errors(const struct writer *w)
{
	return atomic_load(&w->errors);
}

int64_t writer_backlog(const struct writer *w)
{
	return atomic_load(&w->backlog);
}
