/* peers.c - the supervisor's end of its children's control connections. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/control_io.h"
#include "proc/slice.h"
#include "proc/supervisor.h"
#include "util/clock.h"
#include "util/log.h"

/* The core counts as alive while its last pulse is younger. */
#define FRESH_MS 5000

static void on_pulse(struct child *c, struct json_object *o)
{
	struct json_object *ok = slice_get(o, "store_ok");

	c->pulse_at = clock_boot_ms();
	c->pulse.store_ok = ok && json_object_get_boolean(ok);
	c->pulse.running_hosts = slice_int(o, "running_hosts", 0);
	c->pulse.running_units = slice_int(o, "running_units", 0);
	c->pulse.ready_units = slice_int(o, "ready_units", 0);
}

static void on_message(struct child *c, struct json_object *message)
{
	struct json_object *value;

	if (slice_get(message, "ready"))
		child_ready(c);
	else if ((value = slice_get(message, "failed")))
		child_failed(c, json_object_get_string(value));
	else if ((value = slice_get(message, "pulse")) && c->role == CHILD_CORE)
		on_pulse(c, value);
	else if ((value = slice_get(message, "entered")))
		child_entered(c, slice_text(value, "what", NULL), slice_int(value, "timeout", 30000));
	else if (slice_get(message, "left"))
		child_left(c);
	else if (slice_get(message, "idle") && c->role == CHILD_CORE)
		supervisor_stop(c->supervisor, "nothing is left to do");
	else if (slice_get(message, "replaced") && c->role == CHILD_CORE) {
		c->supervisor->exit_code = EXIT_CONFIG;
		supervisor_stop(c->supervisor, "another node has its name");
	}
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct child *c = context;
	struct json_object *message;
	int passed, rc = control_io_receive(fd, &message, &passed);

	(void)revents;
	if (rc > 0) {
		on_message(c, message);
		json_object_put(message);
		if (passed >= 0)
			close(passed); /* nobody sends us one */
	} else if (rc < 0) {
		sd_event_source_set_enabled(source, SD_EVENT_OFF); /* it has ended: SIGCHLD tells how */
	}
	return 0;
}

int peers_watch(struct child *c, struct drover_error *err)
{
	int rc = sd_event_add_io(c->supervisor->event, &c->control_source, c->control, EPOLLIN, on_io, c);

	if (rc < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot watch its connection: %s", strerror(-rc));
	/* Before SIGCHLD: what a dying child has said is read first. */
	sd_event_source_set_priority(c->control_source, SD_EVENT_PRIORITY_IMPORTANT);
	return 0;
}

/* A message of one member, which is taken over. */
static bool tell(const struct child *c, const char *key, struct json_object *value, int pass)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, key, value);
	if (c->control < 0) {
		json_object_put(message);
		return false;
	}
	return control_io_send(c->control, message, pass, false);
}

bool peers_introduce(struct child *core, const struct child *peer, int fd)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "role", json_object_new_string(peer->role == CHILD_SINK ? "sink" : "executor"));
	json_object_object_add(o, "name", json_object_new_string(peer->name));
	return tell(core, "peer", o, fd);
}

static struct json_object *describe_part(const struct child *c)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "name", json_object_new_string(c->title));
	json_object_object_add(o, "pid", json_object_new_int(c->pid));
	json_object_object_add(o, "started_at", json_object_new_int64(c->pid ? c->started_at : 0));
	json_object_object_add(o, "restarts", json_object_new_int64(c->restarts));
	json_object_object_add(o, "died_at", json_object_new_int64(c->died_at));
	if (c->last_death[0])
		json_object_object_add(o, "last_death", json_object_new_string(c->last_death));
	return o;
}

void peers_send_parts(struct supervisor *s)
{
	struct child *core = child_core(s);
	struct json_object *message = json_object_new_object(), *parts = json_object_new_array();

	for (const struct child *c = s->children; c; c = c->next)
		json_object_array_add(parts, describe_part(c));
	json_object_object_add(message, "parts", parts);
	json_object_object_add(message, "isolation", json_object_new_string(s->tree ? "cgroup" : "subreaper"));
	if (!core || core->control < 0)
		json_object_put(message);
	else if (control_io_send(core->control, message, -1, false))
		s->parts_dirty = false; /* else once more at the next tick */
}

void peers_send_health(struct supervisor *s)
{
	const struct child *core = child_core(s);
	int64_t silent = core && core->pulse_at ? clock_boot_ms() - core->pulse_at : -1;
	struct json_object *o;

	for (const struct child *c = s->children; c; c = c->next) {
		if (c->role != CHILD_MONITOR || c->control < 0)
			continue;
		o = json_object_new_object();
		json_object_object_add(o, "node", json_object_new_string(slice_text(s->plan, "node.name", "?")));
		json_object_object_add(o, "core_alive", json_object_new_boolean(silent >= 0 && silent < FRESH_MS));
		json_object_object_add(o, "store_ok", json_object_new_boolean(core && core->pulse.store_ok));
		json_object_object_add(o, "core_silent", json_object_new_int64(silent));
		json_object_object_add(o, "running_hosts", json_object_new_int64(core ? core->pulse.running_hosts : 0));
		json_object_object_add(o, "running_units", json_object_new_int64(core ? core->pulse.running_units : 0));
		json_object_object_add(o, "ready_units", json_object_new_int64(core ? core->pulse.ready_units : 0));
		json_object_object_add(o, "restarts", json_object_new_int64(s->restarts));
		tell(c, "health", o, -1);
	}
}

void peers_send_reload(struct child *c)
{
	int fd = control_io_memfd("slice", c->slice);

	if (fd < 0 || !tell(c, "reload", json_object_new_boolean(true), fd))
		log_error("cannot tell %s of the new configuration: %s", c->title, strerror(errno));
	if (fd >= 0)
		close(fd);
}

void peers_send_drain(struct child *c, int64_t deadline)
{
	tell(c, "drain", json_object_new_int64(deadline), -1);
}
