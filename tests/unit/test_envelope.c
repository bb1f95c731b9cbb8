/*
 * test_envelope.c - what an engine may execute: taken as it was signed, and in no other way. The vector was made by
 * OpenSSL and Python's hashlib, so that both sides of libsodium's use are held against others.
 */
#include <check.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "task/envelope.h"

#define PRIVATE DROVER_SIGNING_PRIVATE "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define PUBLIC DROVER_SIGNING_PUBLIC "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
#define OTHER DROVER_SIGNING_PRIVATE "/////////////////////////////////////////w8="
#define MADE INT64_C(1795000000000)
#define EXPIRES INT64_C(1795604800000)
#define PAYLOAD "{\"command\":\"true\"}"
#define DIGEST "13c76770415cddd7b42ccc58c65f68073dd2e7674afcc79bedc6be2da91f1e89"

static const char head[] = "445256319d24e2eeaf27c2a0"
			   "0248879cca9bae1d0e558095d321410021a9fc98c3de4fc91903d2fdeed6adda"
			   "f4fa761ed4366ed44606db485f2c9a921f1c2a5bdcc9823a608d6683e614e909";
static const char text[] =
	"{\"version\":1,\"cluster\":\"east\",\"task\":\"T1\",\"pool\":\"default\",\"unit\":2,\"first\":60,\"count\":2,"
	"\"type\":\"shell\",\"executor\":\"shell\",\"owner\":null,\"credential\":\"prod\",\"commit\":null,\"confined\":"
	"false,\"priority\":"
	"50,"
	"\"on_lost\":\"report\",\"timeout\":100000,\"host_timeout\":0,\"connect_timeout\":5000,\"output_limit\":65536,"
	"\"fanout\":0,\"payload_sha256\":\"" DIGEST "\",\"made_at\":1795000000000,\"expires_at\":1795604800000,"
	"\"hosts\":[{\"n\":\"web1\"},{\"n\":\"web2\",\"a\":\"10.0.0.2\",\"p\":2222,\"u\":\"root\",\"v\":\"{\\\"x\\\":1}"
	"\"}]}";

static const struct drover_host_spec hosts[] = {
	{ .name = "web1" },
	{ .name = "web2", .address = "10.0.0.2", .port = 2222, .user = "root", .vars = "{\"x\":1}" },
};
static const struct drover_unit_spec spec = { .first = 60, .count = 2 };

static struct drover_task a_task(void)
{
	return (struct drover_task){ .size = sizeof(struct drover_task),
				     .id = "T1",
				     .pool = "default",
				     .type = "shell",
				     .executor = "shell",
				     .credential = "prod",
				     .payload = PAYLOAD,
				     .priority = 50,
				     .timeout = 100000,
				     .connect_timeout = 5000,
				     .output_limit = 65536,
				     .expires_at = EXPIRES };
}

static struct signing_keys *some_keys(const char *cluster, const char *private, const char *public)
{
	struct json_object *section = json_object_new_object(), *list = json_object_new_array();
	struct signing_keys *keys;
	struct drover_error err = { 0 };

	json_object_object_add(section, "name", json_object_new_string(cluster));
	if (private)
		json_object_object_add(section, "signing_key", json_object_new_string(private));
	if (public)
		json_object_array_add(list, json_object_new_string(public));
	json_object_object_add(section, "public_keys", list);
	ck_assert_msg(!signing_keys_read(section, &keys, &err), "%s", err.message);
	json_object_put(section);
	return keys;
}

static int open_with(const struct signing_keys *keys, const void *message, size_t size, int64_t now, const char *reason)
{
	/* Of exactly that size, so that reading beyond it is seen. */
	char *copy = malloc(size ? size : 1);
	struct envelope envelope;
	struct drover_error err = { 0 };
	int code;

	if (size)
		memcpy(copy, message, size);
	code = envelope_open(keys, copy, size, now, &envelope, &err);
	if (reason)
		ck_assert_msg(strstr(err.message, reason) != NULL, "not `%s`: %s", reason, err.message);
	envelope_dispose(&envelope);
	free(copy);
	return code;
}

static void add_head(struct buf *message)
{
	unsigned char bytes[76];

	ck_assert(!sodium_hex2bin(bytes, sizeof(bytes), head, sizeof(head) - 1, NULL, NULL, NULL));
	buf_append(message, bytes, sizeof(bytes));
}

/* Signed by one who may, whatever it says. */
static struct buf signed_text(const struct signing_keys *keys, const char *what)
{
	unsigned char id[DROVER_SIGNING_ID_SIZE], signature[SIGNING_SIGNATURE_SIZE];
	struct buf message = BUF_INIT;

	ck_assert(!signing_keys_sign(keys, what, strlen(what), id, signature, NULL));
	buf_append(&message, "DRV1", 4);
	buf_append(&message, id, sizeof(id));
	buf_append(&message, signature, sizeof(signature));
	buf_append(&message, what, strlen(what));
	return message;
}

static struct buf a_message(const struct signing_keys *keys)
{
	struct drover_task task = a_task();
	struct buf message = BUF_INIT;
	struct drover_error err = { 0 };

	ck_assert_msg(!envelope_sign(keys, &task, 2, &spec, hosts, false, &message, &err), "%s", err.message);
	return message;
}

START_TEST(vector)
{
	struct signing_keys *believes = some_keys("east", NULL, PUBLIC), *signs = some_keys("east", PRIVATE, NULL);
	struct buf message = BUF_INIT, ours;
	struct envelope e;
	struct drover_error err = { 0 };

	add_head(&message);
	buf_append(&message, text, strlen(text));
	ck_assert_msg(!envelope_open(believes, message.data, message.size, MADE, &e, &err), "%s", err.message);
	ck_assert_str_eq(e.key, "9d24e2eeaf27c2a0");
	ck_assert_str_eq(e.task.id, "T1");
	ck_assert_str_eq(e.task.credential, "prod");
	ck_assert_ptr_null(e.task.owner);
	ck_assert_int_eq(e.unit, 2);
	ck_assert_int_eq(e.first, 60);
	ck_assert_int_eq(e.expires_at, EXPIRES);
	ck_assert_str_eq(e.hosts[1].vars, "{\"x\":1}");
	ck_assert_int_eq(e.hosts[0].port, 0);
	envelope_dispose(&e);
	/* The same text gives the same bytes. */
	ours = signed_text(signs, text);
	ck_assert_uint_eq(ours.size, message.size);
	ck_assert_mem_eq(ours.data, message.data, message.size);
	buf_dispose(&ours);
	buf_dispose(&message);
	signing_keys_free(believes);
	signing_keys_free(signs);
}
END_TEST

START_TEST(signed_and_opened)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);
	struct drover_task task = a_task();
	struct envelope e;
	struct drover_error err = { 0 };

	ck_assert_msg(!envelope_open(keys, message.data, message.size, EXPIRES, &e, &err), "%s", err.message);
	ck_assert_msg(!envelope_check_task(&e, &task, &err), "%s", err.message);
	for (int64_t i = 0; i < 2; i++)
		ck_assert_msg(!envelope_check_host(&e, 60 + i, &hosts[i], &err), "%s", err.message);
	/* The text is what the vector's is, but for when it was made. */
	ck_assert_int_eq(memcmp(message.data + 76, text, (size_t)(strstr(text, "\"made_at\"") - text)), 0);
	envelope_dispose(&e);
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

START_TEST(no_bit_may_differ)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);
	size_t taken = 0;

	for (size_t bit = 0; bit < message.size * 8; bit++) {
		message.data[bit / 8] ^= (char)(1 << bit % 8);
		taken += !open_with(keys, message.data, message.size, MADE, NULL);
		message.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert_uint_eq(taken, 0);
	ck_assert(!open_with(keys, message.data, message.size, MADE, NULL));
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

START_TEST(no_byte_may_lack_or_follow)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);
	size_t taken = 0, size = message.size;

	for (size_t cut = 0; cut < size; cut++) {
		taken += !open_with(keys, message.data, cut, MADE, NULL);
		taken += !open_with(keys, message.data + size - cut, cut, MADE, NULL);
	}
	for (int byte = 0; byte < 256; byte++) {
		buf_char(&message, (char)byte);
		taken += !open_with(keys, message.data, message.size, MADE, NULL);
		message.size = size;
	}
	ck_assert_uint_eq(taken, 0);
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

START_TEST(keys_of_others)
{
	struct signing_keys *ours = some_keys("east", PRIVATE, NULL), *other = some_keys("east", OTHER, NULL);
	struct signing_keys *both = some_keys("east", OTHER, PUBLIC), *none = some_keys("east", NULL, NULL);
	struct signing_keys *far = some_keys("west", PRIVATE, NULL);
	struct buf message = a_message(ours), forged = a_message(other);

	ck_assert_int_eq(open_with(other, message.data, message.size, MADE, "cluster.public_keys"), DROVER_EDENIED);
	ck_assert_int_eq(open_with(none, message.data, message.size, MADE, "cluster.public_keys"), DROVER_EDENIED);
	ck_assert_int_eq(open_with(NULL, message.data, message.size, MADE, "cluster.public_keys"), DROVER_EDENIED);
	ck_assert_int_eq(open_with(far, message.data, message.size, MADE, "for the cluster `east`"), DROVER_EDENIED);
	/* Another's signature under the name of a key that is believed. */
	memcpy(forged.data + 4, message.data + 4, DROVER_SIGNING_ID_SIZE);
	ck_assert_int_eq(open_with(ours, forged.data, forged.size, MADE, "altered"), DROVER_EDENIED);
	/* While keys are exchanged both are believed. */
	ck_assert(!open_with(both, message.data, message.size, MADE, NULL));
	buf_dispose(&message);
	buf_dispose(&forged);
	signing_keys_free(ours);
	signing_keys_free(other);
	signing_keys_free(both);
	signing_keys_free(none);
	signing_keys_free(far);
}
END_TEST

START_TEST(keys_exchanged)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);
	struct json_object *section = json_tokener_parse("{\"public_keys\":[\"" PUBLIC "\"]}");
	struct drover_error err = { 0 };

	ck_assert(!signing_keys_update(keys, section, &err));
	ck_assert(!signing_keys_can_sign(keys));
	ck_assert(!open_with(keys, message.data, message.size, MADE, NULL));
	json_object_put(section);
	section = json_tokener_parse("{\"public_keys\":[\"drover-signing-public1:xyz\"]}");
	ck_assert_int_eq(signing_keys_update(keys, section, &err), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(err.message, "cluster.public_keys[0]"));
	ck_assert(signing_keys_can_verify(keys));
	json_object_put(section);
	ck_assert(!signing_keys_update(keys, NULL, &err));
	ck_assert(!signing_keys_can_verify(keys));
	ck_assert_int_eq(open_with(keys, message.data, message.size, MADE, NULL), DROVER_EDENIED);
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

START_TEST(expired)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);

	ck_assert(!open_with(keys, message.data, message.size, EXPIRES, NULL));
	ck_assert_int_eq(open_with(keys, message.data, message.size, EXPIRES + 1, "expired: at 2026-11-"),
			 DROVER_EDENIED);
	ck_assert(!open_with(keys, message.data, message.size, 0, NULL));
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

/* Each is signed; `from` in the text is replaced by `to`. */
static const struct {
	const char *from, *to, *reason;
} odd[] = {
	{ "\"version\":1", "\"version\":2", "of version 2" },
	{ "\"version\":1,", "", "`version`" },
	{ "\"version\":1", "\"version\":\"1\"", "`version`" },
	{ "\"cluster\":\"east\",", "", "`cluster`" },
	{ "\"east\"", "\"East\"", "for the cluster" },
	{ "\"task\":\"T1\",", "", "`task`" },
	{ "\"T1\"", "\"T1\\u0000x\"", "`task`" },
	{ "\"T1\"", "17", "`task`" },
	{ "\"pool\":\"default\",", "", "`pool`" },
	{ "\"unit\":2,", "", "`unit`" },
	{ "\"unit\":2,", "\"unit\":-1,", "`unit`" },
	{ "\"unit\":2,", "\"unit\":2.5,", "`unit`" },
	{ "\"first\":60,", "", "`first`" },
	{ "\"count\":2,", "", "`count`" },
	{ "\"count\":2,", "\"count\":1,", "`hosts`" },
	{ "\"count\":2,", "\"count\":3,", "`hosts`" },
	{ "\"type\":\"shell\",", "", "`type`" },
	{ "\"executor\":\"shell\",", "", "`executor`" },
	{ "\"owner\":null,", "", "`owner`" },
	{ "\"credential\":\"prod\",", "", "`credential`" },
	{ "\"commit\":null,", "", "`commit`" },
	{ "\"confined\":false,", "", "`confined`" },
	{ "\"confined\":false,", "\"confined\":0,", "`confined`" },
	{ "\"commit\":null,", "\"commit\":\"0123\",", "`commit`" },
	{ "\"priority\":50,", "", "`priority`" },
	{ "\"priority\":50,", "\"priority\":101,", "`priority`" },
	{ "\"on_lost\":\"report\",", "", "`on_lost`" },
	{ "\"report\"", "\"again\"", "`on_lost`" },
	{ "\"timeout\":100000,", "", "`timeout`" },
	{ "\"timeout\":100000,", "\"timeout\":0,", "`timeout`" },
	{ "\"host_timeout\":0,", "", "`host_timeout`" },
	{ "\"connect_timeout\":5000,", "", "`connect_timeout`" },
	{ "\"output_limit\":65536,", "", "`output_limit`" },
	{ "\"fanout\":0,", "", "`fanout`" },
	{ "\"payload_sha256\":\"" DIGEST "\",", "", "`payload_sha256`" },
	{ DIGEST, "13c7", "`payload_sha256`" },
	{ DIGEST, "x3c76770415cddd7b42ccc58c65f68073dd2e7674afcc79bedc6be2da91f1e89", "`payload_sha256`" },
	{ "\"made_at\":1795000000000,", "", "`made_at`" },
	{ "\"expires_at\":1795604800000,", "", "`expires_at`" },
	{ "\"n\":\"web1\"", "", "`hosts`" },
	{ "{\"n\":\"web1\"}", "7", "`hosts`" },
	{ "\"p\":2222", "\"p\":65536", "`hosts`" },
	{ "\"u\":\"root\"", "\"u\":null", "`hosts`" },
	{ "\"u\":\"root\"", "\"w\":\"root\"", "`hosts`" },
	{ ",\"hosts\":[", ",\"hosts\":[],\"more\":[", "`hosts`" },
	{ "\"owner\":null", "\"owner\":null,\"sudo\":true", "does not know" },
	{ "\"unit\":2", "\"unit\":2,\"unit\":3", "no JSON" },
	{ "}]}", "}]} ", NULL }, /* blanks are signed, too */
};

START_TEST(signed_but_odd)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	const char *place = strstr(text, odd[_i].from);
	struct buf changed = BUF_INIT, message;

	ck_assert_ptr_nonnull(place);
	buf_printf(&changed, "%.*s%s%s", (int)(place - text), text, odd[_i].to, place + strlen(odd[_i].from));
	message = signed_text(keys, changed.data);
	ck_assert_int_eq(open_with(keys, message.data, message.size, MADE, odd[_i].reason),
			 odd[_i].reason ? DROVER_EDENIED : 0);
	buf_dispose(&message);
	buf_dispose(&changed);
	signing_keys_free(keys);
}
END_TEST

START_TEST(no_object)
{
	static const char *const texts[] = { "[]", "null", "7", "{", " " };
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = signed_text(keys, texts[_i]);

	ck_assert_int_eq(open_with(keys, message.data, message.size, MADE, "it is signed, but no"), DROVER_EDENIED);
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

/* What the store says, held against what was signed: each member, one by one. */
START_TEST(store_differs)
{
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct buf message = a_message(keys);
	struct envelope e;
	struct drover_error err = { 0 };

	ck_assert(!envelope_open(keys, message.data, message.size, MADE, &e, &err));
#define DIFFERS(name, member, value)                                                                                   \
	do {                                                                                                           \
		struct drover_task task = a_task();                                                                    \
		task.member = value;                                                                                   \
		ck_assert_int_eq(envelope_check_task(&e, &task, &err), DROVER_EDENIED);                                \
		ck_assert_ptr_nonnull(strstr(err.message, "`" name "`"));                                              \
	} while (0)
	DIFFERS("id", id, "T2");
	DIFFERS("type", type, "adhoc");
	DIFFERS("payload", payload, "{\"command\":\"True\"}");
	DIFFERS("payload", payload, PAYLOAD " ");
	DIFFERS("payload", payload, NULL);
	DIFFERS("executor", executor, "lab");
	DIFFERS("credential", credential, "root");
	DIFFERS("credential", credential, NULL);
	DIFFERS("pool", pool, "dmz");
	DIFFERS("owner", owner, "eve");
	DIFFERS("home", home, "engine1");
	DIFFERS("priority", priority, 100);
	DIFFERS("on_lost", rerun_lost, true);
	DIFFERS("timeout", timeout, 1);
	DIFFERS("host_timeout", host_timeout, 1);
	DIFFERS("connect_timeout", connect_timeout, 1);
	DIFFERS("output_limit", output_limit, 1);
	DIFFERS("fanout", fanout, 1);
#define OTHER_HOST(name, member, value)                                                                                \
	do {                                                                                                           \
		struct drover_host_spec host = hosts[1];                                                               \
		host.member = value;                                                                                   \
		ck_assert_int_eq(envelope_check_host(&e, 61, &host, &err), DROVER_EDENIED);                            \
		ck_assert_ptr_nonnull(strstr(err.message, "`" name "`"));                                              \
	} while (0)
	OTHER_HOST("name", name, "web1");
	OTHER_HOST("address", address, "10.0.0.3");
	OTHER_HOST("address", address, NULL);
	OTHER_HOST("port", port, 22);
	OTHER_HOST("user", user, "admin");
	OTHER_HOST("vars", vars, "{}");
	OTHER_HOST("vars", vars, NULL);
	ck_assert_int_eq(envelope_check_host(&e, 59, &hosts[0], &err), DROVER_EDENIED);
	ck_assert_int_eq(envelope_check_host(&e, 62, &hosts[0], &err), DROVER_EDENIED);
	ck_assert_int_eq(envelope_check_host(&e, 60, &hosts[1], &err), DROVER_EDENIED);
	ck_assert_int_eq(envelope_check_pool(&e, (char *const[]){ (char *)"dmz", NULL }, &err), DROVER_EDENIED);
	ck_assert(!envelope_check_pool(&e, (char *const[]){ (char *)"dmz", (char *)"default", NULL }, &err));
	envelope_dispose(&e);
	buf_dispose(&message);
	signing_keys_free(keys);
}
END_TEST

/* What a distributor took for granted may have been put into the store by anybody. */
START_TEST(executor_here)
{
	static const char config[] =
		"[{\"name\":\"shell\",\"types\":[\"shell\"]},{\"name\":\"shell\",\"types\":[\"shell\"],\"match\":\"web["
		"1-9]\"},"
		"{\"name\":\"lab\",\"types\":[\"shell\"]},{\"name\":\"shell\",\"types\":[\"adhoc\"]},"
		"{\"name\":\"shell\",\"types\":[\"shell\"],\"match\":\"web1\"},"
		"{\"name\":\"shell\",\"types\":[\"shell\"],\"unconfined\":true}]";
	static const char *const reasons[] = {
		NULL, NULL, "for the executor shell", "does not serve shell", "the host web2", NULL
	};
	struct json_object *array = json_tokener_parse(config);
	struct signing_keys *keys = some_keys("east", PRIVATE, NULL);
	struct drover_task task = a_task();
	struct buf confined = BUF_INIT, message = a_message(keys);
	struct executors executors;
	struct envelope e;
	struct drover_error err = { 0 };

	ck_assert(!executors_read(array, &executors, &err));
	ck_assert(!envelope_open(keys, message.data, message.size, MADE, &e, &err));
	for (size_t i = 0; i < executors.count; i++) {
		ck_assert_int_eq(envelope_check_executor(&e, &executors.items[i], &err),
				 reasons[i] ? DROVER_EDENIED : 0);
		ck_assert(!reasons[i] || strstr(err.message, reasons[i]));
	}
	envelope_dispose(&e);
	ck_assert(!envelope_sign(keys, &task, 2, &spec, hosts, true, &confined, &err));
	ck_assert(!envelope_open(keys, confined.data, confined.size, MADE, &e, &err));
	ck_assert(!envelope_check_executor(&e, &executors.items[0], &err));
	ck_assert_int_eq(envelope_check_executor(&e, &executors.items[5], &err), DROVER_EDENIED);
	envelope_dispose(&e);
	executors_dispose(&executors);
	buf_dispose(&message);
	buf_dispose(&confined);
	signing_keys_free(keys);
	json_object_put(array);
}
END_TEST

START_TEST(too_large)
{
	struct json_object *section = json_tokener_parse("{\"unit_limit\":100,\"signing_key\":\"" PRIVATE "\"}");
	struct signing_keys *keys;
	struct drover_task task = a_task();
	struct buf message = BUF_INIT;
	struct drover_error err = { 0 };

	ck_assert(!signing_keys_read(section, &keys, &err));
	ck_assert_int_eq(envelope_sign(keys, &task, 2, &spec, hosts, false, &message, &err), DROVER_ELIMIT);
	ck_assert_ptr_nonnull(strstr(err.message, "cluster.unit_limit"));
	ck_assert_uint_eq(message.size, 0);
	signing_keys_free(keys);
	json_object_put(section);
	ck_assert(!signing_keys_read(NULL, &keys, &err));
	ck_assert_int_eq(envelope_sign(keys, &task, 2, &spec, hosts, false, &message, &err), DROVER_EFAULT);
	signing_keys_free(keys);
}
END_TEST

START_TEST(key_lines)
{
	struct signing_key key, again;
	struct drover_error err = { 0 };
	char line[SIGNING_KEY_TEXT];

	ck_assert(!signing_key_parse(PRIVATE "\n", &key, &err));
	ck_assert(key.has_private);
	signing_key_public_text(&key, line);
	ck_assert_str_eq(line, PUBLIC);
	signing_key_private_text(&key, line);
	ck_assert_str_eq(line, PRIVATE);
	ck_assert(!signing_key_make(&key, &err));
	signing_key_public_text(&key, line);
	ck_assert(!signing_key_parse(line, &again, &err));
	ck_assert_mem_eq(key.id, again.id, DROVER_SIGNING_ID_SIZE);
	for (size_t i = 0; i + 1 < strlen(PUBLIC); i++) {
		snprintf(line, sizeof(line), "%.*s", (int)i, PUBLIC);
		ck_assert_int_eq(signing_key_parse(line, &key, &err), DROVER_EINVALID);
	}
	ck_assert_int_eq(signing_key_parse(PUBLIC "AAAA", &key, &err), DROVER_EINVALID);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("envelope");
	TCase *tests = tcase_create("envelope");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, vector);
	tcase_add_test(tests, signed_and_opened);
	tcase_add_test(tests, no_bit_may_differ);
	tcase_add_test(tests, no_byte_may_lack_or_follow);
	tcase_add_test(tests, keys_of_others);
	tcase_add_test(tests, keys_exchanged);
	tcase_add_test(tests, expired);
	tcase_add_loop_test(tests, signed_but_odd, 0, (int)(sizeof(odd) / sizeof(*odd)));
	tcase_add_loop_test(tests, no_object, 0, 5);
	tcase_add_test(tests, store_differs);
	tcase_add_test(tests, executor_here);
	tcase_add_test(tests, too_large);
	tcase_add_test(tests, key_lines);
	suite_add_tcase(suite, tests);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
