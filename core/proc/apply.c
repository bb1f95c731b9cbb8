/* apply.c - carries a plan out: the first one, and each that comes by SIGHUP. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "conf/wipe.h"
#include "proc/slice.h"
#include "proc/supervisor.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* Sinks and the monitor have nothing to finish that would not come again. */
#define END_MS 5000

static int find_role(const char *word)
{
	static const char *const words[] = { "core", "executor", "sink", "monitor" };

	for (int i = 0; word && i < 4; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* What a child is made of: text that is the same exactly where nothing has changed. */
static void take_over(struct child *c, const char *slice, const char *user)
{
	if (c->slice)
		explicit_bzero(c->slice, strlen(c->slice));
	free(c->slice);
	free(c->user);
	c->slice = xstrdup(slice);
	c->user = xstrdup(user);
}

static void drain_executor(struct child *c)
{
	int64_t drain = c->supervisor->drain;

	peers_send_drain(c, clock_boot_ms() + drain);
	child_end(c, drain + END_MS);
}

static void change(struct child *c, const char *slice, const char *user)
{
	bool same = equal(c->slice, slice) && equal(c->user, user);

	if (same) {
		if (c->role == CHILD_SINK || c->role == CHILD_CORE)
			peers_send_reload(c); /* its files may have been moved away, or hold something else */
		return;
	}
	if (!equal(c->user, user) && c->role == CHILD_CORE)
		log_warning("the core's user changes only with a restart of droverd");
	take_over(c, slice, user);
	switch (c->role) {
	case CHILD_CORE:
		peers_send_reload(c);
		return;
	case CHILD_EXECUTOR:
		log_info("%s has changed: it is started again when its units have ended", c->title);
		drain_executor(c);
		return;
	case CHILD_SINK:
		log_info("%s has changed: it is started again", c->title);
		peers_send_drain(c, clock_boot_ms() + END_MS);
		break;
	case CHILD_MONITOR:
		break;
	}
	child_end(c, END_MS);
}

/* Settings of the node that only a restart changes. */
static void warn_fixed(struct supervisor *s, struct json_object *plan)
{
	static const char *const fixed[] = { "node.name", "node.state_dir", "node.isolation", "node.user" };

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!equal(slice_text(s->plan, fixed[i], NULL), slice_text(plan, fixed[i], NULL)))
			log_warning("%s has changed: that needs a restart of droverd", fixed[i]);
}

static bool is_in(struct json_object *processes, const struct child *c)
{
	for (size_t i = 0; i < json_object_array_length(processes); i++) {
		struct json_object *p = json_object_array_get_idx(processes, i);

		if (find_role(slice_text(p, "role", NULL)) == (int)c->role && equal(slice_text(p, "name", ""), c->name))
			return true;
	}
	return false;
}

int apply_plan(struct supervisor *s, struct json_object *plan, struct drover_error *err)
{
	struct json_object *processes = slice_get(plan, "processes");

	if (!json_object_is_type(processes, json_type_array)) {
		json_object_put(plan);
		return drover_error_set(err, DROVER_EFAULT, "the plan has no processes");
	}
	if (s->started)
		warn_fixed(s, plan);
	wipe_put(s->plan);
	s->plan = plan;
	s->drain = slice_int(plan, "node.drain", 60000);
	s->core_silence = slice_int(plan, "node.core_silence", 30000);
	for (size_t i = 0; i < json_object_array_length(processes); i++) {
		struct json_object *p = json_object_array_get_idx(processes, i);
		const char *name = slice_text(p, "name", ""), *user = slice_text(p, "user", NULL);
		const char *slice = json_object_to_json_string_ext(slice_get(p, "slice"), JSON_C_TO_STRING_PLAIN);
		int role = find_role(slice_text(p, "role", NULL));
		struct child *c = role < 0 ? NULL : child_find(s, (enum child_role)role, name);

		if (role < 0)
			continue;
		if (c)
			change(c, slice, user);
		else
			take_over(child_new(s, (enum child_role)role, name), slice, user);
		/* It is json-c's own copy, kept until the object goes. */
		explicit_bzero((char *)slice, strlen(slice));
	}
	for (struct child *c = s->children; c; c = c->next) {
		if (c->removed || is_in(processes, c))
			continue;
		log_info("%s is no longer configured", c->title);
		peers_send_drain(c, clock_boot_ms() + (c->role == CHILD_EXECUTOR ? s->drain : END_MS));
		child_remove(c, c->role == CHILD_EXECUTOR ? s->drain + END_MS : END_MS);
	}
	s->started = true;
	child_settle_all(s);
	return 0;
}
