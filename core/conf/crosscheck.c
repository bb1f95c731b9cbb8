/* crosscheck.c - what concerns several options at once, or something outside of the files. */
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/option.h"
#include "conf/sink_events.h"

#define NODE_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static void check_account(struct conf *c, const struct conf_applied *a, const char *option, const char *account)
{
	char path[160];

	if (!account || getpwnam(account))
		return;
	snprintf(path, sizeof(path), "%s.%s", a->path, option);
	errors_add(c->errors, section_place(c, a, option), path, "there is no account `%.80s` on this machine",
		   account);
}

static void check_node(struct conf *c)
{
	const struct conf_applied *a = &c->tables[SCHEMA_NODE];
	const struct schema_node *node = a->self;
	const struct conf_instances *executors = conf_list(c, SCHEMA_EXECUTORS);

	if (!*node->name || strlen(node->name) > 64 || strspn(node->name, NODE_LETTERS) != strlen(node->name))
		errors_add(c->errors, section_place(c, a, "name"), "node.name",
			   "\"%.80s\" is no node's name: 1 to 64 letters, digits, `.`, `_` and `-`", node->name);
	if (*node->state_dir != '/')
		errors_add(c->errors, section_place(c, a, "state_dir"), "node.state_dir",
			   "\"%.80s\" does not begin with `/`: write the whole path", node->state_dir);
	for (size_t i = 0; i < node->pools.count; i++)
		if (!*node->pools.items[i] || strlen(node->pools.items[i]) > 64 ||
		    strspn(node->pools.items[i], NODE_LETTERS) != strlen(node->pools.items[i]))
			errors_add(c->errors, section_place(c, a, "pools"), "node.pools",
				   "\"%.80s\" is no pool's name: 1 to 64 letters, digits, `.`, `_` and `-`",
				   node->pools.items[i]);
	check_account(c, a, "user", node->user);
	for (size_t i = 0; i < executors->count; i++) {
		const struct schema_executor *common = executors->items[i].common.self;

		check_account(c, &executors->items[i].common, "run_as", common->run_as);
	}
}

static void too_long(struct conf *c, const char *option, const char *text)
{
	const struct conf_applied *lease = &c->tables[SCHEMA_LEASE];
	char path[64];

	snprintf(path, sizeof(path), "lease.%s", option);
	errors_add(c->errors, section_place(c, lease, option), path, "%s", text);
}

static void less(struct conf *c, const char *smaller, int64_t a, const char *larger, int64_t b, const char *why)
{
	char text[256];

	if (a < b)
		return;
	snprintf(text, sizeof(text), "must be shorter than lease.%s (%" PRId64 " ms), not %" PRId64 " ms: %s", larger,
		 b, a, why);
	too_long(c, smaller, text);
}

/* Both together must be less, or a takeover would come before the owner has stopped, or for no reason. */
static void sum_less(struct conf *c, const char *one, int64_t a, const char *two, int64_t b, int64_t take_over,
		     const char *why)
{
	char text[320];

	if (a + b < take_over)
		return;
	snprintf(text, sizeof(text),
		 "%" PRId64 " ms and lease.%s (%" PRId64 " ms) together must be shorter than lease.take_over (%" PRId64
		 " ms): %s; shorten them, or make lease.take_over longer",
		 a, two, b, take_over, why);
	too_long(c, one, text);
}

static void check_lease(struct conf *c)
{
	const struct schema_lease *l = c->tables[SCHEMA_LEASE].self;

	less(c, "renew", l->renew, "stop_after", l->stop_after, "one late renewal would stop the node");
	less(c, "permit", l->permit, "permit_lost", l->permit_lost, "one late permit would stop the executors");
	sum_less(c, "stop_after", l->stop_after, "permit_lost", l->permit_lost, l->take_over,
		 "a node's units must have ended before others take them over");
	sum_less(c, "renew", l->renew, "read_gap", l->read_gap, l->take_over,
		 "a node that lives must have been seen to renew");
}

static void check_limits(struct conf *c)
{
	const struct conf_applied *a = &c->tables[SCHEMA_LIMITS];
	const struct schema_limits *l = a->self;

	if (l->output_default > l->output)
		errors_add(c->errors, section_place(c, a, "output_default"), "limits.output_default",
			   "%" PRId64 " bytes are more than limits.output (%" PRId64 ")", l->output_default, l->output);
}

/* NULL: the instance has no such option. */
static const void *option_of(const struct conf_instance *i, const char *name, enum drover_option_type type)
{
	const struct drover_option *option = i->info ? option_find(i->info->options, name) : NULL;

	if (!option || option->type != type || !i->options.self)
		return NULL;
	return (const char *)i->options.self + option->offset;
}

/*
 * A message of a topic of tasks is the same task again, by its id, until that is removed; from then on only the expiry
 * of its signature keeps it from being executed once more.
 */
static void check_replays(struct conf *c)
{
	const struct conf_instances *sources = conf_list(c, SCHEMA_SOURCES);
	const struct schema_store *store = c->store.common.self;

	for (size_t n = 0; n < sources->count && store; n++) {
		const struct conf_instance *i = &sources->items[n];
		const int64_t *age = option_of(i, "max_age", DROVER_TYPE_DURATION);
		char *const *tasks = option_of(i, "tasks", DROVER_TYPE_STRING);
		char path[160];

		if (!age || !tasks || !*tasks || *age < store->keep)
			continue;
		snprintf(path, sizeof(path), "%.120s.max_age", i->path);
		errors_add(c->errors, section_place(c, &i->options, "max_age"), path,
			   "%" PRId64 " s must be shorter than store.keep (%" PRId64 " s): a message that is repeated "
			   "after its task was removed would be executed again; make it shorter, or keep tasks longer",
			   *age / 1000, store->keep / 1000);
	}
}

void crosscheck(struct conf *c)
{
	check_node(c);
	check_lease(c);
	check_limits(c);
	sink_events_check(c);
	inventory_check(c);
	cluster_check(c);
	check_replays(c);
}
