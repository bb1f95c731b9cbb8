/*
 * test_principals.c - the files of those who may ask and submit: tokens (plugins/http) and producers (plugins/kafka), which
 * are one format but for what a principal is recognized by; and that producers' keys are what `drover key` makes.
 */
#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <sodium.h>

#include "../../plugins/http/tokens.h"
#include "../../plugins/kafka/signers.h"
#include "task/signing_keys.h"
#include "util/clock.h"

#define TOKEN "\"id\":\"abc\",\"hash\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
#define PRODUCER "\"key\":\"drover-signing-public1:A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=\""

static char folder[40], path[64];
static struct tokens tokens;
static struct signers signers;
static struct drover_error why;

static int errors, infos;
static char logged[1024]; /* the last line */

static void log_line(enum drover_log_level level, const char *format, va_list args)
{
	errors += level == DROVER_LOG_ERROR;
	infos += level == DROVER_LOG_INFO;
	vsnprintf(logged, sizeof(logged), format, args);
}

static const struct drover_host host = { .size = sizeof(host), .log = log_line };
const struct drover_host *drover_host = &host;

static void setup(void)
{
	errors = infos = 0;
	snprintf(folder, sizeof(folder), "/tmp/drover-principals-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
}

static void teardown(void)
{
	unlink(path);
	rmdir(folder);
}

static void write_file(mode_t mode, const char *text, size_t size)
{
	char fresh[80];
	FILE *file;

	snprintf(fresh, sizeof(fresh), "%s.new", path);
	file = fopen(fresh, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(text, 1, size, file), size);
	ck_assert_int_eq(fclose(file), 0);
	ck_assert_int_eq(chmod(fresh, mode), 0);
	ck_assert_int_eq(rename(fresh, path), 0);
}

static void __attribute__((format(printf, 1, 2))) write_lines(const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_file(0600, text, strlen(text));
}

/* Each kind of file: how it is opened, and what a line of it has. */
enum { TOKENS, PRODUCERS };
static const char *const own[] = { TOKEN, PRODUCER };

static int open_it(int kind)
{
	memset(&why, 0, sizeof(why));
	return kind == TOKENS ? tokens_open(&tokens, path, &why) : signers_open(&signers, path, "east", 3600000, &why);
}

static void close_it(int kind)
{
	if (kind == TOKENS)
		tokens_close(&tokens);
	else
		signers_close(&signers);
}

static void check_good(int kind, const char *rest)
{
	write_lines("{\"name\":\"ci\",%s,%s}\n", rest, own[kind]);
	ck_assert_msg(!open_it(kind), "%s: %s", rest, why.message);
	close_it(kind);
}

static void check_bad(int kind, const char *rest, const char *reason)
{
	write_lines("{\"name\":\"ci\",%s,%s}\n", rest, own[kind]);
	ck_assert_msg(open_it(kind) == DROVER_EINVALID, "%s", rest);
	ck_assert_msg(strstr(why.message, reason) && strstr(why.message, "/file:1: "), "%s: %s", rest, why.message);
}

START_TEST(what_both_take)
{
	static const char *const good[] = {
		"\"role\":\"submit\"",
		"\"role\":\"admin\",\"hosts\":null,\"expires\":null,\"created\":\"2026-11-23T00:00:00.000Z\"",
		"\"role\":\"submit\",\"hosts\":\"web[1-9]\"",
		"\"role\":\"submit\",\"expires\":\"2027-01-31T00:00:00Z\"",
		"\"role\":\"submit\",\"expires\":\"2027-01-31T00:00:00.123Z\"", /* as `drover token` writes it */
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		check_good(_i, good[i]);
}
END_TEST

START_TEST(what_both_refuse)
{
	static const struct {
		const char *rest, *reason;
	} bad[] = {
		{ "\"role\":\"king\"", "`role` must be" },
		{ "\"role\":3", "`role` must be" },
		{ "\"hosts\":\"web1\"", "`role` must be" },
		{ "\"role\":\"admin\",\"hosts\":\"web1\"", "an admin has no `hosts`" },
		{ "\"role\":\"submit\",\"hosts\":[\"web1\"]", "`hosts` must be a node set" },
		{ "\"role\":\"submit\",\"hosts\":\"web1\\u0000\"", "`hosts` must be a node set" },
		{ "\"role\":\"submit\",\"expires\":\"2027-01-31\"", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"expires\":\"2027-01-31T00:00:00+01:00\"", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"expires\":\"2027-01-31T00:00:00Z \"", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"expires\":\"2027-01-31T00:00:00.5\"", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"expires\":\"1969-01-31T00:00:00Z\"", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"expires\":1800000000", "`expires` must be a time" },
		{ "\"role\":\"submit\",\"nets\":\"10/8\"", "a member that this version does not know" },
		{ "\"role\":\"submit\",\"name\":\"c i\"", "`name` must be" },
		{ "\"role\":\"submit\",\"name\":\"\"", "`name` must be" },
		{ "\"role\":\"submit\",\"name\":\"ci\\u0000\"", "`name` must be" },
		{ "\"role\":", "it is no JSON object" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check_bad(_i, bad[i].rest, bad[i].reason);
}
END_TEST

START_TEST(what_is_of_one_kind)
{
	check_good(TOKENS, "\"role\":\"read\"");
	check_bad(PRODUCERS, "\"role\":\"read\"", "`role` must be submit or admin");
	check_bad(TOKENS, "\"role\":\"king\"", "`role` must be read, submit or admin");
	check_bad(TOKENS, "\"role\":\"read\"," PRODUCER, "does not know");
	check_bad(PRODUCERS, "\"role\":\"submit\"," TOKEN, "does not know");
	write_lines("{\"name\":\"ci\",\"role\":\"read\",\"id\":\"Abc\"}\n");
	ck_assert_int_eq(open_it(TOKENS), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(why.message, "`id` must be"));
	write_lines("{\"name\":\"ci\",\"role\":\"read\",\"id\":\"abc\",\"hash\":\"00\"}\n");
	ck_assert_int_eq(open_it(TOKENS), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(why.message, "`hash` must be"));
	write_lines("{\"name\":\"ci\",\"role\":\"submit\",\"key\":\"drover-signing-public1:AAAA\"}\n");
	ck_assert_int_eq(open_it(PRODUCERS), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(why.message, "`key` must be a public key"));
}
END_TEST

START_TEST(nobody_is_there_twice)
{
	write_lines("\n{\"name\":\"a\",\"role\":\"submit\",%s}\n\n{\"name\":\"b\",\"role\":\"admin\",%s}", own[_i],
		    own[_i]);
	ck_assert_int_eq(open_it(_i), DROVER_EINVALID);
	ck_assert_msg(strstr(why.message, "/file:4: the ") && strstr(why.message, " is there twice, first in line 2"),
		      "%s", why.message);
}
END_TEST

static void check_mode(int kind, mode_t mode, const char *reason)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"name\":\"ci\",\"role\":\"submit\",%s}\n", own[kind]);
	write_file(mode, text, strlen(text));
	ck_assert_int_eq(open_it(kind), reason ? DROVER_EINVALID : 0);
	if (!reason)
		close_it(kind);
	ck_assert_msg(!reason || strstr(why.message, reason), "%s", why.message);
}

START_TEST(who_may_get_at_it)
{
	check_mode(TOKENS, 0600, NULL);
	check_mode(TOKENS, 0640, "has mode 0640, others can get at it: chmod 600");
	check_mode(TOKENS, 0604, "has mode 0604");
	check_mode(PRODUCERS, 0644, NULL);
	check_mode(PRODUCERS, 0664, "may be written by others (mode 0664): chmod go-w it");
	check_mode(PRODUCERS, 0646, "may be written by others (mode 0646)");
}
END_TEST

START_TEST(what_is_no_such_file)
{
	ck_assert_int_eq(open_it(_i), DROVER_EINVALID);
	ck_assert_ptr_nonnull(
		strstr(why.message, _i == TOKENS ? "cannot read the tokens in /" : "cannot read the producers in /"));
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* nobody writes to it: to open it must not wait */
	ck_assert_int_eq(open_it(_i), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(why.message, "is no ordinary file"));
	unlink(path);
	write_file(0600, "", 0);
	ck_assert_int_eq(truncate(path, (16 << 20) + 1), 0);
	ck_assert_int_eq(open_it(_i), DROVER_EINVALID);
	ck_assert_ptr_nonnull(strstr(why.message, "is larger than"));
}
END_TEST

/* As half a second later. */
static bool still_there(int kind)
{
	static const struct signed_message message = { .key = "", .expires = "", .signature = "" };
	struct principals *file = kind == TOKENS ? &tokens.file : &signers.file;
	struct drover_principal by;
	struct principal found;

	file->next_look = 0;
	if (kind == TOKENS)
		tokens_find(&tokens, "drover_abc_0123456789012345678901234567890123456789012", &found);
	else
		signers_verify(&signers, &message, &by, NULL);
	return file->count == 1 && !strcmp(file->items->name, "ci");
}

/* To be seen, but not to be opened. */
static void put_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

START_TEST(a_bad_change_changes_nothing_and_is_told_once)
{
	write_lines("{\"name\":\"ci\",\"role\":\"submit\",%s}\n", own[_i]);
	ck_assert_int_eq(open_it(_i), 0);
	for (int i = 0; i < 3; i++)
		ck_assert(still_there(_i));
	ck_assert_int_eq(errors + infos, 0);
	write_lines("{\"name\":\"other\",\"role\":\"submit\",%s}\nnonsense\n", own[_i]);
	for (int i = 0; i < 3; i++)
		ck_assert(still_there(_i));
	ck_assert_int_eq(errors, 1);
	ck_assert_ptr_nonnull(strstr(logged, _i == TOKENS ? "the tokens that were read before stay in force: /"
							  : "the producers that were read before stay in force: /"));
	ck_assert_ptr_nonnull(strstr(logged, "/file:2: it is no JSON object"));
	unlink(path);
	for (int i = 0; i < 3; i++)
		ck_assert(still_there(_i));
	ck_assert_int_eq(errors, 2);
	put_socket();
	for (int i = 0; i < 3; i++)
		ck_assert(still_there(_i));
	ck_assert_int_eq(errors, 3);
	ck_assert_int_eq(infos, 0);
	write_lines("{\"name\":\"other\",\"role\":\"submit\",%s}\n", own[_i]);
	for (int i = 0; i < 3; i++)
		ck_assert(!still_there(_i));
	ck_assert_int_eq(errors, 3);
	ck_assert_int_eq(infos, 1);
	ck_assert_ptr_nonnull(
		strstr(logged, _i == TOKENS ? "was read again: 1 tokens" : "was read again: 1 producers"));
	close_it(_i);
}
END_TEST

START_TEST(it_is_looked_at_twice_a_second)
{
	int64_t next;

	write_lines("{\"name\":\"ci\",\"role\":\"submit\",%s}\n", own[TOKENS]);
	ck_assert_int_eq(open_it(TOKENS), 0);
	principals_refresh(&tokens.file);
	next = tokens.file.next_look;
	write_lines("{\"name\":\"other\",\"role\":\"submit\",%s}\n", own[TOKENS]);
	principals_refresh(&tokens.file);
	if (tokens.file.next_look == next) /* else this program was stopped for half a second */
		ck_assert_str_eq(tokens.file.items->name, "ci");
	close_it(TOKENS);
}
END_TEST

/* ------------------------------------------------------------------------------------- producers */

/* A message as `drover key sign-task` signs it. */
struct mail {
	char id[DROVER_SIGNING_ID_TEXT], expires[24], signature[128];
};

static void sign(const struct signing_key *key, const char *cluster, const char *value, struct mail *mail)
{
	unsigned char signature[crypto_sign_BYTES];
	size_t size;
	void *bytes;

	snprintf(mail->expires, sizeof(mail->expires), "%lld", (long long)(clock_utc_ms() / 1000 + 60));
	bytes = drover_signed_task(cluster, mail->expires, value, strlen(value), &size);
	ck_assert_ptr_nonnull(bytes);
	crypto_sign_detached(signature, NULL, bytes, size, key->private);
	sodium_bin2base64(mail->signature, sizeof(mail->signature), signature, sizeof(signature),
			  sodium_base64_VARIANT_ORIGINAL);
	signing_key_id_text(key->id, mail->id);
	free(bytes);
}

static int verify(const struct mail *mail, const char *value, struct drover_principal *by)
{
	const struct signed_message message = { .value = value,
						.size = strlen(value),
						.key = mail->id,
						.expires = mail->expires,
						.signature = mail->signature };

	return signers_verify(&signers, &message, by, &why);
}

START_TEST(a_key_is_the_same_to_who_signs_and_who_verifies)
{
	char text[SIGNING_KEY_TEXT];
	struct drover_principal by;
	struct signing_key key;
	struct mail mail;

	ck_assert_int_eq(signing_key_make(&key, NULL), 0);
	signing_key_public_text(&key, text);
	write_lines("{\"name\":\"ci\",\"role\":\"submit\",\"hosts\":\"web[1-9]\",\"key\":\"%s\"}\n", text);
	ck_assert_int_eq(open_it(PRODUCERS), 0);
	sign(&key, "east", "{}", &mail);
	ck_assert_msg(!verify(&mail, "{}", &by), "%s", why.message);
	ck_assert_str_eq(by.name, "ci");
	ck_assert_str_eq(by.hosts, "web[1-9]");
	ck_assert_str_eq(by.token, mail.id);
	ck_assert_int_eq(by.role, DROVER_ROLE_SUBMIT);
	ck_assert(!by.admin);
	ck_assert_int_eq(verify(&mail, "{} ", &by), DROVER_EDENIED);
	sign(&key, "west", "{}", &mail);
	ck_assert_int_eq(verify(&mail, "{}", &by), DROVER_EDENIED);
	ck_assert_ptr_nonnull(strstr(why.message, "its signature is wrong"));
	mail.id[0] = mail.id[0] == '0' ? '1' : '0';
	ck_assert_int_eq(verify(&mail, "{}", &by), DROVER_EDENIED);
	ck_assert_ptr_nonnull(strstr(why.message, "none of the producers'"));
	close_it(PRODUCERS);
}
END_TEST

START_TEST(an_expired_key_signs_nothing)
{
	char text[SIGNING_KEY_TEXT];
	struct drover_principal by;
	struct signing_key key;
	struct mail mail;

	ck_assert_int_eq(signing_key_make(&key, NULL), 0);
	signing_key_public_text(&key, text);
	write_lines("{\"name\":\"ci\",\"role\":\"admin\",\"expires\":\"2001-01-31T00:00:00.999Z\",\"key\":\"%s\"}\n",
		    text);
	ck_assert_int_eq(open_it(PRODUCERS), 0);
	sign(&key, "east", "{}", &mail);
	ck_assert_int_eq(verify(&mail, "{}", &by), DROVER_EDENIED);
	ck_assert_str_eq(why.message, "its producer's key has expired");
	close_it(PRODUCERS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("principals");
	TCase *tcase = tcase_create("principals");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, what_both_take, TOKENS, PRODUCERS + 1);
	tcase_add_loop_test(tcase, what_both_refuse, TOKENS, PRODUCERS + 1);
	tcase_add_test(tcase, what_is_of_one_kind);
	tcase_add_loop_test(tcase, nobody_is_there_twice, TOKENS, PRODUCERS + 1);
	tcase_add_test(tcase, who_may_get_at_it);
	tcase_add_loop_test(tcase, what_is_no_such_file, TOKENS, PRODUCERS + 1);
	tcase_add_loop_test(tcase, a_bad_change_changes_nothing_and_is_told_once, TOKENS, PRODUCERS + 1);
	tcase_add_test(tcase, it_is_looked_at_twice_a_second);
	tcase_add_test(tcase, a_key_is_the_same_to_who_signs_and_who_verifies);
	tcase_add_test(tcase, an_expired_key_signs_nothing);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
