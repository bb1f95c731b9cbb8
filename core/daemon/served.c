/* served.c - see served.h. */
#include "daemon/served.h"

#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "task/json.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define EMPTY_MS 100

struct served_keeper {
	struct readers *readers;
	const struct drover_store_ops *ops;
	atomic_llong remember, refresh;
	pthread_mutex_t lock;
	pthread_cond_t read;
	struct served *now; /* NULL: never read */
	bool reading;
};

/* ------------------------------------------------------------------------------------- one reading */

struct reading {
	struct served *served;
	const struct served *before; /* or NULL */
	int64_t since;               /* UTC ms: renewed after that, or it does not count */
};

static void keep_node(struct served *s, const char *pools, const char *executors,
		      const struct drover_incarnation_row *row)
{
	s->nodes = xrealloc(s->nodes, (s->node_count + 1) * sizeof(*s->nodes));
	s->nodes[s->node_count++] = (struct served_node){ .name = xstrdup(row->node),
							  .pools = xstrdup(pools),
							  .executors = xstrdup(executors),
							  .lives = !row->ended_at,
							  .incarnation = row->incarnation };
}

/* A node that starts anew has not announced anything yet: it counts for what it was. */
static void keep_old(struct reading *r, const struct drover_incarnation_row *row)
{
	for (size_t i = 0; r->before && i < r->before->node_count; i++)
		if (!strcmp(r->before->nodes[i].name, row->node)) {
			keep_node(r->served, r->before->nodes[i].pools, r->before->nodes[i].executors, row);
			return;
		}
}

static int take_node(void *context, const struct drover_incarnation_row *row)
{
	struct reading *r = context;
	const struct drover_announcement *is = &row->node_is;

	if (row->ended_at && row->renewed_at < r->since)
		return 0;
	if (!is->state || !*is->state)
		keep_old(r, row);
	else if (is->pools && *is->pools && is->executors)
		keep_node(r->served, is->pools, is->executors, row);
	return 0;
}

static int by_life(const void *a, const void *b)
{
	const struct served_node *one = a, *other = b;

	if (one->lives != other->lives)
		return one->lives ? -1 : 1;
	return (one->incarnation < other->incarnation) - (one->incarnation > other->incarnation);
}

static struct task_pool *find_pool(struct served *s, const char *name)
{
	for (size_t i = 0; i < s->pool_count; i++)
		if (!strcmp(s->pools[i].name, name))
			return &s->pools[i];
	s->pools = xrealloc(s->pools, (s->pool_count + 2) * sizeof(*s->pools));
	s->pools[s->pool_count] = (struct task_pool){ .name = xstrdup(name) };
	s->pools[s->pool_count + 1] = (struct task_pool){ .name = NULL };
	return &s->pools[s->pool_count++];
}

/* Of executors with one name in a pool the first counts. */
static void add_executor(struct task_pool *pool, struct json_object *one, const char *node)
{
	struct json_object *list = json_object_new_array();
	struct executors read;
	struct drover_error err = { 0 };

	json_object_array_add(list, json_object_get(one));
	if (executors_read(list, &read, &err)) {
		log_debug("what the node %s announces is not taken: %s", node, err.message);
		executors_dispose(&read);
	} else if (!*read.items->name || executors_find(&pool->executors, read.items->name) >= 0) {
		executors_dispose(&read);
	} else {
		struct executors *all = &pool->executors;

		all->items = xrealloc(all->items, (all->count + 1) * sizeof(*all->items));
		all->items[all->count++] = *read.items;
		free(read.items);
	}
	json_object_put(list);
}

static bool same_row(const struct served_row *row, const struct executor_entry *e)
{
	return !strcmp(row->name, e->name) && !strcmp(row->plugin, e->plugin) && !strcmp(row->version, e->version) &&
	       !strcmp(row->types, e->types_text);
}

static void add_row(struct served *s, const struct executor_entry *e, const struct served_node *node)
{
	struct served_row *row = s->rows, *end = s->rows + s->row_count;
	struct buf nodes = BUF_INIT;

	while (row < end && !same_row(row, e))
		row++;
	if (row == end) {
		s->rows = xrealloc(s->rows, (s->row_count + 1) * sizeof(*s->rows));
		row = &s->rows[s->row_count++];
		*row = (struct served_row){ .name = xstrdup(e->name),
					    .plugin = xstrdup(e->plugin),
					    .version = xstrdup(e->version),
					    .types = xstrdup(e->types_text),
					    .summary = xstrdup(e->summary) };
	}
	buf_printf(&nodes, "%s%s%s", row->nodes ? row->nodes : "", row->nodes ? " " : "", node->name);
	free(row->nodes);
	row->nodes = buf_take(&nodes);
	row->up = row->up || (node->lives && !e->down);
}

static void add_node(struct served *s, const struct served_node *node)
{
	struct json_object *list = NULL;
	struct executors all = { NULL, 0 };
	struct drover_error err = { 0 };
	char *pools = xstrdup(node->pools), *rest = NULL;
	size_t count;

	if (json_read(node->executors, strlen(node->executors), &list, &err))
		log_debug("what the node %s announces is not taken: %s", node->name, err.message);
	count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	for (char *name = strtok_r(pools, " ", &rest); name; name = strtok_r(NULL, " ", &rest))
		for (size_t i = 0; i < count; i++)
			add_executor(find_pool(s, name), json_object_array_get_idx(list, i), node->name);
	if (count && !executors_read(list, &all, &err))
		for (size_t i = 0; i < all.count; i++)
			add_row(s, &all.items[i], node);
	executors_dispose(&all);
	json_object_put(list);
	free(pools);
}

static void served_destroy(struct served *s)
{
	for (size_t i = 0; i < s->pool_count; i++) {
		free(s->pools[i].name);
		executors_dispose(&s->pools[i].executors);
	}
	for (size_t i = 0; i < s->row_count; i++) {
		free(s->rows[i].name);
		free(s->rows[i].plugin);
		free(s->rows[i].version);
		free(s->rows[i].types);
		free(s->rows[i].summary);
		free(s->rows[i].nodes);
	}
	for (size_t i = 0; i < s->node_count; i++) {
		free(s->nodes[i].name);
		free(s->nodes[i].pools);
		free(s->nodes[i].executors);
	}
	free(s->pools);
	free(s->rows);
	free(s->nodes);
	free(s);
}

static int read_served(struct served_keeper *keeper, const struct served *before, struct served **served,
		       struct drover_error *err)
{
	struct served *s = xcalloc(1, sizeof(*s));
	struct reading reading = { .served = s,
				   .before = before,
				   .since = clock_utc_ms() - atomic_load(&keeper->remember) };
	struct drover_session *session;
	int code = readers_take(keeper->readers, &session, err);

	atomic_store(&s->references, 1);
	s->pools = xcalloc(1, sizeof(*s->pools));
	s->read_at = clock_boot_ms();
	if (!code) {
		code = keeper->ops->nodes(session, take_node, &reading, err);
		readers_give(keeper->readers, session, code == DROVER_EFAULT || code == DROVER_ERETRY);
	}
	if (s->node_count)
		qsort(s->nodes, s->node_count, sizeof(*s->nodes), by_life);
	for (size_t i = 0; i < s->node_count; i++)
		add_node(s, &s->nodes[i]);
	if (code)
		served_destroy(s);
	*served = code ? NULL : s;
	return code;
}

/* -------------------------------------------------------------------------------------- the keeper */

struct served_keeper *served_new(struct readers *readers, const struct drover_store_ops *ops)
{
	struct served_keeper *keeper = xcalloc(1, sizeof(*keeper));

	keeper->readers = readers;
	keeper->ops = ops;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->read, NULL);
	return keeper;
}

void served_configure(struct served_keeper *keeper, int64_t remember, int64_t refresh)
{
	if (!keeper)
		return;
	atomic_store(&keeper->remember, remember);
	atomic_store(&keeper->refresh, refresh);
}

void served_free(struct served_keeper *keeper)
{
	if (!keeper)
		return;
	served_give(keeper->now);
	pthread_mutex_destroy(&keeper->lock);
	pthread_cond_destroy(&keeper->read);
	free(keeper);
}

void served_give(struct served *served)
{
	if (served && atomic_fetch_sub(&served->references, 1) == 1)
		served_destroy(served);
}

/* Where there are no engines somebody waits for the first one. */
static bool is_fresh(const struct served_keeper *keeper)
{
	int64_t age = keeper->now ? clock_boot_ms() - keeper->now->read_at : 0;

	return keeper->now && age < atomic_load(&keeper->refresh) && (keeper->now->pool_count || age < EMPTY_MS);
}

/* Under the lock; others go on with the last reading meanwhile. */
static int refresh(struct served_keeper *keeper, struct drover_error *err)
{
	struct served *fresh, *old = keeper->now; /* nobody else takes it away while this one reads */
	int code;

	keeper->reading = true;
	pthread_mutex_unlock(&keeper->lock);
	code = read_served(keeper, old, &fresh, err);
	pthread_mutex_lock(&keeper->lock);
	if (fresh) {
		keeper->now = fresh;
		served_give(old);
	}
	keeper->reading = false;
	pthread_cond_broadcast(&keeper->read);
	return code;
}

int served_take(struct served_keeper *keeper, struct served **served, struct drover_error *err)
{
	struct drover_error why = { 0 };

	*served = NULL;
	pthread_mutex_lock(&keeper->lock);
	while (!keeper->now && keeper->reading)
		pthread_cond_wait(&keeper->read, &keeper->lock);
	if (!keeper->reading && !is_fresh(keeper))
		refresh(keeper, &why);
	*served = keeper->now;
	if (*served)
		atomic_fetch_add(&(*served)->references, 1);
	pthread_mutex_unlock(&keeper->lock);
	return *served ? 0
		       : drover_error_set(err, DROVER_ERETRY, "it is not known what engines there are: %s",
					  why.message);
}
