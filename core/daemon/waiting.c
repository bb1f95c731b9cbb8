/* waiting.c - see waiting.h. */
#include "daemon/waiting.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define REFRESH 1000 /* ms */

struct waiting_node {
	char *name, *pools;
	struct json_object *executors; /* as announced: {name, types [text], …} each; or NULL */
	bool lives, takes;             /* is up; and does not drain */
};

struct waiting {
	const struct core *core;
	pthread_mutex_t lock;
	struct waiting_node *nodes; /* under lock, as all below */
	size_t count;
	int64_t read_at; /* CLOCK_BOOTTIME ms; 0: never */
};

struct reading {
	struct waiting_node *nodes;
	size_t count;
};

struct waiting *waiting_new(const struct core *core)
{
	struct waiting *w = xcalloc(1, sizeof(*w));

	w->core = core;
	pthread_mutex_init(&w->lock, NULL);
	return w;
}

static void dispose(struct waiting_node *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(nodes[i].name);
		free(nodes[i].pools);
		json_object_put(nodes[i].executors);
	}
	free(nodes);
}

void waiting_free(struct waiting *w)
{
	if (!w)
		return;
	dispose(w->nodes, w->count);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static int see_node(void *context, const struct drover_incarnation_row *row)
{
	struct reading *r = context;
	const struct drover_announcement *node = &row->node_is;
	bool draining = row->drain || (node->state && !strcmp(node->state, "draining"));

	r->nodes = xrealloc(r->nodes, (r->count + 1) * sizeof(*r->nodes));
	r->nodes[r->count++] = (struct waiting_node){
		.name = xstrdup(row->node),
		.pools = xstrdup(node->pools ? node->pools : ""),
		.executors = node->executors ? json_tokener_parse(node->executors) : NULL,
		.lives = !row->ended_at,
		.takes = !row->ended_at && !draining,
	};
	return 0;
}

void waiting_refresh(struct waiting *w)
{
	const struct core *core = w->core;
	struct reading r = { NULL, 0 };
	struct drover_session *session;
	struct drover_error err = { 0 };
	int64_t now = clock_boot_ms();
	bool due;
	int code;

	pthread_mutex_lock(&w->lock);
	due = !w->read_at || now - w->read_at >= REFRESH;
	if (due)
		w->read_at = now;
	pthread_mutex_unlock(&w->lock);
	if (!due || readers_take(core->readers, &session, &err))
		return;
	code = core->ops->nodes(session, see_node, &r, &err);
	readers_give(core->readers, session, code != 0);
	if (code) {
		log_debug("cannot read the nodes: %s", err.message);
		dispose(r.nodes, r.count);
		return;
	}
	pthread_mutex_lock(&w->lock);
	dispose(w->nodes, w->count);
	w->nodes = r.nodes;
	w->count = r.count;
	pthread_mutex_unlock(&w->lock);
}

/* ----------------------------------------------------------------------------------- the words */

static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += size)
		if ((at == words || at[-1] == ' ') && (!at[size] || at[size] == ' '))
			return true;
	return false;
}

static bool has_type(struct json_object *types, const char *type)
{
	size_t count = json_object_is_type(types, json_type_array) ? json_object_array_length(types) : 0;

	for (size_t i = 0; i < count; i++)
		if (!strcmp(json_object_get_string(json_object_array_get_idx(types, i)), type))
			return true;
	return false;
}

static bool serves(const struct waiting_node *node, const struct drover_task *task)
{
	size_t count =
		json_object_is_type(node->executors, json_type_array) ? json_object_array_length(node->executors) : 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *executor = json_object_array_get_idx(node->executors, i);
		const char *name = json_object_get_string(json_object_object_get(executor, "name"));

		if (name && !strcmp(name, task->executor) &&
		    has_type(json_object_object_get(executor, "types"), task->type))
			return true;
	}
	return false;
}

/* Of a task that its own node executes. */
static void say_home(const struct waiting *w, const char *home, char *text, size_t size)
{
	for (size_t i = 0; i < w->count; i++)
		if (!strcmp(w->nodes[i].name, home) && w->nodes[i].lives)
			return;
	snprintf(text, size, "the node %.200s, which executes it, is down", home);
}

static void say_pool(const struct waiting *w, const struct drover_task *task, char *text, size_t size)
{
	size_t in_pool = 0, serving = 0, taking = 0;

	for (size_t i = 0; i < w->count; i++) {
		const struct waiting_node *node = &w->nodes[i];

		if (!has_word(node->pools, task->pool))
			continue;
		in_pool++;
		if (!serves(node, task))
			continue;
		serving++;
		taking += node->takes;
	}
	if (!in_pool)
		snprintf(text, size, "no engine serves pool %.100s", task->pool);
	else if (!serving)
		snprintf(text, size, "no engine of pool %.100s serves type %.100s by an executor %.100s", task->pool,
			 task->type, task->executor);
	else if (!taking)
		snprintf(text, size, "all engines of pool %.100s that serve type %.100s drain or are down", task->pool,
			 task->type);
}

void waiting_say(struct waiting *w, const struct drover_task *task, char *text, size_t size)
{
	*text = '\0';
	if ((task->state != DROVER_TASK_QUEUED && task->state != DROVER_TASK_RUNNING) ||
	    !task->counts[DROVER_PENDING] || task->counts[DROVER_RUNNING])
		return;
	pthread_mutex_lock(&w->lock);
	if (w->count && task->home)
		say_home(w, task->home, text, size);
	else if (w->count)
		say_pool(w, task, text, size);
	pthread_mutex_unlock(&w->lock);
}
