/*
 * test_conf_plan.c - the plan that comes of a right configuration: each process's slice, and nothing that is another's.
 */
#define _GNU_SOURCE /* environ */
#include "unit/conf_fixture.h"

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
	IS(plan, "processes.0.slice.capacity", "{\"hosts\":2000,\"units\":512,\"reserve\":5}");
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

int main(void)
{
	const TTest *const tests[] = {
		capacity_of_heavy_hosts, the_plan, slices_are_apart, least, includes, environment,
	};

	return conf_run("conf plan", tests, sizeof(tests) / sizeof(tests[0]));
}
