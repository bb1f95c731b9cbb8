/* test_zone.c - times of day by zone.c, held against the C library's own, and networks of addresses. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../plugins/http/allow.c"
#include "../../plugins/http/zone.c"

static const char *const names[] = {
	"UTC",
	"Asia/Shanghai",
	"Asia/Kathmandu",
	"Europe/Berlin",
	"Europe/Dublin",
	"America/New_York",
	"America/Chicago",
	"Australia/Sydney",
	"Australia/Lord_Howe",
	"Africa/Casablanca",
	"Asia/Tehran",
	"Pacific/Apia",
	"America/Sao_Paulo",
	"Antarctica/Troll",
	"Etc/GMT+5",
};

#define LAST INT64_C(4102444800) /* 2100 */
#define CASES 20000

static void compare(const struct zone *zone, const char *name, int64_t at)
{
	time_t seconds = (time_t)at;
	char ours[ZONE_TEXT_SIZE], theirs[ZONE_TEXT_SIZE];
	struct tm tm;

	zone_format(zone, at * 1000 + 999, ours);
	strftime(theirs, sizeof(theirs), "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &tm));
	ck_assert_msg(!strcmp(ours, theirs), "%s at %lld: %s, the C library has %s", name, (long long)at, ours, theirs);
}

START_TEST(times_are_those_of_the_c_library)
{
	const char *name = names[_i];
	struct drover_error err = { 0 };
	struct zone *zone;
	uint64_t random = 7;

	ck_assert_msg(!zone_open(&zone, name, &err), "%s", err.message);
	setenv("TZ", name, 1);
	tzset();
	for (int i = 0; i < CASES; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		compare(zone, name, (int64_t)(random >> 11) % LAST);
	}
	for (size_t i = 0; i < zone->count; i++)
		for (int64_t d = -1; zone->changes[i].at > 0 && d <= 1; d++)
			compare(zone, name, zone->changes[i].at + d);
	zone_close(zone);
}
END_TEST

START_TEST(what_is_no_zone_is_refused)
{
	static const char *const wrong[] = { "Asia/Atlantis", "",         "/etc/localtime", "../zoneinfo/UTC",
					     "Asia",          "zone.tab", "Asia//Shanghai" };
	struct drover_error err = { 0 };
	struct zone *zone;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(zone_open(&zone, wrong[i], &err) == DROVER_EINVALID, "%s", wrong[i]);
}
END_TEST

/* Whatever a file holds, nothing outside of it is read. */
START_TEST(broken_files_are_refused)
{
	unsigned char data[4096];
	FILE *file = fopen(ZONES "/Europe/Berlin", "re");
	size_t size = fread(data, 1, sizeof(data), file);

	fclose(file);
	for (size_t cut = 0; cut < size; cut++) {
		unsigned char *copy = malloc(cut + 1);
		struct zone zone = { 0 };

		memcpy(copy, data, cut);
		ck_assert_msg(!parse(&zone, copy, cut), "%zu of %zu bytes were taken", cut, size);
		free(zone.changes);
		free(copy);
	}
	for (size_t at = 0; at < size; at++) {
		struct zone zone = { 0 };
		unsigned char was = data[at];

		data[at] = 0xff;
		parse(&zone, data, size);
		free(zone.changes);
		data[at] = was;
	}
}
END_TEST

static bool has(const char *list, const char *address)
{
	struct sockaddr_in6 ip6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in ip4 = { .sin_family = AF_INET };
	struct drover_error err = { 0 };
	struct allow_list allow;
	bool found;

	ck_assert_msg(!allow_parse(&allow, list, &err), "%s: %s", list, err.message);
	if (inet_pton(AF_INET, address, &ip4.sin_addr) == 1) {
		found = allow_has(&allow, (const struct sockaddr *)&ip4);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, address, &ip6.sin6_addr), 1);
		found = allow_has(&allow, (const struct sockaddr *)&ip6);
	}
	allow_dispose(&allow);
	return found;
}

START_TEST(networks_hold_their_addresses_and_no_others)
{
	ck_assert(has("10.0.0.0/8", "10.255.255.255") && !has("10.0.0.0/8", "11.0.0.0") &&
		  !has("10.0.0.0/8", "9.255.255.255"));
	ck_assert(has("192.0.2.7", "192.0.2.7") && !has("192.0.2.7", "192.0.2.8"));
	ck_assert(has("192.0.2.128/25", "192.0.2.200") && !has("192.0.2.128/25", "192.0.2.127"));
	ck_assert(has("192.0.2.130/25", "192.0.2.129")); /* as if its host's bits were 0 */
	ck_assert(has("192.0.2.4/31, 10.1.1.1", "192.0.2.5") && has(" 192.0.2.4/31 ,10.1.1.1 ", "10.1.1.1"));
	ck_assert(has("2001:db8::/32", "2001:db8:ffff::1") && !has("2001:db8::/32", "2001:db9::"));
	ck_assert(has("2001:db8::/33", "2001:db8:7fff::1") && !has("2001:db8::/33", "2001:db8:8000::"));
	ck_assert(has("::1", "::1") && !has("::1", "::2") && !has("::1", "127.0.0.1"));
	/* An IPv4 peer of an IPv6 socket is the same peer. */
	ck_assert(has("10.0.0.0/8", "::ffff:10.2.3.4") && !has("10.0.0.0/8", "::ffff:11.2.3.4"));
	ck_assert(has("0.0.0.0/0", "203.0.113.9") && !has("0.0.0.0/0", "2001:db8::1") && has("::/0", "2001:db8::1"));
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	static const char *const wrong[] = { "",
					     " , ",
					     "10.0.0.0/33",
					     "10.0.0/8",
					     "10.0.0.0/",
					     "::/129",
					     "10.0.0.0/-1",
					     "10.0.0.0/8x",
					     "web1",
					     "10.0.0.1-10.0.0.9",
					     "10.0.0.1/8/8",
					     "fe80::1%lo",
					     "010.0.0.1" };
	struct drover_error err = { 0 };
	struct allow_list allow;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		ck_assert_msg(allow_parse(&allow, wrong[i], &err) == DROVER_EINVALID, "\"%s\" was taken", wrong[i]);
	ck_assert(!allow_has(&allow, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zone");
	TCase *tests = tcase_create("zone");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_loop_test(tests, times_are_those_of_the_c_library, 0, sizeof(names) / sizeof(*names));
	tcase_add_test(tests, what_is_no_zone_is_refused);
	tcase_add_test(tests, broken_files_are_refused);
	tcase_add_test(tests, networks_hold_their_addresses_and_no_others);
	tcase_add_test(tests, what_is_no_network_is_refused);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
