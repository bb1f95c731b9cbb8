/*
 * test_conf.c - whole configurations: the plan that comes out, and for each file of
 * tests/system/bad_configs exactly the errors that its `# expect:` lines say. Run from the tree's root.
 */
#define _GNU_SOURCE /* environ */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "conf/plan.h"
#include "conf/show.h"
#include "util/buf.h"

#define BAD "tests/system/bad_configs"

static char plugins[PATH_MAX + 32]; /* folder of the test plugins */
static char folder[64];             /* of one test's files */

static void find_plugins(void)
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[size > 0 ? size : 0] = '\0';
	snprintf(plugins, sizeof(plugins), "%s/plugins", dirname(dirname(self)));
	setenv("DROVER_PLUGIN_PATH", plugins, 1);
}

/* What another test has left there when all run in one process, and what the caller's shell has. */
static void forget_overrides(void)
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

static void make_folder(void)
{
	forget_overrides();
	snprintf(folder, sizeof(folder), "/tmp/drover-conf-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/* Writes a file into the test's folder; its path in a buffer of this function. */
static const char *write_file(const char *name, const char *text, mode_t mode)
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
static struct json_object *plan_of(const char *text)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct json_object *plan;

	conf_plan(write_file("drover.yaml", text, 0600), &plan, &errors);
	ck_assert_msg(plan != NULL, "%s", errors.count ? errors.lines[0] : "no errors");
	errors_dispose(&errors);
	return plan;
}

/* The errors of a configuration, a line each. Owned by the caller. */
static char *errors_of_file(const char *file)
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

static char *errors_of(const char *text)
{
	return errors_of_file(write_file("drover.yaml", text, 0600));
}

/* A member of JSON by a path like "processes.0.slice.name"; as text. Borrowed. */
static const char *at(struct json_object *json, const char *path)
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

/* More than any machine's memory holds: the least that is ever the default. */
START_TEST(capacity_of_heavy_hosts)
{
	struct json_object *plan;

	write_file("secret", "s3cret\n", 0600);
	plan = plan_of("store: {plugin: several, password: {file: secret}}\n"
		       "executors: [{plugin: helped}, {plugin: helped, name: few, capacity: {hosts: 3}},"
		       " {plugin: helped, name: units, capacity: {units: 2}}]\n");

	IS(plan, "processes.0.slice.executors.0.capacity.hosts", "30");
	IS(plan, "processes.0.slice.executors.1.capacity.hosts", "3");
	IS(plan, "processes.0.slice.executors.2.capacity.hosts", "30");
	IS(plan, "processes.0.slice.executors.2.capacity.units", "2");
	json_object_put(plan);
}
END_TEST

START_TEST(the_plan)
{
	struct json_object *plan;

	setenv("CONF_TEST_SECRET", "from-the-environment", 1);
	write_file("secret", "s3cret\n", 0600);
	write_file("key", "-----BEGIN it\n", 0600);
	write_file("phrase", "open it\n", 0600);
	write_file("cert", "ssh-ed25519-cert-v01@openssh.com AAAA\n", 0644);
	plan = plan_of(whole);
	IS(plan, "node.name", "\"123\"");
	IS(plan, "node.pools", "[\"one\"]");
	IS(plan, "node.isolation", "\"auto\"");
	IS(plan, "lease.take_over", "45000");
	IS(plan, "log", "{\"level\":\"info\",\"format\":\"json\"}");
	IS(plan, "secret_variables", "[\"CONF_TEST_SECRET\"]");
	IS(plan, "processes.0.role", "\"core\"");
	IS(plan, "processes.0.user", "null");
	IS(plan, "processes.0.slice.capacity", "{\"hosts\":2000,\"units\":512}");
	IS(plan, "processes.0.slice.limits.output_default", "65536");
	IS(plan, "processes.0.slice.store.options", "{\"password\":\"s3cret\",\"path\":\"/srv/drover/drover.db\"}");
	IS(plan, "processes.0.slice.store.keep", "172800000");
	IS(plan, "processes.0.slice.sources.0.options", "{\"listen\":\"127.0.0.1:8007\"}");
	IS(plan, "processes.0.slice.executors.0.types", "[\"options\",\"other\"]");
	IS(plan, "processes.0.slice.executors.0.window", "7");
	IS(plan, "processes.0.slice.executors.0.match", "null");
	IS(plan, "processes.0.slice.executors.0.capacity", "null");
	IS(plan, "processes.0.slice.executors.0.payload",
	   "[{\"name\":\"word\",\"types\":1,\"group\":0,\"required\":true,\"help\":\"what to say\"}]");
	IS(plan, "processes.0.slice.executors.0.options", "(absent)");
	IS(plan, "processes.0.slice.executors.1.match", "\"lab[1-99]\"");
	IS(plan, "processes.0.slice.executors.1.capacity.hosts", "5");
	IS(plan, "processes.0.slice.sinks",
	   "[{\"name\":\"file\",\"plugin\":\"several\",\"spool_limit\":2097152,\"events\":10}]");
	IS(plan, "processes.1.role", "\"executor\"");
	IS(plan, "processes.1.slice.options",
	   "{\"number\":\"7\",\"words\":[\"a\",\"b\"],\"env\":{\"A\":\"1\"},\"needed\":\"x y\"}");
	IS(plan, "processes.2.name", "\"lab\"");
	IS(plan, "processes.2.user", "\"root\"");
	IS(plan, "processes.2.slice.options.user", "\"root\"");
	IS(plan, "processes.2.slice.options.credential", "\"prod\"");
	IS(plan, "processes.2.slice.options.password", "(absent)");
	IS(plan, "processes.2.slice.credentials.prod", "{\"user\":\"yes\",\"password\":\"from-the-environment\"}");
	IS(plan, "processes.2.slice.credentials.bare",
	   "{\"key\":\"-----BEGIN it\",\"certificate\":\"ssh-ed25519-cert-v01@openssh.com AAAA\\n\","
	   "\"passphrase\":\"open it\"}");
	IS(plan, "processes.0.slice.credentials", "{\"prod\":{\"allow\":[\"ci\",\"ops\"]},\"bare\":{\"allow\":null}}");
	IS(plan, "processes.3.slice.credentials", "(absent)");
	IS(plan, "processes.3.role", "\"sink\"");
	IS(plan, "processes.3.slice.call_timeout", "5000");
	IS(plan, "processes.4.slice.monitors.0.interval", "500");
	IS(plan, "processes.5", "null");
	json_object_put(plan);
}
END_TEST

/* No slice holds the secrets of the store or of credentials but those that need them. */
START_TEST(slices_are_apart)
{
	struct json_object *plan;

	setenv("CONF_TEST_SECRET", "from-the-environment", 1);
	write_file("secret", "s3cret\n", 0600);
	write_file("key", "-----BEGIN it\n", 0600);
	write_file("phrase", "open it\n", 0600);
	write_file("cert", "ssh-ed25519-cert-v01@openssh.com AAAA\n", 0644);
	plan = plan_of(whole);
	ck_assert_ptr_nonnull(strstr(at(plan, "processes.0.slice"), "s3cret"));
	ck_assert_ptr_null(strstr(at(plan, "processes.0.slice"), "from-the-environment"));
	ck_assert_ptr_null(strstr(at(plan, "processes.1.slice"), "s3cret"));
	/* Executors that take credentials have them all: a task may name any. */
	ck_assert_ptr_nonnull(strstr(at(plan, "processes.1.slice"), "from-the-environment"));
	ck_assert_ptr_nonnull(strstr(at(plan, "processes.2.slice"), "from-the-environment"));
	ck_assert_ptr_null(strstr(at(plan, "processes.3.slice"), "from-the-environment"));
	json_object_put(plan);
}
END_TEST

START_TEST(least)
{
	struct json_object *plan = plan_of("store: {plugin: several}\nsources:\n");
	char host[HOST_NAME_MAX + 3] = "\"";

	gethostname(host + 1, HOST_NAME_MAX);
	strcat(host, "\"");
	IS(plan, "node.name", host);
	IS(plan, "node.pools", "[\"default\"]");
	IS(plan, "processes.0.slice.store.options.path", "\"/var/lib/drover/drover.db\"");
	IS(plan, "processes.0.slice.sources", "[]");
	IS(plan, "processes.1", "null");
	json_object_put(plan);
}
END_TEST

START_TEST(includes)
{
	struct json_object *plan;
	char path[128];

	snprintf(path, sizeof(path), "%s/parts", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	write_file("parts/20.yaml", "executors: [{plugin: options, name: second, needed: a}]\n", 0600);
	write_file("parts/10.yaml", "executors: [{plugin: options, name: first, needed: {}}]\n", 0600);
	write_file("parts/10.yaml",
		   "executors: [{plugin: options, name: first, needed: a}]\nnode: {isolation: cgroup}\n", 0600);
	plan = plan_of("include: parts/*.yaml\nnode: {name: here}\nstore: {plugin: several}\n"
		       "executors: [{plugin: options, name: own, needed: a}]\n");
	IS(plan, "node.name", "\"here\"");
	IS(plan, "node.isolation", "\"cgroup\"");
	IS(plan, "processes.1.name", "\"own\"");
	IS(plan, "processes.2.name", "\"first\"");
	IS(plan, "processes.3.name", "\"second\"");
	json_object_put(plan);
}
END_TEST

START_TEST(environment)
{
	struct json_object *plan;
	char *errors;

	setenv("DROVER_NODE__NAME", "from-outside", 1);
	setenv("DROVER_NODE__POOLS", "a,b", 1);
	setenv("DROVER_EXECUTORS__LAB_1__USER", "root", 1);
	setenv("DROVER_EXECUTORS__OPTIONS__NUMBER", "9", 1);
	setenv("DROVER_EXECUTORS__OPTIONS__MATCH__HOSTS", "x[1-2]", 1);
	setenv("DROVER_EXECUTORS__OPTIONS__PASSWORD", "hunter2", 1);
	setenv("DROVER_URL", "http://127.0.0.1:1", 1);
	plan = plan_of("node: {name: here}\nstore: {plugin: several}\nexecutors:\n"
		       "- {plugin: options, name: lab-1, needed: a}\n- {plugin: options, needed: a, number: 8}\n");
	IS(plan, "node.name", "\"from-outside\"");
	IS(plan, "node.pools", "[\"a\",\"b\"]");
	IS(plan, "processes.1.slice.options.user", "\"root\"");
	IS(plan, "processes.2.slice.options.number", "\"9\"");
	IS(plan, "processes.2.slice.options.password", "\"hunter2\"");
	IS(plan, "processes.0.slice.executors.1.match", "\"x[1-2]\"");
	IS(plan, "secret_variables", "[\"DROVER_EXECUTORS__OPTIONS__PASSWORD\"]");
	json_object_put(plan);
	unsetenv("DROVER_EXECUTORS__LAB_1__USER");
	setenv("DROVER_EXECUTORS__OPTIONS__NUMBER", "many", 1);
	errors = errors_of("store: {plugin: several}\nexecutors:\n- {plugin: options, needed: a}\n");
	ck_assert_str_eq(errors,
			 "DROVER_EXECUTORS__OPTIONS__NUMBER: executors[0].number: \"many\" is not a whole number\n");
	free(errors);
}
END_TEST

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
	Suite *suite = suite_create("conf");
	TCase *tests = tcase_create("conf");
	SRunner *runner;
	int failed;

	find_plugins();
	tcase_add_checked_fixture(tests, make_folder, remove_folder);
	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, the_plan);
	tcase_add_test(tests, capacity_of_heavy_hosts);
	tcase_add_test(tests, slices_are_apart);
	tcase_add_test(tests, least);
	tcase_add_test(tests, includes);
	tcase_add_test(tests, environment);
	tcase_add_test(tests, environment_matches_nothing);
	tcase_add_test(tests, secret_files);
	tcase_add_test(tests, secrets_in_messages);
	tcase_add_test(tests, secret_file_modes);
	tcase_add_test(tests, hostile_files);
	tcase_add_test(tests, many_errors);
	tcase_add_test(tests, no_file);
	tcase_add_test(tests, bad_configs);
	tcase_add_test(tests, showing);
	tcase_add_test(tests, role);
	tcase_add_test(tests, describing);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
