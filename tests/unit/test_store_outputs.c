/* test_store_outputs.c - a store: hosts grouped by what they printed, bytes found in it, parts of it. */
#include "store_fixture.h"

#define HOSTS 12

static struct store st;
static struct drover_task task;

/* h0 to h11: 0 to 5 say "same", 6 and 7 "other", 8 says "same" and fails, 9 nothing, 10 is unreachable, 11 runs. */
static void report(int64_t index, enum drover_status status, struct drover_report report_)
{
	struct drover_result r = { .task_key = task.key,
				   .unit = 0,
				   .incarnation = st.incarnation,
				   .attempt = 1,
				   .index = index,
				   .status = status,
				   .report = report_ };

	ck_assert_int_eq(store_result(&st, r), DROVER_WRITTEN);
}

static void setup(void)
{
	store_open(&st);
	task = store_task("t", HOSTS, HOSTS);
	store_submit(&st, &task);
	store_claim(&st, st.incarnation, task.key, 0, 0);
	for (int64_t i = 0; i < 6; i++)
		report(i, DROVER_OK,
		       (struct drover_report){ .out = "same", .err = i == 5 ? "odd" : NULL, .has_rc = true });
	report(6, DROVER_OK, (struct drover_report){ .out = "other", .has_rc = true });
	report(7, DROVER_OK, (struct drover_report){ .out = "other", .out_total = 99, .has_rc = true });
	report(8, DROVER_FAILED, (struct drover_report){ .out = "same", .has_rc = true, .rc = 3, .message = "exit 3" });
	report(9, DROVER_OK, (struct drover_report){ .has_rc = true });
	report(10, DROVER_UNREACHABLE, (struct drover_report){ .phase = DROVER_PHASE_CONNECT, .message = "no route" });
}

static void teardown(void)
{
	store_close(&st);
}

struct groups {
	size_t count;
	struct drover_group rows[HOSTS];
	char hosts[HOSTS][64], out[HOSTS][16];
	size_t stop; /* after so many */
};

static int take_group(void *context, const struct drover_group *group)
{
	struct groups *groups = context;
	size_t i = groups->count++;

	ck_assert_uint_lt(i, HOSTS);
	groups->rows[i] = *group;
	store_copy(groups->hosts[i], sizeof(groups->hosts[i]), group->hosts);
	memcpy(groups->out[i], group->out.data ? group->out.data : "", group->out.size);
	return groups->stop && groups->count == groups->stop;
}

static struct groups find(struct drover_group_filter filter)
{
	struct groups groups = { .count = 0 };

	filter.size = sizeof(filter);
	filter.task_key = task.key;
	filter.outputs = true;
	WORKS(st.ops->groups(st.w, &filter, take_group, &groups, &err));
	return groups;
}

START_TEST(hosts_are_grouped_by_status_and_output)
{
	struct groups groups = find((struct drover_group_filter){ .stream = 0 });

	ck_assert_uint_eq(groups.count, 6);
	ck_assert_int_eq(groups.rows[0].count, 5);
	ck_assert_str_eq(groups.hosts[0], "h0,h1,h2,h3,h4");
	ck_assert_str_eq(groups.out[0], "same");
	ck_assert_int_eq(groups.rows[1].count, 2);
	ck_assert_str_eq(groups.out[1], "other");
	ck_assert_int_eq(groups.rows[1].stdout_total, 99);
	/* Equal counts come by their first hosts. */
	ck_assert_str_eq(groups.hosts[2], "h5");
	ck_assert_uint_eq(groups.rows[2].err.size, 3);
	ck_assert_str_eq(groups.hosts[3], "h8");
	ck_assert_int_eq(groups.rows[3].rc, 3);
	ck_assert_str_eq(groups.hosts[4], "h9");
	ck_assert_str_eq(groups.hosts[5], "h10");
	ck_assert_int_eq(groups.rows[5].phase, DROVER_PHASE_CONNECT);
}
END_TEST

START_TEST(one_stream_counts_alone)
{
	struct groups groups = find((struct drover_group_filter){ .stream = 1, .statuses = 1u << DROVER_OK });

	ck_assert_uint_eq(groups.count, 3);
	ck_assert_int_eq(groups.rows[0].count, 6);
	ck_assert_uint_eq(groups.rows[0].err.size, 0);
	groups = find((struct drover_group_filter){ .stream = 2, .statuses = 1u << DROVER_OK });
	ck_assert_uint_eq(groups.count, 2);
	ck_assert_int_eq(groups.rows[0].count, 8);
	ck_assert_int_eq(groups.rows[1].count, 1);
	ck_assert_uint_eq(groups.rows[1].err.size, 3);
	ck_assert_uint_eq(groups.rows[1].out.size, 0);
	/* Only those that have printed. */
	groups = find((struct drover_group_filter){ .stream = 2, .printed = true });
	ck_assert_uint_eq(groups.count, 1);
}
END_TEST

START_TEST(groups_are_paged)
{
	struct drover_group_filter filter = { .limit = 2 };
	struct groups all = find((struct drover_group_filter){ .stream = 0 }), page;

	for (size_t seen = 0; seen < all.count; seen += page.count) {
		page = find(filter);
		ck_assert_uint_gt(page.count, 0);
		for (size_t i = 0; i < page.count; i++)
			ck_assert_str_eq(page.hosts[i], all.hosts[seen + i]);
		filter.after_count = page.rows[page.count - 1].count;
		filter.after_id = page.rows[page.count - 1].first_id;
	}
	ck_assert_uint_eq(find(filter).count, 0);
}
END_TEST

START_TEST(a_message_is_told_where_all_have_it)
{
	struct drover_group_filter filter = { .size = sizeof(filter),
					      .task_key = task.key,
					      .statuses = 1u << DROVER_UNREACHABLE | 1u << DROVER_RUNNING };
	struct groups groups = { .count = 0 };

	WORKS(st.ops->groups(st.w, &filter, take_group, &groups, &err));
	ck_assert_uint_eq(groups.count, 2); /* the running host is there where it is asked for */
	ck_assert_int_eq(groups.rows[0].messages, 1);
	ck_assert_uint_eq(groups.rows[0].out.size, 0); /* not read where it is not wanted */
	report(11, DROVER_UNREACHABLE, (struct drover_report){ .phase = DROVER_PHASE_CONNECT, .message = "refused" });
	groups = find((struct drover_group_filter){ .statuses = 1u << DROVER_UNREACHABLE });
	ck_assert_uint_eq(groups.count, 1);
	ck_assert_int_eq(groups.rows[0].count, 2);
	ck_assert_int_eq(groups.rows[0].messages, 2);
	ck_assert_ptr_null(groups.rows[0].message);
}
END_TEST

START_TEST(a_callback_ends_the_query)
{
	struct drover_group_filter filter = { .size = sizeof(filter), .task_key = task.key };
	struct groups groups = { .stop = 1 };

	ck_assert_int_eq(st.ops->groups(st.w, &filter, take_group, &groups, &err), 1);
	ck_assert_uint_eq(groups.count, 1);
	filter.task_key = 999;
	ck_assert_int_eq(st.ops->groups(st.w, &filter, take_group, &groups, &err), DROVER_ENOTFOUND);
}
END_TEST

START_TEST(bytes_are_found_in_outputs)
{
	struct host_row rows[HOSTS];

#define FOUND(text, ...)                                                                                               \
	store_rows(&st, st.w,                                                                                          \
		   (struct drover_result_filter){                                                                      \
			   .task_key = task.key, .grep = (text), .grep_size = sizeof(text) - 1, __VA_ARGS__ },         \
		   rows, HOSTS)
	ck_assert_int_eq(FOUND("am", .limit = 0), 7);
	ck_assert_int_eq(FOUND("AM", .limit = 0), 0);
	ck_assert_int_eq(FOUND("odd", .limit = 0), 1);
	ck_assert_str_eq(rows[0].host, "h5");
	ck_assert_int_eq(FOUND("%", .limit = 0), 0);
	ck_assert_int_eq(FOUND("same", .statuses = 1u << DROVER_FAILED), 1);
	ck_assert_int_eq(FOUND("same", .host = "h3"), 1);
	ck_assert_int_eq(FOUND("same", .host = "h6"), 0);
	ck_assert_int_eq(FOUND("same", .after_id = task.host_base + 2), 4);
	ck_assert_int_eq(FOUND("same", .after_id = task.host_base + 2, .until_id = task.host_base + 4), 2);
	ck_assert_int_eq(FOUND("same", .limit = 2), 2);
#undef FOUND
}
END_TEST

struct part {
	struct drover_output_info info;
	int64_t first, count; /* wanted */
	bool read;
	char bytes[16];
};

static int want(void *context, struct drover_output_info *info)
{
	struct part *part = context;

	part->info = *info;
	info->first = part->first;
	info->count = part->count;
	return 0;
}

static int take_part(void *context, struct drover_bytes bytes)
{
	struct part *part = context;

	part->read = true;
	memcpy(part->bytes, bytes.data, bytes.size);
	part->bytes[bytes.size] = '\0';
	return 0;
}

START_TEST(a_part_of_an_output_is_read)
{
	struct part part = { .first = 1, .count = 3 }, same = { .count = 0 };

	WORKS(st.ops->output_part(st.w, task.key, "h7", 1, want, take_part, &part, &err));
	ck_assert_str_eq(part.bytes, "the");
	ck_assert_int_eq(part.info.kept, 5);
	ck_assert_int_eq(part.info.total, 99);
	ck_assert_uint_eq(strlen(part.info.digest), 64);
	/* Nothing is read where nothing is wanted; equal outputs have one digest. */
	WORKS(st.ops->output_part(st.w, task.key, "h6", 1, want, take_part, &same, &err));
	ck_assert(!same.read);
	ck_assert_str_eq(same.info.digest, part.info.digest);
	WORKS(st.ops->output_part(st.w, task.key, "h9", 1, want, take_part, &same, &err));
	ck_assert_str_eq(same.info.digest, "");
	ck_assert_int_eq(same.info.kept, 0);
	ck_assert_int_eq(st.ops->output_part(st.w, task.key, "h99", 1, want, take_part, &same, &err), DROVER_ENOTFOUND);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hosts_are_grouped_by_status_and_output,
		one_stream_counts_alone,
		groups_are_paged,
		a_message_is_told_where_all_have_it,
		a_callback_ends_the_query,
		bytes_are_found_in_outputs,
		a_part_of_an_output_is_read,
	};

	return store_run_both("store outputs", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
