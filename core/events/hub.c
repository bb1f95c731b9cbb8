/* hub.c - see hub.h. */
#define _GNU_SOURCE /* pthread_setname_np */
#include "events/hub.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "events/event_json.h"
#include "events/feed.h"
#include "spool/event.h"
#include "spool/spool.h"
#include "util/buf.h"
#include "util/log.h"

#define ROUND_MS 20    /* between two readings of the feed */
#define BEHIND_MS 1000 /* … for a sink whose spool is full */
#define UNIT_NOTES 4096

struct hub_sink {
	char *name;
	struct spool_writer *spool;
	int64_t seq; /* appended up to here */
	bool full;
	int fd; /* to its process, -1: none; under lock */
};

struct subscriber {
	struct subscriber *next;
	char *task; /* NULL: all */
	unsigned kinds;
	drover_subscriber_fn *fn;
	void *context;
};

struct unit_note {
	char *task;
	int64_t unit;
	const char *state;
	int attempt;
};

struct hub {
	struct hub_options options;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	int64_t committed; /* highest seq */
	struct unit_note *notes;
	size_t note_count;
	struct hub_sink *sinks;
	size_t sink_count;
	/* Held while subscribers are called; never together with `lock`. */
	pthread_mutex_t subscribers_lock;
	struct subscriber *subscribers;
	atomic_int subscriber_count; /* for those that must not wait for the lock */
	int64_t told;                /* subscribers have had the feed up to here; under subscribers_lock */
};

int hub_new(const struct hub_options *options, struct hub **hub, struct drover_error *err)
{
	struct hub *h = xcalloc(1, sizeof(*h));
	struct drover_session *session;
	int code;

	h->options = *options;
	pthread_mutex_init(&h->lock, NULL);
	pthread_mutex_init(&h->subscribers_lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	code = readers_take(options->readers, &session, err);
	if (!code) {
		code = options->ops->last_seq(session, &h->committed, err);
		readers_give(options->readers, session, code != 0);
	}
	h->told = h->committed;
	if (code) {
		free(h);
		h = NULL;
	}
	*hub = h;
	return code;
}

int hub_add_sink(struct hub *h, const char *name, const char *folder, int64_t limit, struct drover_error *err)
{
	struct hub_sink *sink;
	struct spool_writer *spool;
	int64_t segment = limit / 8 > 8 << 20 ? 8 << 20 : limit / 8;
	int code = spool_writer_open(folder, limit, segment, &spool, err);

	if (code)
		return code;
	h->sinks = xrealloc(h->sinks, (h->sink_count + 1) * sizeof(*h->sinks));
	sink = &h->sinks[h->sink_count++];
	*sink = (struct hub_sink){ .name = xstrdup(name), .spool = spool, .fd = -1 };
	sink->seq = spool_last_seq(spool);
	/* A sink that was never there before begins with what happens from now on. */
	if (!sink->seq)
		sink->seq = h->committed;
	return 0;
}

/* ------------------------------------------------------------------------------------ sinks */

struct append_context {
	struct hub_sink *sink;
	struct buf record;
	size_t appended;
	struct drover_error err;
};

static int append_event(void *context, const struct drover_event *event)
{
	struct append_context *a = context;
	int code;

	a->record.size = 0;
	event_encode(event, &a->record);
	code = spool_append(a->sink->spool, event->seq, a->record.data, a->record.size, &a->err);
	if (!code)
		a->appended++;
	return code;
}

static void wake_sink(struct hub *h, struct hub_sink *sink)
{
	ssize_t n;

	pthread_mutex_lock(&h->lock);
	if (sink->fd >= 0) {
		n = send(sink->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN) {
			close(sink->fd);
			sink->fd = -1;
		}
	}
	pthread_mutex_unlock(&h->lock);
}

static int feed_sink(struct hub *h, struct hub_sink *sink, struct drover_session *session)
{
	struct append_context a = { .sink = sink, .record = BUF_INIT };
	struct drover_error err = { 0 };
	bool was_full = sink->full;
	int code;

	do
		code = feed_read(h->options.ops, session, FEED_ALL, &sink->seq, append_event, &a, &err);
	while (code == 1);
	sink->full = code == DROVER_ELIMIT;
	if (sink->full && !was_full)
		log_warning(
			"the spool of sink %s is full; it is filled again from the store when the sink has caught up",
			sink->name);
	else if (code < 0 && !sink->full)
		log_error("cannot feed sink %s: %s", sink->name, a.err.code ? a.err.message : err.message);
	if (a.appended && spool_flush(sink->spool, &a.err))
		log_error("cannot write the spool of sink %s: %s", sink->name, a.err.message);
	if (a.appended)
		wake_sink(h, sink);
	buf_dispose(&a.record);
	return code;
}

void hub_sink_up(struct hub *h, const char *name, int fd)
{
	bool found = false;

	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->sink_count; i++) {
		if (strcmp(h->sinks[i].name, name))
			continue;
		if (h->sinks[i].fd >= 0)
			close(h->sinks[i].fd);
		h->sinks[i].fd = fd;
		found = true;
		/* What was appended before its process listened. A full socket says it, too. */
		if (send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
			log_warning("cannot wake sink %s: %s", name, strerror(errno));
	}
	pthread_mutex_unlock(&h->lock);
	if (!found)
		close(fd);
	else
		(void)!send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL); /* events may have come while it had no link */
}

/* ------------------------------------------------------------------------------ subscribers */

static int tell_event(void *context, const struct drover_event *event)
{
	struct hub *h = context;

	for (struct subscriber *s = h->subscribers; s; s = s->next)
		if ((s->kinds >> event->kind & 1) && (!s->task || !strcmp(s->task, event->task)))
			s->fn(s->context, event);
	return 0;
}

static void tell_notes(struct hub *h, struct unit_note *notes, size_t count)
{
	struct buf json = BUF_INIT;

	for (size_t i = 0; i < count; i++) {
		json.size = 0;
		event_json_unit(notes[i].task, notes[i].unit, notes[i].state, notes[i].attempt, h->options.node, &json);
		tell_event(h, &(struct drover_event){ .size = sizeof(struct drover_event),
						      .kind = DROVER_EVENT_UNIT,
						      .task = notes[i].task,
						      .json = json.data,
						      .json_size = json.size });
		free(notes[i].task);
	}
	free(notes);
	buf_dispose(&json);
}

static int feed_subscribers(struct hub *h, struct drover_session *session, struct unit_note *notes, size_t count,
			    int64_t committed)
{
	struct drover_error err = { 0 };
	unsigned kinds = 0;
	int code = 0;

	pthread_mutex_lock(&h->subscribers_lock);
	for (const struct subscriber *s = h->subscribers; s; s = s->next)
		kinds |= s->kinds;
	tell_notes(h, notes, count);
	if (!h->subscribers) {
		if (h->told < committed)
			h->told = committed;
	} else {
		do
			code = feed_read(h->options.ops, session, kinds, &h->told, tell_event, h, &err);
		while (code == 1);
	}
	pthread_mutex_unlock(&h->subscribers_lock);
	if (code)
		log_error("cannot read what changed: %s", err.message);
	return code;
}

int hub_subscribe(struct hub *h, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *context,
		  void **subscription, struct drover_error *err)
{
	struct subscriber *s = xcalloc(1, sizeof(*s));

	(void)err;
	s->task = xstrdup(task);
	s->kinds = kinds;
	s->fn = fn;
	s->context = context;
	pthread_mutex_lock(&h->subscribers_lock);
	s->next = h->subscribers;
	h->subscribers = s;
	atomic_fetch_add(&h->subscriber_count, 1);
	pthread_mutex_unlock(&h->subscribers_lock);
	*subscription = s;
	return 0;
}

void hub_unsubscribe(struct hub *h, void *subscription)
{
	struct subscriber *s = subscription;

	pthread_mutex_lock(&h->subscribers_lock);
	for (struct subscriber **at = &h->subscribers; *at; at = &(*at)->next) {
		if (*at != s)
			continue;
		*at = s->next;
		atomic_fetch_sub(&h->subscriber_count, 1);
		break;
	}
	pthread_mutex_unlock(&h->subscribers_lock);
	free(s->task);
	free(s);
}

/* ----------------------------------------------------------------------------------- thread */

void hub_committed(struct hub *h, int64_t seq)
{
	pthread_mutex_lock(&h->lock);
	if (seq > h->committed)
		h->committed = seq;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

void hub_unit(struct hub *h, const char *task, int64_t unit, const char *state, int attempt)
{
	if (!atomic_load(&h->subscriber_count))
		return;
	pthread_mutex_lock(&h->lock);
	if (h->note_count < UNIT_NOTES) {
		h->notes = xrealloc(h->notes, (h->note_count + 1) * sizeof(*h->notes));
		h->notes[h->note_count++] = (struct unit_note){ xstrdup(task), unit, state, attempt };
	}
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
}

/* Waits for a commit past `seen` or a note. False: the end. */
static bool wait_for_news(struct hub *h, int64_t *seen, bool behind, struct unit_note **notes, size_t *count)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += BEHIND_MS / 1000;
	pthread_mutex_lock(&h->lock);
	while (!h->stop && h->committed == *seen && !h->note_count)
		if (!behind)
			pthread_cond_wait(&h->wake, &h->lock);
		else if (pthread_cond_timedwait(&h->wake, &h->lock, &until) == ETIMEDOUT)
			break;
	*seen = h->committed;
	*notes = h->notes;
	*count = h->note_count;
	h->notes = NULL;
	h->note_count = 0;
	stop = h->stop;
	pthread_mutex_unlock(&h->lock);
	return !stop;
}

static bool one_round(struct hub *h, struct unit_note *notes, size_t count, int64_t committed)
{
	struct drover_session *session;
	struct drover_error err = { 0 };
	bool behind = false, broken = false;

	if (readers_take(h->options.readers, &session, &err)) {
		log_error("cannot read what changed: %s", err.message);
		for (size_t i = 0; i < count; i++)
			free(notes[i].task);
		free(notes);
		return true;
	}
	broken = feed_subscribers(h, session, notes, count, committed) != 0;
	for (size_t i = 0; i < h->sink_count && !broken; i++) {
		int code = feed_sink(h, &h->sinks[i], session);

		behind = behind || code;
		broken = code && code != DROVER_ELIMIT;
	}
	readers_give(h->options.readers, session, broken);
	return behind || broken;
}

static void *hub_thread(void *arg)
{
	struct hub *h = arg;
	struct unit_note *notes;
	size_t count;
	int64_t seen = -1; /* so that sinks get at once what they missed while nothing ran */
	bool behind = false, more;

	pthread_setname_np(pthread_self(), "events");
	do {
		struct timespec pause = { .tv_nsec = ROUND_MS * 1000000 };

		more = wait_for_news(h, &seen, behind, &notes, &count);
		/* At the end, once more: what was committed last is still told. */
		behind = one_round(h, notes, count, seen);
		if (more)
			nanosleep(&pause, NULL);
	} while (more);
	return NULL;
}

int hub_start(struct hub *h, struct drover_error *err)
{
	int code = pthread_create(&h->thread, NULL, hub_thread, h);

	if (code)
		return drover_error_set(err, DROVER_EFAULT, "cannot start the events' thread: %s", strerror(code));
	h->started = true;
	return 0;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	if (h->started)
		pthread_join(h->thread, NULL);
	for (size_t i = 0; i < h->sink_count; i++) {
		spool_writer_close(h->sinks[i].spool);
		if (h->sinks[i].fd >= 0)
			close(h->sinks[i].fd);
		free(h->sinks[i].name);
	}
	free(h->sinks);
	pthread_mutex_destroy(&h->lock);
	pthread_mutex_destroy(&h->subscribers_lock);
	pthread_cond_destroy(&h->wake);
	free(h);
}
