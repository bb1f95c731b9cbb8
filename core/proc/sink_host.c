/*
 * sink_host.c - the process of one sink plugin: hands it what the core has appended to its spool,
 * batch by batch, and acknowledges what it has kept.
 *
 * Ends when its link to the core closes: the core, or the whole node, is going down. What it cannot
 * hand over within a short while stays in the spool for the next life.
 */
#include <errno.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/sink.h>
#include <systemd/sd-event.h>

#include "conf/option.h"
#include "loader/loader.h"
#include "proc/control.h"
#include "proc/roles.h"
#include "proc/slice.h"
#include "spool/event.h"
#include "spool/spool.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* Events a call; their bytes are bounded by what the spool gives at once. */
#define BATCH 500
#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 30000
/* What is still read after the core is gone; the supervisor waits a little longer before it kills. */
#define LAST_MS 2000

/* From here to there, and nowhere else. */
enum sink_state {
	SINK_READING, /* takes from the spool what comes */
	SINK_PAUSED,  /* the plugin asked for the same batch again later */
	SINK_ENDING   /* the core is gone: reads to the end, until `deadline` */
};

struct sink_host {
	sd_event *event;
	struct control *control;
	sd_event_source *work;  /* runs while there may be something to hand over */
	sd_event_source *pause; /* the end of a backoff */
	enum sink_state state;
	const struct drover_sink *plugin;
	void *self;
	bool opened;
	const char *name; /* in `slice` */
	struct json_object *slice;
	struct spool_reader *spool;
	int64_t call_timeout, backoff; /* ms */
	int64_t deadline;              /* CLOCK_BOOTTIME ms */
	int64_t dropped;               /* events so far */
	int64_t last_seq;              /* of the batch */
	struct spool_record records[BATCH];
	struct drover_event events[BATCH];
	size_t count; /* events of the batch that the plugin has not taken */
};

/* Around each call, for the record of its death. */
static void entered(const struct sink_host *h, const char *call)
{
	char what[128];

	snprintf(what, sizeof(what), "%s of %s", call, h->name);
	control_entered(h->control, what, h->call_timeout);
}

/* ---------------------------------------------------------------------------- batches */

static void drop(struct sink_host *h, size_t count, const char *reason)
{
	h->dropped += (int64_t)count;
	log_error("%zu events are dropped (%lld since the start): %s", count, (long long)h->dropped, reason);
}

/* The next batch: how many records were read; 0: nothing is there. */
static int next_batch(struct sink_host *h)
{
	struct drover_error err = { 0 };
	int count = spool_read(h->spool, h->records, BATCH, &err);

	h->count = 0;
	if (count < 0) {
		log_error("cannot read the spool: %s", err.message);
		return 0;
	}
	for (int i = 0; i < count; i++) {
		if (event_decode(h->records[i].data, h->records[i].size, &h->events[h->count]))
			drop(h, 1, "a record of the spool is no event");
		else
			h->count++;
		h->last_seq = h->records[i].seq;
	}
	return count;
}

static void batch_done(struct sink_host *h)
{
	struct drover_error err = { 0 };

	h->count = 0;
	h->backoff = 0;
	/* Not fatal: a later acknowledgement covers this one; after a crash some events come again. */
	if (spool_acknowledge(h->spool, h->last_seq, &err))
		log_warning("%s", err.message);
}

static void pause_work(struct sink_host *h, const struct drover_error *err)
{
	h->backoff = !h->backoff ? BACKOFF_FIRST_MS : h->backoff * 2;
	if (h->backoff > BACKOFF_LAST_MS)
		h->backoff = BACKOFF_LAST_MS;
	log_warning("%zu events are kept back for %lld ms: %s", h->count, (long long)h->backoff,
		    err->message[0] ? err->message : "it asked for that");
	if (h->state == SINK_ENDING) {
		sd_event_exit(h->event, 0); /* they wait in the spool for the next life */
		return;
	}
	sd_event_source_set_enabled(h->work, SD_EVENT_OFF);
	sd_event_source_set_time_relative(h->pause, (uint64_t)h->backoff * 1000);
	sd_event_source_set_enabled(h->pause, SD_EVENT_ONESHOT);
	h->state = SINK_PAUSED;
}

static void hand_over(struct sink_host *h)
{
	struct drover_error err = { 0 };
	int code = 0;

	if (h->count) {
		entered(h, "write");
		code = h->plugin->write(h->self, h->events, h->count, &err);
		control_left(h->control);
	}
	if (code == DROVER_ERETRY) {
		pause_work(h, &err);
		return;
	}
	if (code)
		drop(h, h->count, err.message[0] ? err.message : "an error without a message");
	batch_done(h);
}

/* One batch a round, so that a reload or the core's end is heard between two. */
static int on_work(sd_event_source *source, void *context)
{
	struct sink_host *h = context;
	bool ending = h->state == SINK_ENDING;

	if (ending && clock_boot_ms() >= h->deadline)
		return sd_event_exit(h->event, 0);
	if (h->count || next_batch(h))
		hand_over(h);
	else if (ending)
		return sd_event_exit(h->event, 0);
	else
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return 0;
}

static int on_pause(sd_event_source *source, uint64_t usec, void *context)
{
	struct sink_host *h = context;

	(void)source;
	(void)usec;
	if (h->state == SINK_PAUSED)
		h->state = SINK_READING;
	sd_event_source_set_enabled(h->work, SD_EVENT_ON);
	return 0;
}

/* ---------------------------------------------------------------------------- what it is told */

static void begin_end(struct sink_host *h, int64_t deadline)
{
	if (h->state == SINK_ENDING)
		return;
	h->state = SINK_ENDING;
	h->deadline = deadline;
	sd_event_source_set_enabled(h->work, SD_EVENT_ON);
}

static int on_link(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct sink_host *h = context;
	char bytes[256];
	ssize_t size = read(fd, bytes, sizeof(bytes));

	(void)revents;
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (size <= 0) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF);
		begin_end(h, clock_boot_ms() + LAST_MS);
	} else if (h->state == SINK_READING) {
		sd_event_source_set_enabled(h->work, SD_EVENT_ON);
	}
	return 0;
}

static void on_reload(void *context, const char *slice)
{
	struct sink_host *h = context;
	struct drover_error err = { 0 };
	int code;

	(void)slice; /* with other options the supervisor starts another process */
	if (!h->plugin->reopen)
		return;
	entered(h, "reopen");
	code = h->plugin->reopen(h->self, &err);
	control_left(h->control);
	if (code)
		log_error("cannot reopen: %s", err.message);
}

static void on_drain(void *context, int64_t deadline)
{
	begin_end(context, deadline);
}

/* ---------------------------------------------------------------------------- its beginning and end */

static int open_plugin(struct sink_host *h, struct drover_error *err)
{
	struct loaded_plugin plugin = { 0 };
	int code;

	entered(h, "load");
	code = loader_open_file(slice_text(h->slice, "path", ""), &loader_host, &plugin, err);
	if (code)
		return code;
	h->plugin = plugin.module->sink;
	loader_dispose(&plugin);
	if (!h->plugin || !h->plugin->write)
		return drover_error_set(err, DROVER_EINVALID, "plugin %s is no sink",
					slice_text(h->slice, "plugin", "?"));
	code = slice_options(slice_get(h->slice, "options"), h->plugin->options, h->plugin->self_size, &h->self, err);
	if (!code && h->plugin->check)
		code = h->plugin->check(h->self, err);
	entered(h, "open");
	if (!code && h->plugin->open)
		code = h->plugin->open(h->self, err);
	control_left(h->control);
	h->opened = !code;
	return code;
}

/* The core makes the same folder; whoever is first. */
static int open_spool(struct sink_host *h, struct drover_error *err)
{
	bool audit = slice_int(h->slice, "events", 0) & 1 << DROVER_EVENT_AUDIT;
	char *folder = spool_folder(slice_text(h->slice, "node.state_dir", "."), h->name, audit);
	int code = spool_reader_open(folder, &h->spool, err);

	free(folder);
	return code;
}

static int watch(struct sink_host *h, int control_fd, int link_fd, struct drover_error *err)
{
	static const struct control_events events = { .reload = on_reload, .drain = on_drain };
	int rc;

	/* A Ctrl-C reaches the whole group of processes; who ends, and when, is the supervisor's to say. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	rc = sd_event_new(&h->event);
	if (rc >= 0)
		rc = sd_event_add_io(h->event, NULL, link_fd, EPOLLIN, on_link, h);
	if (rc >= 0)
		rc = sd_event_add_defer(h->event, &h->work, on_work, h);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(h->work, SD_EVENT_OFF);
	if (rc >= 0)
		rc = sd_event_source_set_priority(h->work, SD_EVENT_PRIORITY_IDLE);
	if (rc >= 0)
		rc = sd_event_add_time_relative(h->event, &h->pause, CLOCK_BOOTTIME, 0, 1000, on_pause, h);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(h->pause, SD_EVENT_OFF);
	if (rc < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make an event loop: %s", strerror(-rc));
	return control_new(h->event, control_fd, &events, h, &h->control, err);
}

static void end_plugin(struct sink_host *h)
{
	struct drover_error err = { 0 };

	if (h->opened && h->plugin->drain) {
		entered(h, "drain");
		if (h->plugin->drain(h->self, h->deadline, &err))
			log_error("cannot finish: %s", err.message);
		control_left(h->control);
	}
	if (h->opened && h->plugin->close) {
		entered(h, "close");
		h->plugin->close(h->self);
		control_left(h->control);
	}
	if (h->self)
		option_free(h->plugin->options, h->self);
}

static void dispose(struct sink_host *h)
{
	sd_event_source_disable_unref(h->work);
	sd_event_source_disable_unref(h->pause);
	spool_reader_close(h->spool);
	if (h->control)
		control_free(h->control);
	sd_event_unref(h->event);
	json_object_put(h->slice);
	free(h);
}

int sink_main(int control_fd, int config_fd, int link_fd)
{
	struct sink_host *h = xcalloc(1, sizeof(*h));
	struct drover_error err = { 0 };
	char who[96];
	int code = slice_read(config_fd, &h->slice, &err);

	if (!code) {
		h->name = slice_text(h->slice, "name", "?");
		h->call_timeout = slice_int(h->slice, "call_timeout", 30000);
		snprintf(who, sizeof(who), "sink: %s", h->name);
		slice_log(h->slice, who);
		code = watch(h, control_fd, link_fd, &err);
	}
	if (!code)
		code = open_plugin(h, &err);
	if (!code)
		code = open_spool(h, &err);
	if (code) {
		log_error("cannot start: %s", err.message);
		control_failed(h->control, err.message);
	} else {
		control_ready(h->control);
		sd_event_source_set_enabled(h->work, SD_EVENT_ON);
		code = sd_event_loop(h->event);
	}
	end_plugin(h);
	dispose(h);
	return code ? 1 : 0;
}
