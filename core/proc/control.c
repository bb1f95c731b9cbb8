/* control.c - see control.h. */
#include "proc/control.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/control_io.h"
#include "util/buf.h"
#include "util/log.h"

struct control {
	int fd;
	sd_event_source *io;
	const struct control_events *events;
	void *context;
	char isolation[16];
};

static const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : NULL;
}

static int64_t get_int(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

static bool get_bool(struct json_object *o, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

static void on_parts(struct control *c, struct json_object *array, const char *isolation)
{
	size_t count = json_object_array_length(array);
	struct drover_part *parts = xcalloc(count, sizeof(*parts));

	if (isolation)
		snprintf(c->isolation, sizeof(c->isolation), "%s", isolation);
	for (size_t i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(array, i);

		parts[i].size = sizeof(parts[i]);
		parts[i].name = get_string(o, "name");
		parts[i].pid = (int)get_int(o, "pid");
		parts[i].started_at = get_int(o, "started_at");
		parts[i].restarts = get_int(o, "restarts");
		parts[i].died_at = get_int(o, "died_at");
		parts[i].last_death = get_string(o, "last_death");
	}
	if (c->events->parts)
		c->events->parts(c->context, parts, count);
	free(parts);
}

static void on_health(struct control *c, struct json_object *o)
{
	const struct drover_health health = {
		.size = sizeof(health),
		.node = get_string(o, "node"),
		.core_alive = get_bool(o, "core_alive"),
		.store_reachable = get_bool(o, "store_ok"),
		.core_silent = get_int(o, "core_silent"),
		.running_hosts = get_int(o, "running_hosts"),
		.running_units = get_int(o, "running_units"),
		.ready_units = get_int(o, "ready_units"),
		.restarts = get_int(o, "restarts"),
	};

	if (c->events->health)
		c->events->health(c->context, &health);
}

static void on_reload(struct control *c, int fd)
{
	size_t size;
	char *slice = fd >= 0 && !lseek(fd, 0, SEEK_SET) ? control_io_read_all(fd, 64u << 20, &size) : NULL;

	if (slice && c->events->reload)
		c->events->reload(c->context, slice);
	free(slice);
}

/* Takes over `passed`. */
static void dispatch(struct control *c, struct json_object *message, int passed)
{
	struct json_object *value;

	if (json_object_object_get_ex(message, "peer", &value) && passed >= 0 && c->events->peer) {
		c->events->peer(c->context, get_string(value, "role"), get_string(value, "name"), passed);
		return;
	}
	if (json_object_object_get_ex(message, "parts", &value) && json_object_is_type(value, json_type_array))
		on_parts(c, value, get_string(message, "isolation"));
	else if (json_object_object_get_ex(message, "reload", &value))
		on_reload(c, passed);
	else if (json_object_object_get_ex(message, "drain", &value) && c->events->drain)
		c->events->drain(c->context, json_object_get_int64(value));
	else if (json_object_object_get_ex(message, "health", &value))
		on_health(c, value);
	if (passed >= 0)
		close(passed);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct control *c = context;
	struct json_object *message;
	int passed, rc;

	(void)source;
	(void)revents;
	rc = control_io_receive(fd, &message, &passed);
	if (!rc)
		return 0;
	if (rc > 0) {
		dispatch(c, message, passed);
		json_object_put(message);
		return 0;
	}
	if (!c->events || !c->events->closed)
		_exit(0); /* nobody is left to work for, and nothing to be tidied up that a restart would not */
	sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
	c->events->closed(c->context);
	return 0;
}

int control_new(struct sd_event *event, int fd, const struct control_events *events, void *context,
		struct control **control, struct drover_error *err)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int rc;

	c->fd = fd;
	c->events = events;
	c->context = context;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	rc = sd_event_add_io(event, &c->io, fd, EPOLLIN, on_io, c);
	if (rc < 0) {
		free(c);
		return drover_error_set(err, DROVER_EFAULT, "cannot watch the control connection: %s", strerror(-rc));
	}
	*control = c;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	sd_event_source_disable_unref(control->io);
	close(control->fd);
	free(control);
}

const char *control_isolation(const struct control *control)
{
	return control->isolation;
}

/* A message of one member, which is taken over. */
static bool tell(struct control *control, const char *key, struct json_object *value, bool wait)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, key, value);
	return control_io_send(control->fd, message, -1, wait);
}

void control_ready(struct control *control)
{
	tell(control, "ready", json_object_new_boolean(true), true);
}

void control_failed(struct control *control, const char *why)
{
	char *text;

	if (!control)
		return;
	text = xstrdup(why);
	log_redact(text);
	tell(control, "failed", json_object_new_string(text), true);
	free(text);
}

void control_pulse(struct control *control, const struct control_pulse *pulse)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "store_ok", json_object_new_boolean(pulse->store_ok));
	json_object_object_add(o, "running_hosts", json_object_new_int64(pulse->running_hosts));
	json_object_object_add(o, "running_units", json_object_new_int64(pulse->running_units));
	json_object_object_add(o, "ready_units", json_object_new_int64(pulse->ready_units));
	tell(control, "pulse", o, false); /* another one follows */
}

void control_idle(struct control *control)
{
	tell(control, "idle", json_object_new_boolean(true), true);
}

void control_replaced(struct control *control)
{
	tell(control, "replaced", json_object_new_boolean(true), true);
}

void control_entered(struct control *control, const char *what, int64_t timeout)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "what", json_object_new_string(what));
	json_object_object_add(o, "timeout", json_object_new_int64(timeout));
	tell(control, "entered", o, true);
}

void control_left(struct control *control)
{
	tell(control, "left", json_object_new_boolean(true), true);
}
