#define _GNU_SOURCE

#include "fake_unit.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int64_t fake_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int fake_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

void fake_print_string(const char *data, size_t size)
{
	if (!data) {
		printf("null");
		return;
	}
	putchar('"');
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* ---------------------------------------------------------------------------------------- options */

static void __attribute__((noreturn)) bad(const char *what, const char *text)
{
	fprintf(stderr, "%s: %s\n", what, text);
	exit(2);
}

/* The field of an option. */
#define FIELD(type) (*(type *)((char *)self + option->offset))

static int64_t scaled(const char *text, const char *units, const int64_t *factors, int64_t bare)
{
	char *end;
	double value = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (!*end)
		return (int64_t)(value * (double)bare);
	if (!strcmp(end, "ms"))
		return (int64_t)value;
	if (!unit || end[1])
		bad("not a number with a unit", text);
	return (int64_t)(value * (double)factors[unit - units]);
}

static void set_value(void *self, const struct drover_option *option, const char *text)
{
	static const int64_t seconds[] = { 1000, 60000, 3600000, 86400000 };
	static const int64_t sizes[] = { 1 << 10, 1 << 20, 1 << 30 };
	struct drover_list *list;
	int choice = 0;

	switch (option->type) {
	case DROVER_TYPE_STRING:
	case DROVER_TYPE_SECRET:
	case DROVER_TYPE_NODESET:
		free(FIELD(char *));
		FIELD(char *) = strdup(text);
		break;
	case DROVER_TYPE_INT:
		FIELD(int64_t) = scaled(text, "", NULL, 1);
		break;
	case DROVER_TYPE_BOOL:
		FIELD(bool) = !strcmp(text, "true") || !strcmp(text, "yes") || !strcmp(text, "on");
		break;
	case DROVER_TYPE_DURATION:
		FIELD(int64_t) = scaled(text, "smhd", seconds, 1000);
		break;
	case DROVER_TYPE_SIZE:
		FIELD(int64_t) = scaled(text, "KMG", sizes, 1);
		break;
	case DROVER_TYPE_CHOICE:
		while (option->choices[choice] && strcmp(option->choices[choice], text) != 0)
			choice++;
		if (!option->choices[choice])
			bad(option->name, text);
		FIELD(int) = choice;
		break;
	case DROVER_TYPE_LIST:
		list = &FIELD(struct drover_list);
		list->items = reallocarray(list->items, list->count + 2, sizeof(*list->items));
		list->items[list->count++] = strdup(text);
		list->items[list->count] = NULL;
		break;
	default:
		bad("cannot set an option of this type", option->name);
	}
}

void fake_options_default(void *self, const struct drover_option *options)
{
	for (const struct drover_option *option = options; option && option->name; option++)
		if (option->initial && option->type != DROVER_TYPE_LIST)
			set_value(self, option, option->initial);
}

void fake_option_set(void *self, const struct drover_option *options, const char *assignment)
{
	const char *value = strchr(assignment, '=');

	for (const struct drover_option *option = options; value && option && option->name; option++) {
		if (strlen(option->name) == (size_t)(value - assignment) &&
		    !strncmp(option->name, assignment, strlen(option->name))) {
			set_value(self, option, value + 1);
			return;
		}
	}
	bad("no such option", assignment);
}

void fake_options_finish(void *self, const struct drover_option *options)
{
	for (const struct drover_option *option = options; option && option->name; option++)
		if (option->initial && option->type == DROVER_TYPE_LIST && !FIELD(struct drover_list).count)
			set_value(self, option, option->initial);
}

/* --------------------------------------------------------------------------------------- services */

static struct fake_unit *fake(const struct drover_unit *unit)
{
	return (struct fake_unit *)unit;
}

static const void *self_of(const struct drover_unit *unit)
{
	return fake(unit)->self;
}

static const struct drover_unit_info *info_of(const struct drover_unit *unit)
{
	return &fake(unit)->info;
}

static int stop_fd(const struct drover_unit *unit)
{
	return fake(unit)->stop_fd;
}

static bool stopping(struct drover_unit *unit)
{
	struct fake_unit *u = fake(unit);
	int64_t at = u->stop_at ? u->stop_at : u->info.deadline;

	return at && fake_now() >= at;
}

static int begin(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	struct fake_unit *u = fake(unit);

	if (first != u->next || count > u->info.count - first)
		return drover_error_set(err, DROVER_EINVALID, "begins hosts that are not the next");
	if (stopping(unit))
		return drover_error_set(err, DROVER_ECANCELLED, "stopping");
	u->next = first + count;
	return 0;
}

/* In order, as the fan-out has room, like the core. */
static void give(struct fake_unit *u)
{
	int64_t running = 0, one = 1;
	bool given = false;

	for (size_t i = 0; i < u->info.count; i++)
		running += u->granted[i] == DROVER_GRANT_GIVEN && !u->reported[i];
	for (size_t i = 0; i < u->info.count && (!u->info.fanout || running < u->info.fanout); i++) {
		if (u->granted[i] != DROVER_GRANT_WAITING)
			continue;
		u->granted[i] = DROVER_GRANT_GIVEN;
		running++;
		given = true;
	}
	if (given && write(u->event_fd, &one, sizeof(one)) < 0)
		perror("eventfd");
}

static int want(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	struct fake_unit *u = fake(unit);

	if (first > u->info.count || count > u->info.count - first)
		return drover_error_set(err, DROVER_EINVALID, "no such hosts");
	if (stopping(unit))
		return drover_error_set(err, DROVER_ECANCELLED, "stopping");
	for (size_t i = first; i < first + count; i++)
		if (u->granted[i] == DROVER_GRANT_NONE)
			u->granted[i] = DROVER_GRANT_WAITING;
	give(u);
	return 0;
}

static enum drover_grant grant(struct drover_unit *unit, size_t index)
{
	struct fake_unit *u = fake(unit);
	int64_t seen;

	if (read(u->event_fd, &seen, sizeof(seen)) < 0 && errno != EAGAIN)
		perror("eventfd");
	return index < u->info.count ? (enum drover_grant)u->granted[index] : DROVER_GRANT_REFUSED;
}

static int event_fd(struct drover_unit *unit)
{
	return fake(unit)->event_fd;
}

static const struct drover_target *next(struct drover_unit *unit)
{
	struct fake_unit *u = fake(unit);

	if (u->next >= u->info.count || begin(unit, u->next, 1, NULL) < 0)
		return NULL;
	return &u->info.targets[u->next - 1];
}

static const struct drover_credential *credential(const struct drover_unit *unit)
{
	return fake(unit)->credential.name ? &fake(unit)->credential : NULL;
}

static void print_report(const struct fake_unit *unit, const char *host, enum drover_status status,
			 const struct drover_report *report)
{
	printf("{\"host\": \"%s\", \"status\": \"%s\", \"phase\": \"%s\", \"remote\": \"%s\", \"rc\": ", host,
	       drover_status_name(status), drover_phase_name(report->phase), drover_remote_name(report->remote));
	if (report->has_rc)
		printf("%d", report->rc);
	else
		printf("null");
	printf(", \"at\": %.3f, \"out_total\": %llu, \"err_total\": %llu, \"out\": ",
	       (double)(fake_now() - unit->began) / 1000, (unsigned long long)report->out_total,
	       (unsigned long long)report->err_total);
	fake_print_string(report->out ? report->out : "",
			  report->out && !report->out_size ? strlen(report->out) : report->out_size);
	printf(", \"err\": ");
	fake_print_string(report->err ? report->err : "",
			  report->err && !report->err_size ? strlen(report->err) : report->err_size);
	printf(", \"signal\": ");
	fake_print_string(report->signal, report->signal ? strlen(report->signal) : 0);
	printf(", \"via\": ");
	fake_print_string(report->via, report->via ? strlen(report->via) : 0);
	printf(", \"message\": ");
	fake_print_string(report->message, report->message ? strlen(report->message) : 0);
	printf("}\n");
	fflush(stdout);
}

static int report(struct drover_unit *unit, const char *host, enum drover_status status,
		  const struct drover_report *given, size_t size)
{
	struct fake_unit *u = fake(unit);
	size_t i = 0;

	(void)size;
	while (i < u->info.count && strcmp(u->info.targets[i].name, host) != 0)
		i++;
	if (i == u->info.count || u->reported[i] || !drover_status_is_final(status)) {
		u->refused++;
		return i == u->info.count ? DROVER_ENOTFOUND : u->reported[i] ? DROVER_ECONFLICT : DROVER_EINVALID;
	}
	u->reported[i] = 1;
	give(u);
	print_report(u, host, status, given);
	return 0;
}

static void cork(struct drover_unit *unit, bool corked)
{
	(void)unit;
	(void)corked;
}

static const char *format(const char *pattern, va_list args)
{
	static char text[8192];

	vsnprintf(text, sizeof(text), pattern, args);
	return text;
}

static void write_log(enum drover_log_level level, const char *pattern, va_list args)
{
	fprintf(stderr, "<%d>", (int)level);
	vfprintf(stderr, pattern, args);
	fputc('\n', stderr);
}

static const struct drover_executor_services services = {
	.size = sizeof(services),
	.self = self_of,
	.info = info_of,
	.begin = begin,
	.next = next,
	.report = report,
	.cork = cork,
	.stop_fd = stop_fd,
	.stopping = stopping,
	.format = format,
	.want = want,
	.grant = grant,
	.event_fd = event_fd,
	.credential = credential,
};

const struct drover_host fake_host = {
	.size = sizeof(fake_host),
	.abi_minor = DROVER_ABI_MINOR,
	.version = "test",
	.log = write_log,
	.executor = &services,
};

void fake_unit_begin(struct fake_unit *unit)
{
	int64_t at = unit->stop_at ? unit->stop_at : unit->info.deadline;
	const struct itimerspec when = { .it_value = { .tv_sec = at / 1000, .tv_nsec = at % 1000 * 1000000 } };

	unit->began = fake_now();
	unit->reported = calloc(unit->info.count + 1, 1);
	unit->granted = calloc(unit->info.count + 1, 1);
	/* Without a fan-out all intents come with the claim. */
	if (!unit->info.fanout)
		memset(unit->granted, DROVER_GRANT_GIVEN, unit->info.count);
	unit->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	unit->stop_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
	(void)timerfd_settime(unit->stop_fd, TFD_TIMER_ABSTIME, &when, NULL);
}
