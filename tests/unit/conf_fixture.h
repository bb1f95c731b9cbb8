/*
 * conf_fixture.h - for tests of configurations: a folder for each test's files, what comes of a configuration, and one
 * that has something of everything.
 */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include <check.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/plan.h"
#include "util/buf.h"

static char plugins[PATH_MAX + 32]; /* folder of the test plugins */
static char folder[64];             /* of one test's files */

static inline void find_plugins(void)
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[size > 0 ? size : 0] = '\0';
	snprintf(plugins, sizeof(plugins), "%s/plugins", dirname(dirname(self)));
	setenv("DROVER_PLUGIN_PATH", plugins, 1);
}

/* What another test has left there when all run in one process, and what the caller's shell has. */
static inline void forget_overrides(void)
{
	for (size_t i = 0; environ[i];) {
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
		if (!strncmp(name, "DROVER_", 7) && strstr(name, "__"))
			unsetenv(name);
		else
			i++;
	}
}

static inline void make_folder(void)
{
	forget_overrides();
	snprintf(folder, sizeof(folder), "/tmp/drover-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static inline void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/* Writes a file into the test's folder; its path in a buffer of this function. */
static inline const char *write_file(const char *name, const char *text, mode_t mode)
{
	static char path[192];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

/* The plan of a configuration that must be right. Owned by the caller. */
static inline struct json_object *plan_of(const char *text)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan;

	conf_plan(write_file("drover.yaml", text, 0600), &plan, &errors);
	ck_assert_msg(plan != NULL, "%s", errors.count ? errors.lines[0] : "no errors");
	errors_dispose(&errors);
	return plan;
}

/* The errors of a configuration, a line each. Owned by the caller. */
static inline char *errors_of_file(const char *file)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan;
	struct buf all = BUF_INIT;

	conf_plan(file, &plan, &errors);
	for (size_t i = 0; i < errors.count; i++)
		buf_printf(&all, "%s\n", errors.lines[i]);
	buf_string(&all, "");
	json_object_put(plan);
	errors_dispose(&errors);
	return buf_take(&all);
}

static inline char *errors_of(const char *text)
{
	return errors_of_file(write_file("drover.yaml", text, 0600));
}

/* A member of JSON by a path like "processes.0.slice.name"; as text. Borrowed. */
static inline const char *at(struct json_object *json, const char *path)
{
	char part[64];

	while (*path) {
		size_t size = strcspn(path, ".");

		snprintf(part, sizeof(part), "%.*s", (int)size, path);
		if (json_object_is_type(json, json_type_array))
			json = json_object_array_get_idx(json, (size_t)atoi(part));
		else if (!json_object_object_get_ex(json, part, &json))
			return "(absent)";
		path += size + (path[size] == '.');
	}
	return json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
		    : "null";
}

#define IS(plan, path, text) ck_assert_str_eq(at(plan, path), text)

static const char whole[] = "node: {name: 123, state_dir: /srv/drover, pools: one}\n"
			    "store: {plugin: several, keep: 2d, password: {file: secret}}\n"
			    "credentials:\n"
			    "  prod: {user: yes, password: {env: CONF_TEST_SECRET}, allow: [ci, ops]}\n"
			    "  bare: {key: {file: key}, passphrase: {file: phrase}, certificate: cert}\n"
			    "sources:\n"
			    "  - {plugin: several, listen: 127.0.0.1:8007}\n"
			    "executors:\n"
			    "  - {plugin: options, needed: 'x y', number: 7, words: [a, b], env: {A: 1}}\n"
			    "  - {plugin: options, name: lab, needed: z, credential: prod, user: root,\n"
			    "     match: {hosts: 'lab[1-99]'}, capacity: {hosts: 5}, run_as: root}\n"
			    "sinks:\n"
			    "  - {plugin: several, name: file, spool_limit: 2M, call_timeout: 5}\n"
			    "monitors:\n"
			    "  - {plugin: several, interval: 500ms}\n"
			    "log: {format: json}\n";

static inline int conf_run(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	find_plugins();
	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_set_timeout(tcase, 120);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
