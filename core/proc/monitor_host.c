/*
 * monitor_host.c - the process of the monitor plugins: each is called at its interval with what the
 * supervisor last told of the core.
 */
#define _GNU_SOURCE
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <drover/monitor.h>
#include <systemd/sd-event.h>

#include "conf/option.h"
#include "loader/loader.h"
#include "proc/control.h"
#include "proc/roles.h"
#include "proc/slice.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* The supervisor tells once a second; when it no longer does, nothing is known to be alive. */
#define FRESH_MS 5000

struct monitor {
	struct monitor_host *host;
	const struct drover_monitor *plugin;
	char *name;
	void *self;
	int64_t interval, call_timeout; /* ms */
	bool opened;
	sd_event_source *timer;
};

struct monitor_host {
	sd_event *event;
	struct control *control;
	struct drover_health health;
	char *node;      /* owned: health.node */
	int64_t told_at; /* CLOCK_BOOTTIME ms, 0: never */
	struct monitor *monitors;
	size_t count;
};

static void on_health(void *context, const struct drover_health *health)
{
	struct monitor_host *h = context;

	h->health = *health;
	if (health->node) {
		free(h->node);
		h->node = xstrdup(health->node);
	}
	h->health.node = h->node;
	h->told_at = clock_boot_ms();
}

/* Around each call: which instance and which function, for the record of its death. */
static void entered(const struct monitor *m, const char *call)
{
	char what[128];

	snprintf(what, sizeof(what), "%s of %s", call, m->name);
	control_entered(m->host->control, what, m->call_timeout);
}

static int on_interval(sd_event_source *source, uint64_t usec, void *context)
{
	struct monitor *m = context;
	struct drover_health health = m->host->health;
	struct drover_error error = { 0 };
	int rc;

	(void)usec;
	if (!m->host->told_at || clock_boot_ms() - m->host->told_at > FRESH_MS)
		health.core_alive = false;
	entered(m, "tick");
	rc = m->plugin->tick(m->self, &health, &error);
	control_left(m->host->control);
	if (rc)
		log_warning("%s: %s", m->name, error.message[0] ? error.message : "an error without a message");
	sd_event_source_set_time_relative(source, (uint64_t)m->interval * 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int open_monitor(struct monitor *m, struct json_object *o, struct drover_error *err)
{
	struct loaded_plugin plugin = { 0 };
	int rc;

	m->name = xstrdup(slice_text(o, "name", "?"));
	m->interval = slice_int(o, "interval", 10000);
	m->call_timeout = slice_int(o, "call_timeout", 30000);
	entered(m, "load");
	rc = loader_open_file(slice_text(o, "path", ""), &loader_host, &plugin, err);
	if (rc)
		return rc;
	m->plugin = plugin.module->monitor;
	loader_dispose(&plugin);
	if (!m->plugin)
		return drover_error_set(err, DROVER_EINVALID, "plugin %s is no monitor", slice_text(o, "plugin", "?"));
	rc = slice_options(slice_get(o, "options"), m->plugin->options, m->plugin->self_size, &m->self, err);
	if (!rc && m->plugin->check)
		rc = m->plugin->check(m->self, err);
	entered(m, "open");
	if (!rc && m->plugin->open)
		rc = m->plugin->open(m->self, err);
	control_left(m->host->control);
	m->opened = !rc;
	if (!rc && sd_event_add_time_relative(m->host->event, &m->timer, CLOCK_BOOTTIME, (uint64_t)m->interval * 1000,
					      0, on_interval, m) < 0)
		rc = drover_error_set(err, DROVER_ENOMEM, "cannot make a timer");
	return rc;
}

static void dispose(struct monitor_host *h)
{
	for (size_t i = 0; i < h->count; i++) {
		struct monitor *m = &h->monitors[i];

		sd_event_source_disable_unref(m->timer);
		if (m->opened && m->plugin->close) {
			entered(m, "close");
			m->plugin->close(m->self);
			control_left(h->control);
		}
		if (m->self)
			option_free(m->plugin->options, m->self);
		free(m->name);
	}
	free(h->monitors);
	free(h->node);
	control_free(h->control);
	sd_event_unref(h->event);
}

static int open_all(struct monitor_host *h, struct json_object *slice, struct drover_error *err)
{
	struct json_object *list = slice_get(slice, "monitors");
	size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

	h->monitors = xcalloc(count, sizeof(*h->monitors));
	for (; h->count < count; h->count++) {
		struct monitor *m = &h->monitors[h->count];
		int rc;

		m->host = h;
		rc = open_monitor(m, json_object_array_get_idx(list, h->count), err);
		if (rc) {
			log_error("cannot open %s: %s", m->name, err->message);
			h->count++;
			return rc;
		}
	}
	return 0;
}

/* A tick that is under way is not interrupted: the supervisor waits some seconds, then kills. */
static int watch(struct monitor_host *h, int control_fd, const struct control_events *events, struct drover_error *err)
{
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	rc = sd_event_new(&h->event);
	if (rc >= 0)
		rc = sd_event_add_signal(h->event, NULL, SIGTERM, NULL, NULL);
	if (rc >= 0)
		rc = sd_event_add_signal(h->event, NULL, SIGINT, NULL, NULL);
	if (rc < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make an event loop: %s", strerror(-rc));
	return control_new(h->event, control_fd, events, h, &h->control, err);
}

int monitor_main(int control_fd, int config_fd)
{
	static const struct control_events events = { .health = on_health };
	struct monitor_host h = { .health = { .size = sizeof(h.health), .core_silent = -1 } };
	struct json_object *slice = NULL;
	struct drover_error error = { 0 };
	int rc = slice_read(config_fd, &slice, &error);

	if (!rc) {
		slice_log(slice, "monitor");
		h.health.node = h.node = xstrdup(slice_text(slice, "node.name", "?"));
		rc = watch(&h, control_fd, &events, &error);
	}
	if (!rc)
		rc = open_all(&h, slice, &error);
	else
		log_error("cannot start: %s", error.message);
	if (rc)
		control_failed(h.control, error.message);
	json_object_put(slice);
	if (!rc) {
		control_ready(h.control);
		rc = sd_event_loop(h.event);
	}
	if (h.event)
		dispose(&h);
	return rc < 0 ? 1 : 0;
}
