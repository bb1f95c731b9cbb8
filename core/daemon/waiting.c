/* waiting.c - see waiting.h. */
#include "daemon/waiting.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "task/announced.h"
#include "task/envelope.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define REFRESH 1000 /* ms */

struct waiting_node {
	char *name, *pools;
	struct json_object *executors; /* task/announced.h; or NULL */
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
		.executors = announced_parse(node->executors),
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

static bool waits(const struct drover_task *task)
{
	return (task->state == DROVER_TASK_QUEUED || task->state == DROVER_TASK_RUNNING) &&
	       task->counts[DROVER_PENDING] && !task->counts[DROVER_RUNNING];
}

/* Of a task that its own node executes. */
static void say_home(const struct waiting *w, const struct drover_task *task, char *text, size_t size)
{
	const struct waiting_node *node = w->nodes, *end = w->nodes + w->count;
	struct announced_executor executor;

	while (node < end && (!node->lives || strcmp(node->name, task->home) != 0))
		node++;
	if (node == end)
		snprintf(text, size, "the node %.200s, which executes it, is down", task->home);
	else if (!announced_find(node->executors, task->executor, &executor))
		snprintf(text, size, "the node %.200s, which executes it, has no executor %.100s any more", task->home,
			 task->executor);
	else if (!executor.up)
		snprintf(text, size, "the executor %.100s of the node %.200s, which executes it, is down",
			 task->executor, task->home);
}

static void say_pool(const struct waiting *w, const struct drover_task *task, char *text, size_t size)
{
	size_t in_pool = 0, serving = 0, taking = 0, up = 0;
	struct announced_executor executor;

	for (size_t i = 0; i < w->count; i++) {
		const struct waiting_node *node = &w->nodes[i];

		if (!has_word(node->pools, task->pool))
			continue;
		in_pool++;
		if (!announced_find(node->executors, task->executor, &executor) ||
		    !announced_has_type(&executor, task->type))
			continue;
		serving++;
		taking += node->takes;
		up += node->takes && executor.up;
	}
	if (!in_pool)
		snprintf(text, size, "no engine serves pool %.100s", task->pool);
	else if (!serving)
		snprintf(text, size, "no engine of pool %.100s serves type %.100s by an executor %.100s", task->pool,
			 task->type, task->executor);
	else if (!taking)
		snprintf(text, size, "all engines of pool %.100s that serve type %.100s drain or are down", task->pool,
			 task->type);
	else if (!up)
		snprintf(text, size, "the executor %.100s is down on all engines of pool %.100s that serve type %.100s",
			 task->executor, task->pool, task->type);
}

void waiting_say(struct waiting *w, const struct drover_task *task, char *text, size_t size)
{
	*text = '\0';
	if (!waits(task))
		return;
	pthread_mutex_lock(&w->lock);
	if (w->count && task->home)
		say_home(w, task, text, size);
	else if (w->count)
		say_pool(w, task, text, size);
	pthread_mutex_unlock(&w->lock);
}

/* --------------------------------------------------------------------------------- its envelope */

struct judging {
	const struct core *core;
	char id[161]; /* of the task; "": it need not be looked at */
	int64_t key, unit;
	bool found;
	char *text;
	size_t size;
};

static int see_task(void *context, const struct drover_task *task)
{
	struct judging *j = context;

	if (waits(task) && !task->home && strlen(task->id) < sizeof(j->id))
		strcpy(j->id, task->id);
	j->key = task->key;
	return 0;
}

static int see_unit(void *context, const struct drover_unit_row *row)
{
	((struct judging *)context)->unit = row->unit;
	return 0;
}

static int see_envelope(void *context, int64_t unit, struct drover_bytes envelope)
{
	struct judging *j = context;
	struct drover_error why = { 0 };

	if (unit != j->unit)
		envelope = (struct drover_bytes){ NULL, 0 };
	j->found = true;
	if (envelope_judge(j->core->keys, envelope.data, envelope.size, j->id, j->unit, &why) != ENVELOPE_SOUND)
		snprintf(j->text, j->size, "unit %lld is refused: %s", (long long)j->unit, why.message);
	return 0;
}

void waiting_judge(const struct core *core, struct drover_session *session, const char *id, char *text, size_t size)
{
	struct judging j = { .core = core, .unit = -1, .text = text, .size = size };
	struct drover_error err = { 0 };

	*text = '\0';
	if (!signing_keys_can_verify(core->keys) || core->ops->task(session, id, 0, see_task, &j, &err) || !*j.id)
		return;
	if (core->ops->ready_units(session, j.key, -1, 1, see_unit, &j, &err) || j.unit < 0)
		return;
	if (!core->ops->envelopes(session, j.key, j.unit, 1, see_envelope, &j, &err) && !j.found)
		see_envelope(&j, j.unit, (struct drover_bytes){ NULL, 0 });
}
