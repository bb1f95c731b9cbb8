/* test_option.c - values, option tables, slices, and the loader that checks tables. */
#include <check.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "conf/option.h"
#include "conf/suggest.h"
#include "conf/value.h"
#include "loader/loader.h"
#include "util/buf.h"
#include "util/log.h"

static const char *const words[] = { "red", "green", NULL };

struct thing {
	char *text;
	int64_t number, pause, room;
	bool flag;
	int colour;
	struct drover_list list;
	struct drover_map map;
	char *secret;
	char *hosts;
};

static const struct drover_option table[] = { DROVER_OPT_STRING(struct thing, text, "hello", "text"),
					      DROVER_OPT_INT(struct thing, number, "5", "-2", "9", "number"),
					      DROVER_OPT_DURATION(struct thing, pause, "5m", "1s", NULL, "duration"),
					      DROVER_OPT_SIZE(struct thing, room, "64K", NULL, "1M", "size"),
					      DROVER_OPT_BOOL(struct thing, flag, "yes", "flag"),
					      DROVER_OPT_CHOICE(struct thing, colour, words, "green", "choice"),
					      DROVER_OPT_LIST(struct thing, list, "list", .initial = "one"),
					      DROVER_OPT_MAP(struct thing, map, "map"),
					      DROVER_OPT_SECRET(struct thing, secret, "secret"),
					      DROVER_OPT_NODESET(struct thing, hosts, "a[1-3]", "hosts"),
					      DROVER_OPT_END };

/* Folder of the test plugins: beside this program's. */
static char *plugin_folder(void)
{
	static char path[PATH_MAX + 32];
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(size, 0);
	self[size] = '\0';
	snprintf(path, sizeof(path), "%s/plugins", dirname(dirname(self)));
	return path;
}

START_TEST(durations)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = { { "90s", 90000 }, { "5m", 300000 },      { "250ms", 250 }, { "2h", 7200000 },
		     { "0", 0 },       { "30d", 2592000000 }, { "7", 7000 } };
	static const char *const bad[] = {
		"", " 5s", "5 s", "s", "-1s", "1.5s", "5S", "9223372036854775807d", "5x", "+"
	};
	struct drover_error err;
	int64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		ck_assert_int_eq(value_duration(good[i].text, &ms, NULL), 0);
		ck_assert_int_eq(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(value_duration(bad[i], &ms, &err) == DROVER_EINVALID, "%s was taken", bad[i]);
}
END_TEST

START_TEST(numbers)
{
	struct drover_error err;
	int64_t n;
	bool truth;

	ck_assert_int_eq(value_size("64K", &n, NULL), 0);
	ck_assert_int_eq(n, 65536);
	ck_assert_int_eq(value_size("2T", &n, NULL), 0);
	ck_assert_int_eq(n, INT64_C(2) << 40);
	ck_assert_int_eq(value_size("9999999T", &n, &err), DROVER_EINVALID);
	ck_assert_int_eq(value_int("-12", &n, NULL), 0);
	ck_assert_int_eq(n, -12);
	ck_assert_int_eq(value_int("9223372036854775808", &n, &err), DROVER_EINVALID);
	ck_assert_int_eq(value_int("0x10", &n, &err), DROVER_EINVALID);
	ck_assert_int_eq(value_int("many", &n, &err), DROVER_EINVALID);
	ck_assert_str_eq(err.message, "\"many\" is not a whole number");
	ck_assert_int_eq(value_bool("On", &truth, NULL), 0);
	ck_assert(truth);
	ck_assert_int_eq(value_bool("1", &truth, &err), DROVER_EINVALID);
	ck_assert(value_utf8("grün"));
	ck_assert(!value_utf8("gr\xfcn"));
}
END_TEST

START_TEST(defaults)
{
	struct thing *t = option_new(table, sizeof(*t));

	ck_assert_str_eq(t->text, "hello");
	ck_assert_int_eq(t->number, 5);
	ck_assert_int_eq(t->pause, 300000);
	ck_assert_int_eq(t->room, 65536);
	ck_assert(t->flag);
	ck_assert_int_eq(t->colour, 1);
	ck_assert_uint_eq(t->list.count, 1);
	ck_assert_str_eq(t->list.items[0], "one");
	ck_assert_ptr_null(t->list.items[1]);
	ck_assert_uint_eq(t->map.count, 0);
	ck_assert_ptr_null(t->secret);
	ck_assert_str_eq(t->hosts, "a[1-3]");
	option_free(table, t);
}
END_TEST

/* Assigns JSON text to an option; the message, or NULL. */
static const char *assign(struct thing *t, const char *name, const char *json)
{
	static struct drover_error err;
	struct json_object *value = json_tokener_parse(json);
	int code = option_set(table, t, name, value, &err);

	json_object_put(value);
	return code ? err.message : NULL;
}

START_TEST(assigning)
{
	struct thing *t = option_new(table, sizeof(*t));

	ck_assert_ptr_null(assign(t, "text", "\"yes\""));
	ck_assert_str_eq(t->text, "yes");
	ck_assert_ptr_null(assign(t, "list", "[\"a\",\"b\"]"));
	ck_assert_uint_eq(t->list.count, 2);
	ck_assert_ptr_null(assign(t, "map", "{\"a\":\"1\",\"b\":\"2\"}"));
	ck_assert_ptr_null(assign(t, "map", "{\"c\":\"3\"}"));
	ck_assert_uint_eq(t->map.count, 1);
	ck_assert_str_eq(t->map.pairs[0].key, "c");
	ck_assert_str_eq(t->map.pairs[0].value, "3");
	ck_assert_str_eq(assign(t, "number", "\"10\""), "must be -2 to 9, not 10");
	ck_assert_str_eq(assign(t, "pause", "\"500ms\""), "must be at least 1s, not 500ms");
	ck_assert_str_eq(assign(t, "room", "\"2M\""), "must be at most 1M, not 2M");
	ck_assert_int_eq(t->room, 65536);
	ck_assert_str_eq(assign(t, "colour", "\"blue\""), "\"blue\" is not one of its words: write `red` or `green`");
	ck_assert_ptr_nonnull(assign(t, "hosts", "\"a[1-\""));
	ck_assert_str_eq(t->hosts, "a[1-3]");
	ck_assert_str_eq(assign(t, "list", "[\"a\",[\"b\"]]"), "nothing may be nested in it but plain values");
	ck_assert_str_eq(assign(t, "text", "[\"a\"]"), "takes one plain value (string)");
	ck_assert_str_eq(assign(t, "txt", "\"a\""), "there is no option `txt`");
	option_free(table, t);
}
END_TEST

START_TEST(slices)
{
	struct json_object *options = json_tokener_parse("{\"number\":\"7\",\"secret\":\"hunter2hunter2\"}");
	char line[] = "the word is hunter2hunter2.";
	struct drover_error err;
	struct thing *t;
	void *self;

	ck_assert_int_eq(slice_options(options, table, sizeof(*t), &self, &err), 0);
	t = self;
	ck_assert_int_eq(t->number, 7);
	ck_assert_str_eq(t->secret, "hunter2hunter2");
	log_redact(line);
	ck_assert_str_eq(line, "the word is ***.");
	option_free(table, self);
	json_object_object_add(options, "number", json_object_new_string("many"));
	ck_assert_int_eq(slice_options(options, table, sizeof(*t), &self, &err), DROVER_EINVALID);
	ck_assert_str_eq(err.message, "number: \"many\" is not a whole number");
	ck_assert_ptr_null(self);
	json_object_put(options);
	ck_assert_int_eq(slice_options(NULL, table, sizeof(*t), &self, &err), 0);
	option_free(table, self);
}
END_TEST

/* The message about a table of one option, or "". */
static const char *table_fault(struct drover_option option)
{
	static struct drover_error err;
	struct drover_option one[] = { option, DROVER_OPT_END };

	err.message[0] = '\0';
	option_check(one, sizeof(struct thing), &err);
	return err.message;
}

START_TEST(tables)
{
	struct drover_option twice[] = { table[0], table[0], DROVER_OPT_END };
	struct drover_option o = table[1];
	struct drover_error err;

	ck_assert_int_eq(option_check(table, sizeof(struct thing), &err), 0);
	ck_assert_int_eq(option_check(NULL, 0, &err), 0);
	ck_assert_str_eq(table_fault(o), "");
	o.initial = "ten";
	ck_assert_str_eq(table_fault(o), "its option number has a bad default: \"ten\" is not a whole number");
	o = table[1];
	o.maximum = "x";
	ck_assert_str_eq(table_fault(o), "its option number has a bad maximum: \"x\" is not a whole number");
	o = table[1];
	o.offset = sizeof(struct thing) - 4;
	ck_assert_ptr_nonnull(strstr(table_fault(o), "lies outside of the instance"));
	o = table[1];
	o.name = "Number";
	ck_assert_ptr_nonnull(strstr(table_fault(o), "is not named by lower case"));
	o = table[1];
	o.flags = DROVER_REQUIRED;
	ck_assert_str_eq(table_fault(o), "its option number is required and has a default");
	o = table[1];
	o.type = 99;
	ck_assert_str_eq(table_fault(o), "its option number has the unknown type 99");
	ck_assert_int_eq(option_check(twice, sizeof(struct thing), &err), DROVER_EINVALID);
	ck_assert_str_eq(err.message, "its option text is there twice");
}
END_TEST

static const char *nearest(const char *word)
{
	static const char *const known[] = { "listen", "name", "state_dir", "ttl", NULL };
	struct suggest near;

	suggest_begin(&near, word);
	for (const char *const *k = known; *k; k++)
		suggest_consider(&near, *k);
	return near.best ? near.best : "";
}

START_TEST(suggestions)
{
	ck_assert_str_eq(nearest("lisetn"), "listen");
	ck_assert_str_eq(nearest("nam"), "name");
	ck_assert_str_eq(nearest("statedir"), "state_dir");
	ck_assert_str_eq(nearest("frobnicate"), "");
	ck_assert_str_eq(nearest("x"), "");
}
END_TEST

/* The message about a plugin that cannot be loaded, after its path, or "". */
static const char *load_fault(const char *name)
{
	static struct drover_error err;
	struct loaded_plugin plugin;

	err.message[0] = '\0';
	loader_open(plugin_folder(), name, &loader_host, &plugin, &err);
	loader_dispose(&plugin);
	return err.message;
}

START_TEST(loading)
{
	struct drover_error err;
	struct loaded_plugin plugin, again;
	const struct drover_plugin_info *info;

	ck_assert_int_eq(loader_open(plugin_folder(), "options", &loader_host, &plugin, &err), 0);
	info = loader_info(plugin.module, PLUGIN_EXECUTOR);
	ck_assert_str_eq(info->version, "1.2.3");
	ck_assert_ptr_null(loader_info(plugin.module, PLUGIN_SINK));
	ck_assert_int_eq(loader_open_file(plugin.path, &loader_host, &again, &err), 0);
	ck_assert_ptr_eq(plugin.module, again.module);
	loader_dispose(&plugin);
	loader_dispose(&again);
	ck_assert_ptr_nonnull(strstr(load_fault("otherabi"), "otherabi.so was built for ABI 2, this program has 1"));
	ck_assert_ptr_nonnull(strstr(load_fault("othername"), "its sink calls itself \"somebody\""));
	ck_assert_ptr_nonnull(strstr(load_fault("badtable"), "its option number has a bad default"));
	ck_assert_ptr_nonnull(strstr(load_fault("there_is_none"), "there is no plugin there_is_none: no"));
	ck_assert_ptr_nonnull(strstr(load_fault("../options"), "is no plugin's name"));
	ck_assert_ptr_nonnull(strstr(load_fault(""), "is no plugin's name"));
}
END_TEST

/* Copies the file of a plugin to `folder`/NAME.so. */
static void copy_plugin(const char *name, const char *folder)
{
	char command[3 * PATH_MAX];

	snprintf(command, sizeof(command), "cp '%s/%s.so' '%s/'", plugin_folder(), name, folder);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(permissions)
{
	char folder[] = "/tmp/drover-loader-XXXXXX", file[64];
	struct drover_error err;
	struct loaded_plugin plugin;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	copy_plugin("options", folder);
	snprintf(file, sizeof(file), "%s/options.so", folder);
	ck_assert_int_eq(chmod(file, 0666), 0);
	ck_assert_int_eq(loader_open(folder, "options", &loader_host, &plugin, &err), geteuid() ? 0 : DROVER_EDENIED);
	loader_dispose(&plugin);
	ck_assert_int_eq(chmod(file, 0644), 0);
	ck_assert_int_eq(chmod(folder, 0777), 0);
	ck_assert_int_eq(loader_open(folder, "options", &loader_host, &plugin, &err), geteuid() ? 0 : DROVER_EDENIED);
	loader_dispose(&plugin);
	ck_assert_int_eq(chmod(folder, 0755), 0);
	ck_assert_int_eq(loader_open(folder, "options", &loader_host, &plugin, &err), 0);
	loader_dispose(&plugin);
	unlink(file);
	rmdir(folder);
}
END_TEST

START_TEST(listing)
{
	struct plugin_listing all;
	const struct listed_plugin *options = NULL, *otherabi = NULL;

	loader_list(plugin_folder(), &loader_host, &all);
	for (size_t i = 0; i < all.count; i++) {
		if (!strcmp(all.plugins[i].name, "options"))
			options = &all.plugins[i];
		if (!strcmp(all.plugins[i].name, "otherabi"))
			otherabi = &all.plugins[i];
	}
	ck_assert_ptr_nonnull(options);
	ck_assert_ptr_nonnull(options->plugin.module);
	ck_assert_ptr_null(options->error);
	ck_assert_ptr_nonnull(otherabi);
	ck_assert_ptr_null(otherabi->plugin.module);
	ck_assert_ptr_nonnull(strstr(otherabi->error, "ABI 2"));
	loader_listing_dispose(&all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("option");
	TCase *options = tcase_create("options"), *loader = tcase_create("loader");
	SRunner *runner;
	int failed;

	tcase_add_test(options, durations);
	tcase_add_test(options, numbers);
	tcase_add_test(options, defaults);
	tcase_add_test(options, assigning);
	tcase_add_test(options, slices);
	tcase_add_test(options, tables);
	tcase_add_test(options, suggestions);
	tcase_add_test(loader, loading);
	tcase_add_test(loader, permissions);
	tcase_add_test(loader, listing);
	suite_add_tcase(suite, options);
	suite_add_tcase(suite, loader);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
