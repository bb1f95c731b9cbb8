/*
 * test_conf.c - wrong and hostile configurations: for each file of tests/system/bad_configs exactly the errors that its
 * `# expect:` lines say; and what is shown of right ones. Run from the tree's root.
 */
#define _GNU_SOURCE /* environ */
#include <dirent.h>
#include <time.h>

#include "conf/show.h"

#include "unit/conf_fixture.h"

#define BAD "tests/system/bad_configs"

START_TEST(environment_matches_nothing)
{
	static const char *const cases[][2] = {
		{ "DROVER_NODE__NMAE", "DROVER_NODE__NMAE: node.nmae: is not known here; did you mean `name`?\n" },
		{ "DROVER_NOED__NAME",
		  "DROVER_NOED__NAME: overrides nothing: there is no section `noed`; did you mean `node`?\n" },
		{ "DROVER_EXECUTORS__LAB__USER",
		  "DROVER_EXECUTORS__LAB__USER: executors: there is no instance named LAB to override\n" },
		{ "DROVER_EXECUTORS__LAB", "DROVER_EXECUTORS__LAB: executors: write DROVER_EXECUTORS__NAME__OPTION\n" },
		{ "DROVER_NODE_NAME", "DROVER_NODE_NAME: overrides nothing: write DROVER_NODE__NAME\n" },
		{ "DROVER_NODE__", "DROVER_NODE__: overrides nothing: write DROVER_SECTION__OPTION\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *errors;

		setenv(cases[i][0], "x", 1);
		errors = errors_of("store: {plugin: several}\nexecutors:\n- {plugin: options, needed: a}\n");
		ck_assert_str_eq(errors, cases[i][1]);
		free(errors);
		unsetenv(cases[i][0]);
	}
}
END_TEST

START_TEST(secret_files)
{
	static const char text[] = "store: {plugin: several, password: {file: secret}}\n";
	struct json_object *plan;
	char *errors;

	write_file("secret", "two\nlines\r\n", 0640);
	plan = plan_of(text);
	IS(plan, "processes.0.slice.store.options.password", "\"two\\nlines\"");
	json_object_put(plan);
	write_file("secret", "\n", 0600);
	errors = errors_of(text);
	ck_assert_ptr_nonnull(strstr(errors, "/secret: is empty"));
	free(errors);
	write_file("secret", "gr\xfcn", 0600);
	errors = errors_of(text);
	ck_assert_ptr_nonnull(strstr(errors, "no UTF-8"));
	free(errors);
}
END_TEST

/* A plugin that tells its secret: it is not repeated. */
START_TEST(secrets_in_messages)
{
	char *errors;

	write_file("secret", "correct-horse\n", 0600);
	errors = errors_of("store: {plugin: several}\n"
			   "executors: [{plugin: options, needed: a, number: 67, password: {file: secret}}]\n");
	ck_assert_ptr_nonnull(strstr(errors, ":2:13: executors[0]: the password *** is not liked\n"));
	free(errors);
}
END_TEST

START_TEST(secret_file_modes)
{
	static const mode_t refused[] = { 0644, 0604, 0602, 0620, 0601 };
	char path[128];

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char *errors;

		write_file("secret", "s3cret", 0600);
		snprintf(path, sizeof(path), "%s/secret", folder);
		ck_assert_int_eq(chmod(path, refused[i]), 0);
		errors = errors_of("store: {plugin: several, password: {file: secret}}\n");
		ck_assert_msg(strstr(errors, ": chmod ") != NULL, "mode %o was taken", refused[i]);
		free(errors);
	}
}
END_TEST

/* What costs quadratic time or memory elsewhere must end soon, with one error. */
START_TEST(hostile_files)
{
	struct buf text = BUF_INIT;
	struct timespec before, after;
	char *errors;

	clock_gettime(CLOCK_MONOTONIC, &before);
	buf_string(&text, "projects: ");
	for (int i = 0; i < 80000; i++)
		buf_char(&text, '[');
	errors = errors_of(text.data);
	ck_assert_ptr_nonnull(strstr(errors, "nests deeper than 32 levels\n"));
	free(errors);
	buf_dispose(&text);
	buf_string(&text, "projects:\n");
	for (int i = 0; text.size < 1024 * 1024 - 64; i++)
		buf_printf(&text, " k%d:\n", i);
	buf_string(&text, "store: {plugin: several}\n");
	json_object_put(plan_of(text.data));
	buf_printf(&text, "%*s", 1024, "");
	errors = errors_of(text.data);
	ck_assert_ptr_nonnull(strstr(errors, "is larger than 1 MiB"));
	free(errors);
	buf_dispose(&text);
	errors = errors_of("node: {name: \"a\\0b\"}\n");
	ck_assert_ptr_nonnull(strstr(errors, ":1:14: a text holds a NUL byte"));
	free(errors);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ck_assert_int_lt(after.tv_sec - before.tv_sec, 20);
}
END_TEST

START_TEST(many_errors)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct buf text = BUF_INIT;
	struct json_object *plan;

	buf_string(&text, "store: {plugin: several}\nnode:\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "  option%d: x\n", i);
	conf_plan(write_file("drover.yaml", text.data, 0600), &plan, &errors);
	ck_assert_ptr_null(plan);
	ck_assert_uint_eq(errors.count, CONF_ERRORS_MAX);
	ck_assert_uint_eq(errors.count + errors.more, 1000);
	errors_dispose(&errors);
	buf_dispose(&text);
}
END_TEST

START_TEST(no_file)
{
	char *errors = errors_of_file("/there/is/none.yaml");

	ck_assert_str_eq(errors, "/there/is/none.yaml: cannot be read: No such file or directory\n");
	free(errors);
	errors = errors_of_file("/dev/zero");
	ck_assert_str_eq(errors, "/dev/zero: is no ordinary file\n");
	free(errors);
}
END_TEST

/* Replaces {file}, {dir}, {plugins}. */
static void expect_line(struct buf *to, const char *line, const char *file)
{
	static const char *const names[] = { "{file}", "{dir}", "{plugins}" };
	const char *const values[] = { file, BAD, plugins };

	while (*line) {
		size_t i = 0;

		while (i < 3 && strncmp(line, names[i], strlen(names[i])))
			i++;
		if (i < 3)
			buf_string(to, values[i]);
		else
			buf_char(to, *line);
		line += i < 3 ? strlen(names[i]) : 1;
	}
}

/* Adds to `wrong` what differs. */
static void check_bad(const char *name, struct buf *wrong)
{
	struct buf expected = BUF_INIT;
	char file[320], line[1024], *errors;
	FILE *in;

	snprintf(file, sizeof(file), BAD "/%s", name);
	in = fopen(file, "re");
	ck_assert_ptr_nonnull(in);
	while (fgets(line, sizeof(line), in))
		if (!strncmp(line, "# expect: ", 10))
			expect_line(&expected, line + 10, file);
	fclose(in);
	ck_assert_msg(expected.size > 0, "%s expects nothing", file);
	errors = errors_of_file(file);
	if (strcmp(errors, expected.data))
		buf_printf(wrong, "expected:\n%sgot:\n%s", expected.data, errors);
	free(errors);
	buf_dispose(&expected);
}

START_TEST(bad_configs)
{
	DIR *dir = opendir(BAD);
	struct buf wrong = BUF_INIT;
	struct dirent *entry;
	int count = 0;

	ck_assert_msg(dir != NULL, "run this from the tree's root");
	while ((entry = readdir(dir))) {
		size_t size = strlen(entry->d_name);

		if (size < 5 || strcmp(entry->d_name + size - 5, ".yaml"))
			continue;
		check_bad(entry->d_name, &wrong);
		count++;
	}
	closedir(dir);
	ck_assert_msg(!wrong.size, "%s", wrong.data);
	ck_assert_int_ge(count, 20);
}
END_TEST

/* What a function prints. Owned by the caller. */
static char *printed(int (*print)(const char *what, bool json, FILE *out), const char *what, bool json)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_eq(print(what, json, out), 0);
	fclose(out);
	return text;
}

#define HAS(text, part) ck_assert_msg(strstr(text, part) != NULL, "no %s in:\n%s", part, text)

START_TEST(showing)
{
	char *yaml, *json, *again;
	const char *file;

	setenv("CONF_TEST_SECRET", "from-the-environment", 1);
	setenv("DROVER_LOG__LEVEL", "debug", 1);
	write_file("secret", "s3cret\n", 0600);
	write_file("key", "-----BEGIN it\n", 0600);
	write_file("phrase", "open it\n", 0600);
	write_file("cert", "ssh-ed25519-cert-v01@openssh.com AAAA\n", 0644);
	file = write_file("drover.yaml", whole, 0600);
	yaml = printed(conf_show, file, false);
	HAS(yaml, "  name: 123                                  # from /tmp/drover-conf-");
	HAS(yaml, "drover.yaml:1\n");
	HAS(yaml, "  level: debug                               # environment DROVER_LOG__LEVEL\n");
	HAS(yaml, "  take_over: 45s                             # default\n");
	HAS(yaml, "    password: \"***\"                          # from /tmp/drover-conf-");
	HAS(yaml, "    key: \"***\"");
	HAS(yaml, "    credential: prod");
	ck_assert_ptr_null(strstr(yaml, "BEGIN"));
	HAS(yaml, "  path: /srv/drover/drover.db                # from node.state_dir\n");
	HAS(yaml, "    needed: \"x y\"");
	HAS(yaml, "    match: {hosts: \"lab[1-99]\"}");
	ck_assert_ptr_null(strstr(yaml, "s3cret"));
	ck_assert_ptr_null(strstr(yaml, "from-the-environment"));
	ck_assert_ptr_null(strstr(yaml, "idle_exit"));
	json = printed(conf_show, file, true);
	HAS(json, "\"credentials.prod.password\"");
	ck_assert_ptr_null(strstr(json, "s3cret"));
	/* Without secrets what is shown is a configuration again. */
	free(yaml);
	yaml = printed(conf_show, write_file("a.yaml", "store: {plugin: several, path: 'a: b'}\n", 0600), false);
	again = printed(conf_show, write_file("b.yaml", yaml, 0600), false);
	HAS(again, "path: \"a: b\"");
	free(yaml);
	free(json);
	free(again);
}
END_TEST

START_TEST(role)
{
	int ends[2];
	char text[4096] = "";

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(conf_role_main(write_file("drover.yaml", "node: []\n", 0600), ends[1]), 78);
	ck_assert_int_gt(read(ends[0], text, sizeof(text) - 1), 0);
	HAS(text, "{\"errors\":[\"");
	HAS(text, "drover.yaml:1:7: node: is a list, but must be a mapping");
	memset(text, 0, sizeof(text));
	ck_assert_int_eq(conf_role_main(write_file("drover.yaml", "store: {plugin: several}\n", 0600), ends[1]), 0);
	ck_assert_int_gt(read(ends[0], text, sizeof(text) - 1), 0);
	ck_assert_int_eq(strncmp(text, "{\"plan\":{\"node\":{", 17), 0);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(describing)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json_object *schema;

	ck_assert_int_eq(conf_plugin_describe(NULL, "options", false, out), 0);
	fclose(out);
	HAS(text, "options 1.2.3 (executor): has one option of each type\n");
	HAS(text, "  number (whole number, default 5, 1 to 100)\n      a whole number\n");
	HAS(text, "  colour (choice, default green: red | green | blue)\n");
	free(text);
	out = open_memstream(&text, &size);
	ck_assert_int_eq(conf_plugin_describe(NULL, "options", true, out), 0);
	fclose(out);
	schema = json_tokener_parse(text);
	IS(schema, "executor.properties.number.maximum", "100");
	IS(schema, "executor.properties.colour.enum", "[\"red\",\"green\",\"blue\"]");
	IS(schema, "executor.properties.plugin.const", "\"options\"");
	IS(schema, "executor.required", "[\"plugin\",\"needed\"]");
	IS(schema, "executor.additionalProperties", "false");
	json_object_put(schema);
	free(text);
	text = printed(conf_plugin_list, NULL, false);
	HAS(text, "options            executor     1.2.3    has one option of each type\n");
	HAS(text, "otherabi           broken       -        plugin otherabi: ");
	HAS(text, "several            source, sink, monitor 0.1");
	free(text);
	out = open_memstream(&text, &size);
	ck_assert_int_eq(conf_plugin_describe(NULL, "none", true, out), 1);
	ck_assert_int_eq(conf_reference(NULL, out), 0);
	fclose(out);
	HAS(text, "| `take_over` | duration, 500ms to 2h | `45s` | ");
	HAS(text, "### `options` (executor)");
	ck_assert_ptr_null(strstr(text, "idle_exit"));
	free(text);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		environment_matches_nothing,
		secret_files,
		secrets_in_messages,
		secret_file_modes,
		hostile_files,
		many_errors,
		no_file,
		bad_configs,
		showing,
		role,
		describing,
	};

	return conf_run("conf", tests, sizeof(tests) / sizeof(tests[0]));
}
