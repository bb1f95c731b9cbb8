/* subscribers.c - see subscribers.h. */
#include "events/subscribers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "events/feed.h"
#include "util/buf.h"
#include "util/log.h"

struct subscriber {
	struct subscriber *next;
	char *task; /* NULL: all */
	unsigned kinds;
	drover_subscriber_fn *fn;
	void *context;
};

void subscribers_init(struct subscribers *subscribers, int64_t seq)
{
	*subscribers = (struct subscribers){ .told = seq };
	pthread_mutex_init(&subscribers->lock, NULL);
}

void subscribers_dispose(struct subscribers *subscribers)
{
	pthread_mutex_destroy(&subscribers->lock);
}

void *subscribers_add(struct subscribers *subscribers, const char *task, unsigned kinds, drover_subscriber_fn *fn,
		      void *context)
{
	struct subscriber *s = xcalloc(1, sizeof(*s));

	s->task = xstrdup(task);
	s->kinds = kinds;
	s->fn = fn;
	s->context = context;
	pthread_mutex_lock(&subscribers->lock);
	s->next = subscribers->first;
	subscribers->first = s;
	atomic_fetch_add(&subscribers->count, 1);
	pthread_mutex_unlock(&subscribers->lock);
	return s;
}

const char *subscribers_watches(const void *subscription)
{
	const struct subscriber *s = subscription;

	return s->kinds >> DROVER_EVENT_OUTPUT & 1 ? s->task : NULL;
}

void subscribers_remove(struct subscribers *subscribers, void *subscription)
{
	struct subscriber *s = subscription;

	pthread_mutex_lock(&subscribers->lock);
	for (struct subscriber **at = &subscribers->first; *at; at = &(*at)->next) {
		if (*at != s)
			continue;
		*at = s->next;
		atomic_fetch_sub(&subscribers->count, 1);
		break;
	}
	pthread_mutex_unlock(&subscribers->lock);
	free(s->task);
	free(s);
}

/* Under the lock. */
static int tell(void *context, const struct drover_event *event)
{
	struct subscribers *subscribers = context;

	for (struct subscriber *s = subscribers->first; s; s = s->next)
		if ((s->kinds >> event->kind & 1) && (!s->task || !strcmp(s->task, event->task)))
			s->fn(s->context, event);
	return 0;
}

void subscribers_tell(struct subscribers *subscribers, const struct drover_event *event)
{
	pthread_mutex_lock(&subscribers->lock);
	tell(subscribers, event);
	pthread_mutex_unlock(&subscribers->lock);
}

int subscribers_feed(struct subscribers *subscribers, const struct drover_store_ops *ops,
		     struct drover_session *session, int64_t committed)
{
	struct drover_error err = { 0 };
	unsigned kinds = 0;
	int code = 0;

	pthread_mutex_lock(&subscribers->lock);
	for (const struct subscriber *s = subscribers->first; s; s = s->next)
		kinds |= s->kinds;
	if (!subscribers->first && subscribers->told < committed)
		subscribers->told = committed;
	while (subscribers->first &&
	       (code = feed_read(ops, session, kinds, &subscribers->told, tell, subscribers, &err)) == 1)
		;
	pthread_mutex_unlock(&subscribers->lock);
	if (code)
		log_error("cannot read what changed: %s", err.message);
	return code;
}
