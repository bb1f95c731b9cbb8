/* test_inventory.c - an inventory's JSON: what is taken from it, what is refused, and what a task makes of it. */
#include <check.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/inventory.h"
#include "task/inventory_vars.h"
#include "util/buf.h"

static const struct inventory_limits limits = { .hosts = 1000, .groups = 1000, .members = 10000 };

static struct inventory *built(const char *text, bool all, struct json_object *notes, struct drover_error *err)
{
	struct json_object *list;
	struct inventory *inventory = NULL;

	if (inventory_json(text, strlen(text), &list, err))
		return NULL;
	inventory_reduce(list, all, notes);
	inventory_build(list, &limits, &inventory, err);
	json_object_put(list);
	return inventory;
}

static struct inventory *good(const char *text, bool all)
{
	struct json_object *notes = json_object_new_array();
	struct drover_error err = { 0 };
	struct inventory *inventory = built(text, all, notes, &err);

	ck_assert_msg(inventory != NULL, "%s: %s", text, err.message);
	json_object_put(notes);
	return inventory;
}

static void check_group(const struct inventory *inventory, const char *group, const char *hosts)
{
	char *pattern = inventory_pattern(inventory, group);

	ck_assert_ptr_nonnull(pattern);
	ck_assert_str_eq(pattern, hosts);
	free(pattern);
}

static const char nested[] =
	"{\"all\":{\"children\":[\"ungrouped\",\"top\"]},\"top\":{\"children\":[\"a\",\"b\",\"void\"],"
	"\"hosts\":[\"t\"]},\"a\":{\"hosts\":[\"h1\",\"H2\",\"h1\"]},\"b\":{\"hosts\":[\"h2\",\"h3\"],"
	"\"children\":[\"a\"]},\"ungrouped\":{\"hosts\":[\"alone\"]}}";

START_TEST(groups)
{
	struct inventory *inventory = good(nested, false);
	char text[64];

	check_group(inventory, "a", "h1,h2");
	check_group(inventory, "b", "h2,h3,h1");
	check_group(inventory, "top", "t,h1,h2,h3");
	check_group(inventory, "void", "");
	check_group(inventory, "ungrouped", "alone");
	ck_assert_int_eq((int)inventory_host_count(inventory), 5);
	check_group(inventory, "all", "alone,t,h1,h2,h3");
	check_group(inventory, "*", "alone,t,h1,h2,h3");
	ck_assert_ptr_null(inventory_pattern(inventory, "A"));
	ck_assert_str_eq(inventory_suggest(inventory, "tpo", text, sizeof(text)), "; did you mean `top`?");
	ck_assert_ptr_nonnull(inventory_host(inventory, "h2"));
	ck_assert_ptr_null(inventory_host(inventory, "nope"));
	inventory_unref(inventory);
}
END_TEST

START_TEST(empty)
{
	struct inventory *inventory = good("{}", false);

	check_group(inventory, "all", "");
	check_group(inventory, "ungrouped", "");
	inventory_unref(inventory);
}
END_TEST

static int collect(void *context, const struct inventory_group *group)
{
	buf_printf(context, "%s:%zu/%zu ", group->name, group->host_count, group->child_count);
	return strcmp(group->name, "top") ? 0 : 7;
}

START_TEST(listing)
{
	struct inventory *inventory = good(nested, false);
	struct buf text = BUF_INIT;

	ck_assert_int_eq(inventory_groups(inventory, NULL, collect, &text), 7);
	ck_assert_str_eq(text.data, "a:2/0 all:5/2 b:3/1 top:4/3 ");
	buf_consume(&text, text.size);
	ck_assert_int_eq(inventory_groups(inventory, "top", collect, &text), 0);
	ck_assert_str_eq(text.data, "ungrouped:1/0 void:0/0 ");
	ck_assert_int_eq(inventory_group(inventory, "nope", collect, &text), DROVER_ENOTFOUND);
	buf_dispose(&text);
	inventory_unref(inventory);
}
END_TEST

static const struct {
	const char *text, *part;
} bad[] = {
	{ "", "it ends too early" },
	{ "{\"a\":{}", "it ends too early" },
	{ "{} x", "not JSON, at byte 3" },
	{ "[]", "it is no object" },
	{ "{\"a\":[\"h\"]}", "group a is no object" },
	{ "{\"a\":{\"hosts\":{\"h\":1}}}", "`hosts` is no list" },
	{ "{\"a\":{\"hosts\":[1]}}", "holds what is no name" },
	{ "{\"a\":{\"hosts\":[\"x\\u0000y\"]}}", "holds what is no name" },
	{ "{\"a\":{\"children\":[null]}}", "holds what is no name" },
	{ "{\"a\":{\"children\":[\"a\"]}}", "group a contains itself" },
	{ "{\"a\":{\"children\":[\"b\"]},\"b\":{\"children\":[\"c\"]},\"c\":{\"children\":[\"a\"]}}",
	  "contains itself" },
	{ "{\"x\":{\"children\":[\"all\"]},\"all\":{\"children\":[\"x\"]}}", "contains itself" },
	{ "{\"_meta\":7}", "`_meta` is no object" },
	{ "{\"_meta\":{\"hostvars\":[]}}", "is no object" },
	{ "{\"a\":{\"hosts\":[\"h\"]},\"_meta\":{\"hostvars\":{\"h\":3}}}", "variables of host h are no object" },
	{ "{\"a\":{\"hosts\":[\"\xff\"]}}", "not JSON" },
};

START_TEST(refused)
{
	struct json_object *notes = json_object_new_array();
	struct drover_error err = { 0 };

	ck_assert_ptr_null(built(bad[_i].text, true, notes, &err));
	ck_assert_int_eq(err.code, DROVER_EINVALID);
	ck_assert_msg(strstr(err.message, bad[_i].part) != NULL, "%s: %s", bad[_i].text, err.message);
	json_object_put(notes);
}
END_TEST

/* A chain of groups, and a JSON value, that are deeper than anybody means. */
START_TEST(depth)
{
	struct json_object *notes = json_object_new_array();
	struct drover_error err = { 0 };
	struct buf text = BUF_INIT;

	buf_string(&text, "{\"g0\":{}");
	for (int i = 1; i < 200; i++)
		buf_printf(&text, ",\"g%d\":{\"children\":[\"g%d\"]}", i, i - 1);
	buf_string(&text, "}");
	ck_assert_ptr_null(built(text.data, true, notes, &err));
	ck_assert_int_eq(err.code, DROVER_ELIMIT);
	buf_consume(&text, text.size);
	buf_string(&text, "{\"_meta\":");
	for (int i = 0; i < 100000; i++)
		buf_char(&text, '[');
	ck_assert_ptr_null(built(text.data, true, notes, &err));
	ck_assert_int_eq(err.code, DROVER_EINVALID);
	buf_dispose(&text);
	json_object_put(notes);
}
END_TEST

/* A diamond at each of 30 levels: 2^30 ways, each group walked once. */
START_TEST(diamonds)
{
	struct buf text = BUF_INIT;
	struct inventory *inventory;

	buf_string(&text, "{\"g0\":{\"hosts\":[\"h\"]}");
	for (int i = 1; i <= 30; i++)
		buf_printf(&text,
			   ",\"g%d\":{\"children\":[\"l%d\",\"r%d\"]},\"l%d\":{\"children\":[\"g%d\"]},"
			   "\"r%d\":{\"children\":[\"g%d\"]}",
			   i, i, i, i, i - 1, i, i - 1);
	buf_string(&text, "}");
	inventory = good(text.data, false);
	check_group(inventory, "g30", "h");
	inventory_unref(inventory);
	buf_dispose(&text);
}
END_TEST

#define HOST(vars) "{\"g\":{\"hosts\":[\"h\"]},\"_meta\":{\"hostvars\":{\"h\":{" vars "}}}}"

static const struct {
	const char *text, *address, *user;
	int port, bad; /* bits 1 << enum inventory_field */
	const char *vars;
} reached[] = {
	{ HOST(""), NULL, NULL, 0, 0, NULL },
	{ HOST("\"ansible_host\":\"10.0.0.1\",\"ansible_port\":22,\"ansible_user\":\"u\""), "10.0.0.1", "u", 22, 0,
	  NULL },
	{ HOST("\"ansible_ssh_host\":\"a\",\"ansible_ssh_port\":\"2222\",\"ansible_ssh_user\":\"u\""), "a", "u", 2222,
	  0, NULL },
	{ HOST("\"ansible_host\":\"a\",\"ansible_ssh_host\":\"b\""), "a", NULL, 0, 0, NULL },
	{ HOST("\"ansible_host\":\"-oProxyCommand=x\""), NULL, NULL, 0, 1 << INVENTORY_ADDRESS, NULL },
	{ HOST("\"ansible_host\":\"{{x}}\""), NULL, NULL, 0, 1 << INVENTORY_ADDRESS, NULL },
	{ HOST("\"ansible_host\":[1]"), NULL, NULL, 0, 1 << INVENTORY_ADDRESS, NULL },
	{ HOST("\"ansible_port\":0"), NULL, NULL, 0, 1 << INVENTORY_PORT, NULL },
	{ HOST("\"ansible_port\":65536"), NULL, NULL, 0, 1 << INVENTORY_PORT, NULL },
	{ HOST("\"ansible_port\":\"22x\""), NULL, NULL, 0, 1 << INVENTORY_PORT, NULL },
	{ HOST("\"ansible_port\":99999999999999999999"), NULL, NULL, 0, 1 << INVENTORY_PORT, NULL },
	{ HOST("\"ansible_user\":\"{{who}}\""), NULL, NULL, 0, 1 << INVENTORY_USER, NULL },
	{ HOST("\"ansible_user\":\"-l\""), NULL, NULL, 0, 1 << INVENTORY_USER, NULL },
	{ HOST("\"ansible_connection\":\"ssh\""), NULL, NULL, 0, 0, NULL },
	{ HOST("\"ansible_connection\":\"local\""), NULL, NULL, 0, 1 << INVENTORY_CONNECTION, NULL },
	{ HOST("\"rack\":7,\"deep\":{\"er\":[1,{\"x\":null}]}"), NULL, NULL, 0, 0,
	  "{\"rack\":7,\"deep\":{\"er\":[1,{\"x\":null}]}}" },
};

START_TEST(reach)
{
	struct inventory *inventory = good(reached[_i].text, true);
	const struct inventory_host *host = inventory_host(inventory, "h");

	ck_assert_pstr_eq(host->address, reached[_i].address);
	ck_assert_pstr_eq(host->user, reached[_i].user);
	ck_assert_int_eq(host->port, reached[_i].port);
	ck_assert_pstr_eq(host->vars, reached[_i].vars);
	for (int i = 0; i < INVENTORY_FIELDS; i++)
		ck_assert_int_eq(host->bad[i] != NULL, (reached[_i].bad >> i) & 1);
	inventory_unref(inventory);
	/* Where only those that say how to reach it are wanted, there are no others. */
	inventory = good(reached[_i].text, false);
	ck_assert_ptr_null(inventory_host(inventory, "h")->vars);
	ck_assert_pstr_eq(inventory_host(inventory, "h")->address, reached[_i].address);
	inventory_unref(inventory);
}
END_TEST

static const char *const secrets[] = {
	"\"ansible_password\":\"CANARY\"",
	"\"ansible_ssh_pass\":\"CANARY\"",
	"\"ansible_ssh_password\":\"CANARY\"",
	"\"ansible_become_pass\":\"CANARY\"",
	"\"ansible_become_password\":\"CANARY\"",
	"\"ansible_sudo_pass\":\"CANARY\"",
	"\"ansible_httpapi_password\":\"CANARY\"",
	"\"vault_db\":\"CANARY\"",
	"\"my_Vault\":\"CANARY\"",
	"\"db_password\":\"CANARY\"",
	"\"API_TOKEN\":\"CANARY\"",
	"\"tls_private_key\":\"CANARY\"",
	"\"plain\":{\"__ansible_vault\":\"CANARY\"}",
	"\"plain\":[1,{\"x\":{\"__ansible_vault\":\"CANARY\"}}]",
	"\"plain\":{\"db\":{\"password\":\"CANARY\"}}",
};

START_TEST(secret)
{
	struct json_object *notes = json_object_new_array(), *list;
	struct drover_error err = { 0 };
	struct buf text = BUF_INIT;

	buf_printf(&text,
		   "{\"g\":{\"hosts\":[\"h\"],\"vars\":{\"x\":\"CANARY\"}},\"_meta\":{\"hostvars\":{\"h\":{%s,\"keep_"
		   "file\":1}}}}",
		   secrets[_i]);
	ck_assert_int_eq(inventory_json(text.data, text.size, &list, &err), 0);
	inventory_reduce(list, true, notes);
	ck_assert_ptr_null(strstr(json_object_to_json_string(list), "CANARY"));
	ck_assert_ptr_nonnull(strstr(json_object_to_json_string(list), "keep_file"));
	ck_assert_int_eq((int)json_object_array_length(notes), 1);
	ck_assert_ptr_nonnull(strstr(json_object_to_json_string(notes), "hold secrets"));
	ck_assert_ptr_null(strstr(json_object_to_json_string(notes), "CANARY"));
	json_object_put(list);
	json_object_put(notes);
	buf_dispose(&text);
}
END_TEST

START_TEST(names)
{
	struct inventory *inventory = good("{\"g\":{\"hosts\":[\"ok\",\"-x\",\"a b\",\"\",\"UP\"]}}", false);
	size_t count;

	ck_assert_str_eq(inventory_skipped(inventory, &count), "\"-x\", \"a b\", \"\"");
	ck_assert_int_eq((int)count, 3);
	check_group(inventory, "g", "ok,up");
	inventory_unref(inventory);
}
END_TEST

/* Readers on several threads while the owner lets go: the last reference frees it (seen by the sanitizers). */
static void *use(void *context)
{
	struct inventory *inventory = context;

	for (int i = 0; i < 2000; i++) {
		struct inventory *mine = inventory_ref(inventory);

		check_group(mine, "top", "t,h1,h2,h3");
		inventory_unref(mine);
	}
	inventory_unref(inventory);
	return NULL;
}

START_TEST(shared)
{
	struct inventory *inventory = good(nested, false);
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, use, inventory_ref(inventory)), 0);
	inventory_unref(inventory);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void)
{
	Suite *suite = suite_create("inventory");
	TCase *tests = tcase_create("inventory");
	SRunner *runner;
	int failed;

	tcase_add_test(tests, groups);
	tcase_add_test(tests, empty);
	tcase_add_test(tests, listing);
	tcase_add_loop_test(tests, refused, 0, COUNT(bad));
	tcase_add_test(tests, depth);
	tcase_add_test(tests, diamonds);
	tcase_add_loop_test(tests, reach, 0, COUNT(reached));
	tcase_add_loop_test(tests, secret, 0, COUNT(secrets));
	tcase_add_test(tests, names);
	tcase_add_test(tests, shared);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
