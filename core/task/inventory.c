/* inventory.c - see inventory.h. */
#include "task/inventory.h"

#include <ctype.h>
#include <json-c/json.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include <drover/error.h>

#include "conf/suggest.h"
#include "task/inventory_vars.h"
#include "util/buf.h"
#include "util/nodeset.h"

#define NESTING_MAX 64
#define NAME_MAX_SIZE 253
#define SKIPPED_SHOWN 20

struct host {
	struct inventory_host it;
	size_t index;
	UT_hash_handle hh;
};

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE }; /* of the search for cycles */

struct group {
	char *name;
	size_t index;
	struct host **hosts;
	size_t host_count, host_room;
	struct group **children;
	size_t child_count, child_room;
	enum mark mark;
	int height; /* of the groups in it, once it is marked done */
	UT_hash_handle hh;
};

struct inventory {
	atomic_int references;
	struct inventory_limits limits;
	struct host *hosts;   /* by name, in the order of their appearance */
	struct group *groups; /* by name, in the order of names */
	size_t host_count, group_count, members;
	struct buf skipped;
	size_t skipped_count;
};

/* ------------------------------------------------------------------------------------- making it */

static struct group *get_group(struct inventory *in, const char *name)
{
	struct group *g;

	HASH_FIND_STR(in->groups, name, g);
	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	g->name = xstrdup(name);
	g->index = in->group_count++;
	HASH_ADD_KEYPTR(hh, in->groups, g->name, strlen(g->name), g);
	return g;
}

static void skip(struct inventory *in, const char *name)
{
	if (in->skipped_count++ < SKIPPED_SHOWN)
		buf_printf(&in->skipped, "%s\"%.80s\"", in->skipped.size ? ", " : "", name);
}

/* NULL: that is no host's name. */
static struct host *get_host(struct inventory *in, const char *name)
{
	char lower[NAME_MAX_SIZE + 1];
	struct host *h;
	size_t size = 0;

	if (!nodeset_name_valid(name))
		return NULL;
	for (; name[size]; size++)
		lower[size] = (char)tolower((unsigned char)name[size]);
	lower[size] = '\0';
	HASH_FIND(hh, in->hosts, lower, size, h);
	if (h)
		return h;
	h = xcalloc(1, sizeof(*h));
	h->it.name = xstrdup(lower);
	h->index = in->host_count++;
	HASH_ADD_KEYPTR(hh, in->hosts, h->it.name, size, h);
	return h;
}

static void *grown(void *list, size_t count, size_t *room)
{
	if (count < *room)
		return list;
	*room = *room ? *room * 2 : 8;
	return xrealloc(list, *room * sizeof(void *));
}

/* A list of names, or nothing. */
static int names_of(struct json_object *group, const char *name, const char *member, struct json_object **names,
		    struct drover_error *err)
{
	if (!json_object_object_get_ex(group, member, names))
		*names = NULL;
	if (*names && !json_object_is_type(*names, json_type_array))
		return drover_error_set(err, DROVER_EINVALID, "group %.80s: its `%s` is no list", name, member);
	for (size_t i = 0; *names && i < json_object_array_length(*names); i++) {
		struct json_object *item = json_object_array_get_idx(*names, i);

		if (!json_object_is_type(item, json_type_string) ||
		    strlen(json_object_get_string(item)) != (size_t)json_object_get_string_len(item))
			return drover_error_set(err, DROVER_EINVALID, "group %.80s: its `%s` holds what is no name",
						name, member);
	}
	return 0;
}

static int add_members(struct inventory *in, struct group *g, struct json_object *hosts, struct json_object *children,
		       struct drover_error *err)
{
	for (size_t i = 0; hosts && i < json_object_array_length(hosts); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(hosts, i));
		struct host *h = get_host(in, name);

		if (!h) {
			skip(in, name);
			continue;
		}
		g->hosts = grown(g->hosts, g->host_count, &g->host_room);
		g->hosts[g->host_count++] = h;
	}
	for (size_t i = 0; children && i < json_object_array_length(children); i++) {
		g->children = grown(g->children, g->child_count, &g->child_room);
		g->children[g->child_count++] =
			get_group(in, json_object_get_string(json_object_array_get_idx(children, i)));
	}
	in->members += g->host_count + g->child_count;
	if ((int64_t)in->host_count > in->limits.hosts || (int64_t)in->group_count > in->limits.groups ||
	    (int64_t)in->members > in->limits.members)
		return drover_error_set(err, DROVER_ELIMIT,
					"the inventory is too large: at most %lld hosts (inventory.hosts_limit), "
					"%lld groups (groups_limit), %lld members of these (members_limit)",
					(long long)in->limits.hosts, (long long)in->limits.groups,
					(long long)in->limits.members);
	return 0;
}

static int add_group(struct inventory *in, const char *name, struct json_object *value, struct drover_error *err)
{
	struct json_object *hosts, *children;
	int code;

	if (!json_object_is_type(value, json_type_object))
		return drover_error_set(err, DROVER_EINVALID, "group %.80s is no object", name);
	code = names_of(value, name, "hosts", &hosts, err);
	if (!code)
		code = names_of(value, name, "children", &children, err);
	return code ? code : add_members(in, get_group(in, name), hosts, children, err);
}

/*
 * In depth first; a group that is met while it is still open contains itself. What is below a group that was met
 * before counts by its height, or chains would have no end.
 */
static int check_nesting(struct group *g, int depth, struct drover_error *err)
{
	int code = 0;

	if (g->mark == MARK_OPEN)
		return drover_error_set(err, DROVER_EINVALID, "group %.80s contains itself", g->name);
	if (depth + g->height > NESTING_MAX)
		return drover_error_set(err, DROVER_ELIMIT, "groups are nested more than %d deep, at %.80s",
					NESTING_MAX, g->name);
	if (g->mark == MARK_DONE)
		return 0;
	g->mark = MARK_OPEN;
	for (size_t i = 0; i < g->child_count && !code; i++) {
		code = check_nesting(g->children[i], depth + 1, err);
		if (g->children[i]->height >= g->height)
			g->height = g->children[i]->height + 1;
	}
	g->mark = MARK_DONE;
	return code;
}

/* How to reach the hosts. Of two names that differ in case only the first one's variables count. */
static int add_variables(struct inventory *in, struct json_object *meta, struct drover_error *err)
{
	struct json_object *all = NULL;

	if (meta && !json_object_is_type(meta, json_type_object))
		return drover_error_set(err, DROVER_EINVALID, "`_meta` is no object");
	if (!meta || !json_object_object_get_ex(meta, "hostvars", &all))
		return 0;
	if (!json_object_is_type(all, json_type_object))
		return drover_error_set(err, DROVER_EINVALID, "`_meta.hostvars` is no object");
	json_object_object_foreach (all, name, vars) {
		char lower[NAME_MAX_SIZE + 1];
		struct host *h = NULL;
		size_t size = 0;

		for (; size < NAME_MAX_SIZE && name[size]; size++)
			lower[size] = (char)tolower((unsigned char)name[size]);
		if (!name[size])
			HASH_FIND(hh, in->hosts, lower, size, h);
		if (!h)
			continue;
		if (!json_object_is_type(vars, json_type_object))
			return drover_error_set(err, DROVER_EINVALID, "the variables of host %.80s are no object",
						name);
		if (!h->it.address && !h->it.user && !h->it.port && !h->it.vars)
			inventory_read_host(vars, &h->it);
	}
	return 0;
}

static int by_name(const struct group *a, const struct group *b)
{
	return strcmp(a->name, b->name);
}

int inventory_build(struct json_object *list, const struct inventory_limits *limits, struct inventory **inventory,
		    struct drover_error *err)
{
	struct inventory *in = xcalloc(1, sizeof(*in));
	int code = 0;

	atomic_init(&in->references, 1);
	in->limits = *limits;
	*inventory = NULL;
	if (!json_object_is_type(list, json_type_object)) {
		inventory_unref(in);
		return drover_error_set(err, DROVER_EINVALID, "it is no object");
	}
	buf_append(&in->skipped, "", 0);
	/* Both are always there for ansible, whether they are printed or not. */
	get_group(in, "all");
	get_group(in, "ungrouped");
	json_object_object_foreach (list, name, value)
		if (!code && strcmp(name, "_meta"))
			code = add_group(in, name, value, err);
	for (struct group *g = in->groups; g && !code; g = g->hh.next)
		code = check_nesting(g, 0, err);
	if (!code)
		code = add_variables(in, json_object_object_get(list, "_meta"), err);
	if (code) {
		inventory_unref(in);
		return code;
	}
	HASH_SORT(in->groups, by_name);
	*inventory = in;
	return 0;
}

struct inventory *inventory_ref(struct inventory *in)
{
	if (in)
		atomic_fetch_add(&in->references, 1);
	return in;
}

static void free_host(struct host *h)
{
	free(h->it.name);
	free(h->it.address);
	free(h->it.user);
	free(h->it.vars);
	for (int i = 0; i < INVENTORY_FIELDS; i++)
		free(h->it.bad[i]);
	free(h);
}

void inventory_unref(struct inventory *in)
{
	struct host *h, *next_host;
	struct group *g, *next_group;

	if (!in || atomic_fetch_sub(&in->references, 1) > 1)
		return;
	HASH_ITER (hh, in->hosts, h, next_host) {
		HASH_DEL(in->hosts, h);
		free_host(h);
	}
	HASH_ITER (hh, in->groups, g, next_group) {
		HASH_DEL(in->groups, g);
		free(g->hosts);
		free(g->children);
		free(g->name);
		free(g);
	}
	buf_dispose(&in->skipped);
	free(in);
}

/* ---------------------------------------------------------------------------------- asking it */

/* A group's hosts, gathered; `seen` so that each comes once, and each group is walked once. */
struct gathering {
	unsigned char *seen_hosts, *seen_groups;
	const char **names;
	size_t count, room;
};

static void gather_host(struct gathering *all, const struct host *h)
{
	if (all->seen_hosts[h->index])
		return;
	all->seen_hosts[h->index] = 1;
	all->names = grown(all->names, all->count, &all->room);
	all->names[all->count++] = h->it.name;
}

static void gather_group(struct gathering *all, const struct group *g)
{
	if (all->seen_groups[g->index])
		return;
	all->seen_groups[g->index] = 1;
	for (size_t i = 0; i < g->host_count; i++)
		gather_host(all, g->hosts[i]);
	for (size_t i = 0; i < g->child_count; i++)
		gather_group(all, g->children[i]);
}

static void gather(const struct inventory *in, const struct group *g, struct gathering *all)
{
	*all = (struct gathering){ .seen_hosts = xcalloc(in->host_count + 1, 1),
				   .seen_groups = xcalloc(in->group_count + 1, 1) };
	gather_group(all, g);
	/* Whatever it names as children: it is every host. */
	for (const struct host *h = strcmp(g->name, "all") ? NULL : in->hosts; h; h = h->hh.next)
		gather_host(all, h);
	free(all->seen_hosts);
	free(all->seen_groups);
}

static const struct group *find_group(const struct inventory *in, const char *name)
{
	struct group *g;

	HASH_FIND_STR(in->groups, strcmp(name, "*") ? name : "all", g);
	return g;
}

const struct inventory_host *inventory_host(const struct inventory *in, const char *name)
{
	struct host *h;

	HASH_FIND_STR(in->hosts, name, h);
	return h ? &h->it : NULL;
}

char *inventory_pattern(const struct inventory *in, const char *group)
{
	const struct group *g = find_group(in, group);
	struct buf pattern = BUF_INIT;
	struct gathering all;

	if (!g)
		return NULL;
	gather(in, g, &all);
	for (size_t i = 0; i < all.count; i++) {
		buf_string(&pattern, i ? "," : "");
		buf_string(&pattern, all.names[i]);
	}
	free(all.names);
	return buf_take(&pattern);
}

const char *inventory_suggest(const struct inventory *in, const char *word, char *text, size_t size)
{
	struct suggest near;

	suggest_begin(&near, word);
	for (const struct group *g = in->groups; g; g = g->hh.next)
		suggest_consider(&near, g->name);
	return suggest_text(&near, text, size);
}

static int show_group(const struct inventory *in, const struct group *g,
		      int (*fn)(void *context, const struct inventory_group *group), void *context)
{
	const char **children = xcalloc(g->child_count + 1, sizeof(*children));
	struct gathering all;
	int code;

	gather(in, g, &all);
	for (size_t i = 0; i < g->child_count; i++)
		children[i] = g->children[i]->name;
	code = fn(context, &(struct inventory_group){ .name = g->name,
						      .hosts = all.names,
						      .host_count = all.count,
						      .children = children,
						      .child_count = g->child_count });
	free(children);
	free(all.names);
	return code;
}

int inventory_groups(const struct inventory *in, const char *after,
		     int (*fn)(void *context, const struct inventory_group *group), void *context)
{
	int code = 0;

	for (const struct group *g = in->groups; g && !code; g = g->hh.next)
		if (!after || strcmp(g->name, after) > 0)
			code = show_group(in, g, fn, context);
	return code;
}

int inventory_group(const struct inventory *in, const char *name,
		    int (*fn)(void *context, const struct inventory_group *group), void *context)
{
	const struct group *g = find_group(in, name);

	return g ? show_group(in, g, fn, context) : DROVER_ENOTFOUND;
}

size_t inventory_host_count(const struct inventory *in)
{
	return in->host_count;
}

size_t inventory_group_count(const struct inventory *in)
{
	return in->group_count;
}

const char *inventory_skipped(const struct inventory *in, size_t *count)
{
	*count = in->skipped_count;
	return in->skipped.data;
}
