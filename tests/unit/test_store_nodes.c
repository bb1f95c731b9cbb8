/* test_store_nodes.c - what a store does for several nodes: their leases, and units that are published. */
#include "store_fixture.h"

static struct store st;

static void setup(void)
{
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

/* ------------------------------------------------------------------------------------------- leases */

struct node_row {
	struct drover_incarnation_row row; /* numbers only */
	char node[32], pools[64], executors[64], isolation[32], state[32];
};

struct node_rows {
	struct node_row rows[8];
	int count;
};

static int take_node(void *context, const struct drover_incarnation_row *row)
{
	struct node_rows *nodes = context;
	struct node_row *to = &nodes->rows[nodes->count++];

	ck_assert_int_le(nodes->count, 8);
	to->row = *row;
	store_copy(to->node, sizeof(to->node), row->node);
	store_copy(to->pools, sizeof(to->pools), row->node_is.pools);
	store_copy(to->executors, sizeof(to->executors), row->node_is.executors);
	store_copy(to->isolation, sizeof(to->isolation), row->node_is.isolation);
	store_copy(to->state, sizeof(to->state), row->node_is.state);
	return 0;
}

static struct node_rows nodes(void)
{
	struct node_rows nodes = { .count = 0 };

	WORKS(st.ops->nodes(st.w, take_node, &nodes, &err));
	return nodes;
}

static struct drover_renewal renew(int64_t incarnation, const struct drover_announcement *node_is)
{
	struct drover_renewal renewal = { .size = sizeof(renewal), .incarnation = incarnation, .node_is = node_is };

	store_begin(&st);
	WORKS(st.ops->renew(st.w, &renewal, &err));
	store_commit(&st);
	return renewal;
}

START_TEST(a_node_tells_the_others_what_it_is)
{
	struct drover_announcement is = { .size = sizeof(is),
					  .pools = "default dmz",
					  .executors = "[{\"name\":\"shell\"}]",
					  .isolation = "cgroup",
					  .state = "up",
					  .capacity_hosts = 2000,
					  .capacity_units = 512,
					  .dispatches = true };
	struct drover_renewal renewal = renew(st.incarnation, &is);
	struct drover_task task = store_task("t", 4, 2);
	struct node_rows seen = nodes();

	ck_assert_int_eq(seen.count, 1);
	ck_assert_str_eq(seen.rows[0].node, "n1");
	ck_assert_str_eq(seen.rows[0].pools, "default dmz");
	ck_assert_str_eq(seen.rows[0].executors, "[{\"name\":\"shell\"}]");
	ck_assert_str_eq(seen.rows[0].isolation, "cgroup");
	ck_assert_str_eq(seen.rows[0].state, "up");
	ck_assert_int_eq(seen.rows[0].row.node_is.capacity_hosts, 2000);
	ck_assert_int_eq(seen.rows[0].row.node_is.capacity_units, 512);
	ck_assert(seen.rows[0].row.node_is.dispatches);
	ck_assert_int_eq(seen.rows[0].row.renewed_at, renewal.renewed_at);
	ck_assert(!seen.rows[0].row.drain);

	/* What does not change is not said again. */
	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 0);
	renew(st.incarnation, &(struct drover_announcement){ .size = sizeof(is),
							     .state = "draining",
							     .capacity_hosts = 2000,
							     .capacity_units = 512,
							     .running_hosts = 2,
							     .running_units = 1 });
	renew(st.incarnation, NULL);
	seen = nodes();
	ck_assert_str_eq(seen.rows[0].pools, "default dmz");
	ck_assert_str_eq(seen.rows[0].state, "draining");
	ck_assert_int_eq(seen.rows[0].row.node_is.running_hosts, 2);
	ck_assert_int_eq(seen.rows[0].row.node_is.running_units, 1);
	ck_assert_int_eq(seen.rows[0].row.claimed_units, 1);
}
END_TEST

START_TEST(of_each_node_there_is_its_newest_incarnation)
{
	struct node_rows seen;
	int64_t b, n1;

	store_incarnate(&st, "b");
	n1 = store_incarnate(&st, "n1");
	b = store_incarnate(&st, "b");
	store_begin(&st);
	WORKS(st.ops->retire(st.w, n1, &err));
	store_commit(&st);
	seen = nodes();
	ck_assert_int_eq(seen.count, 2);
	ck_assert_str_eq(seen.rows[0].node, "b");
	ck_assert_int_eq(seen.rows[0].row.incarnation, b);
	ck_assert_int_eq(seen.rows[0].row.ended_at, 0);
	ck_assert_str_eq(seen.rows[0].pools, "");
	ck_assert_str_eq(seen.rows[1].node, "n1");
	ck_assert_int_eq(seen.rows[1].row.incarnation, n1);
	ck_assert_int_gt(seen.rows[1].row.ended_at, 0);
}
END_TEST

static bool expel(int64_t incarnation, int64_t renewed_at)
{
	bool ended;

	store_begin(&st);
	WORKS(st.ops->expel(st.w, incarnation, renewed_at, &ended, &err));
	store_commit(&st);
	return ended;
}

START_TEST(a_lease_is_ended_only_as_it_was_read)
{
	struct drover_task task = store_task("t", 4, 2);
	struct drover_renewal renewal = renew(st.incarnation, NULL);
	int64_t other = store_incarnate(&st, "n2");
	bool more;

	store_submit(&st, &task);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 1), 1);
	ck_assert(!expel(st.incarnation, renewal.renewed_at - 1));
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 1, 1), 1);
	ck_assert(expel(st.incarnation, renewal.renewed_at));
	ck_assert(!expel(st.incarnation, renewal.renewed_at));

	/* It gets nothing more, and is told. */
	store_begin(&st);
	ck_assert_int_eq(st.ops->renew(st.w, &renewal, &err), DROVER_ECONFLICT);
	st.ops->rollback(st.w);
	store_begin(&st);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, NULL, NULL, &more, &err));
	store_commit(&st);
	ck_assert_int_eq(store_get(&st, task.key).counts[DROVER_LOST], 2);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 0);
	ck_assert_int_eq(store_claim(&st, other, task.key, 0, 0), 2);
}
END_TEST

START_TEST(a_node_is_asked_to_drain)
{
	int64_t other = store_incarnate(&st, "n2");

	store_begin(&st);
	ck_assert_int_eq(st.ops->ask_drain(st.w, "nobody", true, &err), DROVER_ENOTFOUND);
	ck_assert_ptr_nonnull(strstr(err.message, "nobody"));
	st.ops->rollback(st.w);
	store_begin(&st);
	WORKS(st.ops->ask_drain(st.w, "n2", true, &err));
	WORKS(st.ops->ask_drain(st.w, "n2", true, &err)); /* said again it is the same */
	store_commit(&st);
	ck_assert(renew(other, NULL).drain);
	ck_assert(!renew(st.incarnation, NULL).drain);
	ck_assert(nodes().rows[1].row.drain);
	store_begin(&st);
	WORKS(st.ops->ask_drain(st.w, "n2", false, &err));
	store_commit(&st);
	ck_assert(!renew(other, NULL).drain);
	/* A new life of it begins anew. */
	store_begin(&st);
	WORKS(st.ops->ask_drain(st.w, "n2", true, &err));
	store_commit(&st);
	ck_assert(!renew(store_incarnate(&st, "n2"), NULL).drain);
}
END_TEST

/* ----------------------------------------------------------------------------------------- publishing */

enum { MINUTE = 60000 };

static void publish(int64_t task, int64_t unit, int64_t again_in)
{
	struct drover_publication publication = { .task_key = task, .unit = unit, .again_in = again_in };

	store_begin(&st);
	WORKS(st.ops->published(st.w, &publication, 1, &err));
	store_commit(&st);
}

struct due_list {
	char text[256]; /* "task/unit×publications envelope; …" */
};

static int take_due(void *context, const struct drover_due_unit *unit)
{
	struct due_list *list = context;
	size_t used = strlen(list->text);

	ck_assert_str_eq(unit->executor, "sim");
	ck_assert_int_gt(strlen(unit->task), 0);
	snprintf(list->text + used, sizeof(list->text) - used, "%s%" PRId64 "/%" PRId64 " %s %d %.*s", used ? "; " : "",
		 unit->task_key, unit->unit, unit->pool, unit->publications, (int)unit->envelope.size,
		 unit->envelope.size ? (const char *)unit->envelope.data : "");
	return 0;
}

static struct due_list due(bool now, const char *pools, int64_t limit)
{
	struct drover_due_filter filter = { .size = sizeof(filter), .due = now, .pools = pools, .limit = limit };
	struct due_list list = { "" };

	WORKS(st.ops->due_units(st.w, &filter, take_due, &list, &err));
	return list;
}

static int take_queued(void *context, const struct drover_queued *queued)
{
	struct due_list *list = context;
	size_t used = strlen(list->text);

	snprintf(list->text + used, sizeof(list->text) - used, "%s%s %s %" PRId64, used ? "; " : "", queued->pool,
		 queued->executor, queued->units);
	return 0;
}

static struct due_list queued(void)
{
	struct due_list list = { "" };

	WORKS(st.ops->queued(st.w, take_queued, &list, &err));
	return list;
}

/* Units of two hosts; their envelopes are "e0", "e1", … */
static struct drover_task signed_task(const char *id, const char *pool, int64_t hosts)
{
	struct drover_task task = store_task(id, hosts, 2);
	struct drover_unit_spec units[32];
	char envelopes[32][24];

	ck_assert_int_le(task.units, 32);
	task.pool = pool;
	for (int64_t i = 0; i < task.units; i++) {
		snprintf(envelopes[i], sizeof(envelopes[i]), "e%" PRId64, i);
		units[i] = (struct drover_unit_spec){ .first = i * 2,
						      .count = 2,
						      .envelope = { envelopes[i], strlen(envelopes[i]) } };
	}
	store_begin(&st);
	store_insert_split(&st, st.incarnation, &task, units);
	WORKS(st.ops->accept(st.w, task.key, &err));
	store_commit(&st);
	return task;
}

START_TEST(units_are_published_until_they_are_claimed)
{
	struct drover_task task = signed_task("t", "dmz", 8);

	ck_assert_str_eq(due(false, NULL, 0).text, "");
	ck_assert_str_eq(queued().text, "");
	publish(task.key, 1, MINUTE);
	publish(task.key, 0, 0);
	ck_assert_str_eq(queued().text, "dmz sim 2");
	ck_assert_str_eq(due(false, NULL, 0).text, "1/0 dmz 1 e0; 1/1 dmz 1 e1");
	ck_assert_str_eq(due(false, NULL, 1).text, "1/0 dmz 1 e0");
	ck_assert_str_eq(due(true, NULL, 0).text, "1/0 dmz 1 e0");
	ck_assert_str_eq(due(true, "dmz", 0).text, "1/0 dmz 1 e0");
	ck_assert_str_eq(due(true, "a dmz b", 0).text, "1/0 dmz 1 e0");
	ck_assert_str_eq(due(true, "dm dmzz", 0).text, "");
	publish(task.key, 0, 2 * MINUTE); /* later than the other, even within one millisecond */
	ck_assert_str_eq(due(true, NULL, 0).text, "");
	ck_assert_str_eq(due(false, NULL, 0).text, "1/1 dmz 1 e1; 1/0 dmz 2 e0");
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	ck_assert_str_eq(due(false, NULL, 0).text, "1/1 dmz 1 e1");
	ck_assert_str_eq(queued().text, "dmz sim 1");
	/* A report that comes after the claim changes nothing. */
	publish(task.key, 0, 0);
	ck_assert_str_eq(due(false, NULL, 0).text, "1/1 dmz 1 e1");
}
END_TEST

START_TEST(a_task_tells_how_far_it_was_published)
{
	struct drover_task task = signed_task("t", "default", 8);

	ck_assert_int_eq(store_get(&st, task.key).published, 0);
	ck_assert_int_eq(store_get(&st, task.key).incarnation, st.incarnation);
	publish(task.key, 1, MINUTE);
	publish(task.key, 2, MINUTE);
	ck_assert_int_eq(store_get(&st, task.key).published, 0);
	publish(task.key, 0, MINUTE);
	ck_assert_int_eq(store_get(&st, task.key).published, 3);
	/* The engine may be faster than the report. */
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 3, 0), 1);
	publish(task.key, 3, MINUTE);
	ck_assert_int_eq(store_get(&st, task.key).published, 4);
	ck_assert_int_eq(store_get(&st, task.key).published, task.units);
}
END_TEST

START_TEST(what_is_given_back_is_due_at_once)
{
	struct drover_task task = signed_task("t", "default", 4), own = store_task("own", 2, 2);
	struct drover_unit_end end = { .task_key = task.key,
				       .incarnation = st.incarnation,
				       .attempt = 1,
				       .begun = DROVER_LOST,
				       .rest = DROVER_PENDING };
	bool more;

	publish(task.key, 0, MINUTE);
	publish(task.key, 1, MINUTE);
	store_claim(&st, st.incarnation, task.key, 0, 1);
	store_end(&st, end);
	ck_assert_str_eq(due(true, NULL, 0).text, "1/0 default 0 e0");
	publish(task.key, 0, 2 * MINUTE);
	ck_assert_str_eq(due(false, NULL, 0).text, "1/1 default 1 e1; 1/0 default 1 e0");
	store_claim(&st, st.incarnation, task.key, 1, 1);
	/* Those of a task with a home of its own never are. */
	own.home = "n1";
	store_submit(&st, &own);
	ck_assert_int_eq(store_claim(&st, st.incarnation, own.key, 0, 1), 1);
	st.incarnation = store_incarnate(&st, "n1");
	store_begin(&st);
	WORKS(st.ops->sweep(st.w, MAX_ATTEMPTS, ALL, NULL, NULL, &more, &err));
	store_commit(&st);
	ck_assert_str_eq(due(true, NULL, 0).text, "1/1 default 0 e1");
	ck_assert_int_eq(store_unit(&st, own.key, 0).state, DROVER_UNIT_READY);
	/* And none of one that ends. */
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	store_commit(&st);
	ck_assert_str_eq(due(false, NULL, 0).text, "");
	ck_assert_str_eq(queued().text, "");
}
END_TEST

static int take_home(void *context, const struct drover_task *task)
{
	store_copy(context, 32, task->home);
	return 0;
}

START_TEST(a_task_keeps_its_home)
{
	struct drover_task_filter feed = { .size = sizeof(feed), .feed = true };
	struct drover_task task = store_task("t", 2, 2);
	char home[32] = "";

	task.home = "n1";
	store_submit(&st, &task);
	WORKS(st.ops->task(st.w, "t", 0, take_home, home, &err));
	ck_assert_str_eq(home, "n1");
	*home = '\0';
	WORKS(st.ops->tasks(st.w, &feed, take_home, home, &err));
	ck_assert_str_eq(home, "n1");
	signed_task("u", "default", 2);
	WORKS(st.ops->task(st.w, "u", 0, take_home, home, &err));
	ck_assert_str_eq(home, "");
}
END_TEST

static int take_envelope(void *context, int64_t unit, struct drover_bytes envelope)
{
	struct due_list *list = context;
	size_t used = strlen(list->text);

	snprintf(list->text + used, sizeof(list->text) - used, "%" PRId64 " %.*s;", unit, (int)envelope.size,
		 (const char *)envelope.data);
	return 0;
}

START_TEST(envelopes_stay_with_their_task)
{
	struct drover_task task = signed_task("t", "default", 8), gone;
	struct due_list list = { "" };
	bool more;

	store_claim(&st, st.incarnation, task.key, 2, 0);
	WORKS(st.ops->envelopes(st.w, task.key, 1, 2, take_envelope, &list, &err));
	ck_assert_str_eq(list.text, "1 e1;2 e2;");
	store_begin(&st);
	WORKS(st.ops->cancel(st.w, task.key, NULL, &err));
	for (int64_t i = 4; i < 6; i++) {
		struct drover_result r = { .task_key = task.key,
					   .unit = 2,
					   .incarnation = st.incarnation,
					   .attempt = 1,
					   .index = i,
					   .status = DROVER_OK };

		WORKS(st.ops->results(st.w, &r, 1, &err));
	}
	store_commit(&st);
	/* They go in small steps, and with the task. */
	for (int steps = 0; steps < 100; steps++) {
		store_begin(&st);
		WORKS(st.ops->retain(st.w, INT64_MAX, 3, &more, &err));
		store_commit(&st);
		if (!more)
			break;
		ck_assert_int_lt(steps, 99);
	}
	*list.text = '\0';
	WORKS(st.ops->envelopes(st.w, task.key, 0, 0, take_envelope, &list, &err));
	ck_assert_str_eq(list.text, "");

	gone = signed_task("u", "default", 2);
	WORKS(st.ops->envelopes(st.w, gone.key, 0, 0, take_envelope, &list, &err));
	ck_assert_str_eq(list.text, "0 e0;");
}
END_TEST

START_TEST(an_abandoned_submission_takes_its_envelopes_with_it)
{
	struct drover_task task = store_task("t", 2, 2);
	struct drover_unit_spec unit = { .count = 2, .envelope = { "e", 1 } };
	struct due_list list = { "" };

	store_begin(&st);
	store_insert_split(&st, st.incarnation, &task, &unit);
	store_commit(&st);
	WORKS(st.ops->envelopes(st.w, task.key, 0, 0, take_envelope, &list, &err));
	ck_assert_str_eq(list.text, "0 e;");
	store_begin(&st);
	WORKS(st.ops->abandon(st.w, task.key, &err));
	store_commit(&st);
	*list.text = '\0';
	WORKS(st.ops->envelopes(st.w, task.key, 0, 0, take_envelope, &list, &err));
	ck_assert_str_eq(list.text, "");
}
END_TEST

START_TEST(a_store_says_whether_it_is_shared)
{
	ck_assert_int_eq(st.ops->shared, st.kind != STORE_SQLITE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_node_tells_the_others_what_it_is,
		of_each_node_there_is_its_newest_incarnation,
		a_lease_is_ended_only_as_it_was_read,
		a_node_is_asked_to_drain,
		units_are_published_until_they_are_claimed,
		a_task_tells_how_far_it_was_published,
		what_is_given_back_is_due_at_once,
		a_task_keeps_its_home,
		envelopes_stay_with_their_task,
		an_abandoned_submission_takes_its_envelopes_with_it,
		a_store_says_whether_it_is_shared,
	};

	return store_run_both("store, nodes", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
