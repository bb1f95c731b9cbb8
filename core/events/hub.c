/* hub.c - see hub.h. */
#include "events/hub.h"

#include <stdlib.h>

#include "events/event_json.h"
#include "events/shown.h"
#include "events/sinks.h"
#include "events/subscribers.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/worker.h"

#define ROUND_MS 20    /* between two readings of the feed */
#define BEHIND_MS 1000 /* … for a sink whose spool is full */
#define UNIT_NOTES 4096

struct unit_note {
	char *task;
	int64_t unit;
	const char *state;
	int attempt;
};

/* What has happened since the hub's thread last looked. */
struct news {
	int64_t committed; /* highest seq */
	struct unit_note *notes;
	size_t note_count;
};

struct hub {
	struct hub_options options;
	struct sinks sinks;
	struct subscribers subscribers;
	struct worker worker; /* its lock is of the following */
	struct news news;
	struct shown shown;
};

int hub_new(const struct hub_options *options, struct hub **hub, struct drover_error *err)
{
	struct drover_session *session;
	int64_t seq = 0;
	struct hub *h;
	int code = readers_take(options->readers, &session, err);

	if (code)
		return code;
	code = options->ops->last_seq(session, &seq, err);
	readers_give(options->readers, session, code != 0);
	if (code)
		return code;
	h = xcalloc(1, sizeof(*h));
	h->options = *options;
	h->news.committed = seq;
	sinks_init(&h->sinks);
	subscribers_init(&h->subscribers, seq);
	worker_init(&h->worker);
	*hub = h;
	return 0;
}

int hub_add_sink(struct hub *h, const char *name, const char *folder, int64_t limit, unsigned kinds,
		 struct drover_error *err)
{
	return sinks_add(&h->sinks, name, folder, limit, kinds, h->news.committed, err);
}

int hub_audit(struct hub *h, const struct drover_audit *line, struct drover_error *err)
{
	return sinks_audit(&h->sinks, line, h->options.node, err);
}

void hub_sink_up(struct hub *h, const char *name, int fd)
{
	sinks_up(&h->sinks, name, fd);
}

int hub_subscribe(struct hub *h, const char *task, unsigned kinds, drover_subscriber_fn *fn, void *context,
		  void **subscription, struct drover_error *err)
{
	(void)err;
	*subscription = subscribers_add(&h->subscribers, task, kinds, fn, context);
	if (subscribers_watches(*subscription) && h->options.watch)
		h->options.watch(h->options.context, task, true);
	return 0;
}

void hub_unsubscribe(struct hub *h, void *subscription)
{
	const char *watches = subscribers_watches(subscription);
	char *task = xstrdup(watches);

	subscribers_remove(&h->subscribers, subscription);
	if (task && h->options.watch)
		h->options.watch(h->options.context, task, false);
	free(task);
}

size_t hub_sinks(struct hub *h, struct hub_sink *sinks, size_t room)
{
	size_t count = h->sinks.count < room ? h->sinks.count : room;

	for (size_t i = 0; i < count; i++)
		sinks[i].name = sinks_look(&h->sinks, i, &sinks[i].bytes, &sinks[i].full);
	return count;
}

int64_t hub_subscribers(struct hub *h)
{
	return (int64_t)atomic_load(&h->subscribers.count);
}

void hub_committed(struct hub *h, int64_t seq)
{
	worker_lock(&h->worker);
	if (seq > h->news.committed)
		h->news.committed = seq;
	worker_wake(&h->worker);
	worker_unlock(&h->worker);
}

void hub_unit(struct hub *h, const char *task, int64_t unit, const char *state, int attempt)
{
	struct news *news = &h->news;

	if (!atomic_load(&h->subscribers.count))
		return;
	worker_lock(&h->worker);
	if (news->note_count < UNIT_NOTES) {
		news->notes = xrealloc(news->notes, (news->note_count + 1) * sizeof(*news->notes));
		news->notes[news->note_count++] = (struct unit_note){ xstrdup(task), unit, state, attempt };
	}
	worker_wake(&h->worker);
	worker_unlock(&h->worker);
}

void hub_output(struct hub *h, const char *task, const char *host, int stream, int64_t offset, const void *data,
		size_t size)
{
	worker_lock(&h->worker);
	shown_add(&h->shown, task, host, stream, offset, data, size);
	worker_wake(&h->worker);
	worker_unlock(&h->worker);
}

/* ----------------------------------------------------------------------------------- thread */

/* Waits for a commit past `seen` or a note. False: the end. */
static bool wait_for_news(struct hub *h, int64_t seen, bool behind, struct news *news)
{
	int64_t until = behind ? clock_boot_ms() + BEHIND_MS : WORKER_FOREVER;
	bool stop;

	worker_lock(&h->worker);
	while (h->news.committed == seen && !h->news.note_count && !h->shown.first && worker_wait(&h->worker, until))
		;
	*news = h->news;
	h->news = (struct news){ .committed = news->committed };
	stop = h->worker.stop;
	worker_unlock(&h->worker);
	return !stop;
}

static void tell_notes(struct hub *h, struct news *news)
{
	struct buf json = BUF_INIT;

	for (size_t i = 0; i < news->note_count; i++) {
		struct unit_note *note = &news->notes[i];

		json.size = 0;
		event_json_unit(note->task, note->unit, note->state, note->attempt, h->options.node, &json);
		subscribers_tell(&h->subscribers, &(struct drover_event){ .size = sizeof(struct drover_event),
									  .kind = DROVER_EVENT_UNIT,
									  .task = note->task,
									  .json = json.data,
									  .json_size = json.size });
		free(note->task);
	}
	free(news->notes);
	buf_dispose(&json);
}

static void tell_shown(struct hub *h)
{
	struct buf json = BUF_INIT;
	struct shown shown;
	struct shown_item *item;

	worker_lock(&h->worker);
	shown = h->shown;
	h->shown = (struct shown){ .first = NULL };
	worker_unlock(&h->worker);
	while ((item = shown_take(&shown))) {
		json.size = 0;
		event_json_output(item, &json);
		subscribers_tell(&h->subscribers, &(struct drover_event){ .size = sizeof(struct drover_event),
									  .kind = DROVER_EVENT_OUTPUT,
									  .task = item->task,
									  .host = item->host,
									  .json = json.data,
									  .json_size = json.size });
		free(item);
	}
	buf_dispose(&json);
}

/* True: something is left to do, without further news. */
static bool one_round(struct hub *h, struct news *news)
{
	struct drover_session *session;
	struct drover_error err = { 0 };
	int code;

	tell_notes(h, news);
	tell_shown(h);
	if (readers_take(h->options.readers, &session, &err)) {
		log_error("cannot read what changed: %s", err.message);
		return true;
	}
	code = subscribers_feed(&h->subscribers, h->options.ops, session, news->committed);
	if (!code)
		code = sinks_feed(&h->sinks, h->options.ops, session);
	readers_give(h->options.readers, session, code && code != DROVER_ELIMIT);
	return code != 0;
}

static void hub_thread(void *context)
{
	struct hub *h = context;
	struct news news = { .committed = -1 }; /* so that sinks get at once what they missed while nothing ran */
	bool behind = false, more;

	do {
		more = wait_for_news(h, news.committed, behind, &news);
		/* At the end, once more: what was committed last is still told. */
		behind = one_round(h, &news);
		if (more)
			worker_sleep(&h->worker, clock_boot_ms() + ROUND_MS);
	} while (more);
}

int hub_start(struct hub *h, struct drover_error *err)
{
	return worker_start(&h->worker, "events", hub_thread, h, err);
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	worker_stop(&h->worker);
	sinks_dispose(&h->sinks);
	subscribers_dispose(&h->subscribers);
	shown_dispose(&h->shown);
	worker_dispose(&h->worker);
	free(h);
}
