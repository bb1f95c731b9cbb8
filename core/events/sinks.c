/* sinks.c - see sinks.h. */
#include "events/sinks.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "events/feed.h"
#include "spool/event.h"
#include "spool/spool.h"
#include "util/buf.h"
#include "util/log.h"

#define SEGMENT_MAX (8 << 20)

struct sink {
	char *name;
	struct spool_writer *spool;
	int64_t seq; /* appended up to here */
	unsigned kinds;
	char *folder;
	atomic_bool full;
	int fd; /* to its process, -1: none; under the lock */
};

void sinks_init(struct sinks *sinks)
{
	*sinks = (struct sinks){ .items = NULL };
	pthread_mutex_init(&sinks->lock, NULL);
	audit_init(&sinks->audit);
}

void sinks_dispose(struct sinks *sinks)
{
	for (size_t i = 0; i < sinks->count; i++) {
		spool_writer_close(sinks->items[i].spool);
		if (sinks->items[i].fd >= 0)
			close(sinks->items[i].fd);
		free(sinks->items[i].name);
		free(sinks->items[i].folder);
	}
	free(sinks->items);
	pthread_mutex_destroy(&sinks->lock);
	audit_dispose(&sinks->audit);
}

/*
 * A sink that was never there before begins with what happens from now on. That is written down, since its
 * spool says nothing until something is in it, and the core may be killed before.
 */
static int first_seq(const char *folder, int64_t *seq, struct drover_error *err)
{
	struct buf path = BUF_INIT;
	long long number = 0;
	FILE *file;
	int code = 0;

	buf_printf(&path, "%s/begin", folder);
	file = fopen(path.data, "re");
	if (file && fscanf(file, "%lld", &number) == 1) {
		*seq = number;
	} else {
		if (file)
			fclose(file);
		file = fopen(path.data, "we");
		if (!file || fprintf(file, "%lld\n", (long long)*seq) < 0 || fflush(file))
			code = drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", path.data, strerror(errno));
	}
	if (file)
		fclose(file);
	buf_dispose(&path);
	return code;
}

int sinks_add(struct sinks *sinks, const char *name, const char *folder, int64_t limit, unsigned kinds, int64_t seq,
	      struct drover_error *err)
{
	bool audit = kinds & 1u << DROVER_EVENT_AUDIT;
	int64_t segment = limit / 8 > SEGMENT_MAX ? SEGMENT_MAX : limit / 8;
	struct spool_writer *spool;
	struct sink *sink;
	int code = spool_writer_open(folder, limit, segment, &spool, err);

	if (code)
		return code;
	code = audit ? spool_durable(spool, err) : first_seq(folder, &seq, err);
	if (code) {
		spool_writer_close(spool);
		return code;
	}
	sinks->items = xrealloc(sinks->items, (sinks->count + 1) * sizeof(*sinks->items));
	sink = &sinks->items[sinks->count++];
	*sink = (struct sink){
		.name = xstrdup(name), .folder = xstrdup(folder), .kinds = kinds, .spool = spool, .fd = -1
	};
	sink->seq = spool_last_seq(spool) ? spool_last_seq(spool) : seq;
	if (audit)
		audit_add(&sinks->audit, spool);
	return 0;
}

const char *sinks_look(struct sinks *sinks, size_t index, int64_t *bytes, bool *full)
{
	const struct sink *sink = &sinks->items[index];

	*bytes = spool_bytes(sink->folder);
	*full = sink->full;
	return sink->name;
}

/* A full socket has told its process already. False: nobody is there. */
static bool send_byte(int fd)
{
	return send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno == EAGAIN;
}

static void wake(struct sinks *sinks, struct sink *sink)
{
	pthread_mutex_lock(&sinks->lock);
	if (sink->fd >= 0 && !send_byte(sink->fd)) {
		close(sink->fd);
		sink->fd = -1;
	}
	pthread_mutex_unlock(&sinks->lock);
}

void sinks_up(struct sinks *sinks, const char *name, int fd)
{
	bool found = false;

	pthread_mutex_lock(&sinks->lock);
	for (size_t i = 0; i < sinks->count; i++) {
		struct sink *sink = &sinks->items[i];

		if (strcmp(sink->name, name))
			continue;
		if (sink->fd >= 0)
			close(sink->fd);
		sink->fd = fd;
		found = true;
		/* For what was appended before its process listened. */
		if (!send_byte(fd))
			log_warning("cannot wake sink %s: %s", name, strerror(errno));
	}
	pthread_mutex_unlock(&sinks->lock);
	if (!found)
		close(fd);
}

struct append_context {
	struct sink *sink;
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

/* A spool that is full is filled from the store when there is room again: nothing is lost. */
static void tell_state(const struct sink *sink, bool was_full, int code, const char *message)
{
	if (sink->full && !was_full)
		log_warning(
			"the spool of sink %s is full; it is filled again from the store when the sink has caught up",
			sink->name);
	else if (code < 0 && !sink->full)
		log_error("cannot feed sink %s: %s", sink->name, message);
}

static bool is_audit(const struct sink *sink)
{
	return sink->kinds & 1u << DROVER_EVENT_AUDIT;
}

static int feed(struct sinks *sinks, struct sink *sink, const struct drover_store_ops *ops,
		struct drover_session *session)
{
	struct append_context a = { .sink = sink, .record = BUF_INIT };
	struct drover_error err = { 0 };
	bool was_full = sink->full;
	int code;

	do
		code = feed_read(ops, session, sink->kinds, &sink->seq, append_event, &a, &err);
	while (code == 1);
	sink->full = code == DROVER_ELIMIT;
	tell_state(sink, was_full, code, a.err.code ? a.err.message : err.message);
	if (a.appended && spool_flush(sink->spool, &a.err))
		log_error("cannot write the spool of sink %s: %s", sink->name, a.err.message);
	if (a.appended)
		wake(sinks, sink);
	buf_dispose(&a.record);
	return code;
}

int sinks_audit(struct sinks *sinks, const struct drover_audit *line, const char *node, struct drover_error *err)
{
	int code = audit_write(&sinks->audit, line, node, err);

	for (size_t i = 0; i < sinks->count; i++)
		if (is_audit(&sinks->items[i]))
			wake(sinks, &sinks->items[i]);
	return code;
}

int sinks_feed(struct sinks *sinks, const struct drover_store_ops *ops, struct drover_session *session)
{
	int worst = 0;

	for (size_t i = 0; i < sinks->count; i++) {
		int code = is_audit(&sinks->items[i]) ? 0 : feed(sinks, &sinks->items[i], ops, session);

		if (code && code != DROVER_ELIMIT)
			return code;
		worst = code ? code : worst;
	}
	return worst;
}
