/*
 * fake_unit.h - an executor plugin's host without processes: loads NAME.so from the build folder,
 * runs one unit in this process and keeps what was reported. For tests of executors.
 */
#ifndef TESTS_FAKE_UNIT_H
#define TESTS_FAKE_UNIT_H

#include <check.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <drover/executor.h>

struct fake_result {
	int reports;
	enum drover_status status;
	struct drover_report report; /* numbers only: its pointers are cleared */
	char message[256];
	char *out;
	size_t out_size;
	int64_t at; /* CLOCK_BOOTTIME in ms */
};

struct drover_unit {
	struct drover_unit_info info;
	const void *self;
	int stop_pipe[2];
	size_t next;
	size_t begun;         /* targets below it were begun */
	size_t largest_begin; /* at a time */
	size_t sends;         /* times that something would have been sent */
	size_t waiting;       /* reports under the cork */
	bool corked;
	int refused; /* reports for foreign hosts or repeated ones */
	struct fake_result *results;
	char (*names)[32];
};

static inline int64_t fake_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const void *fake_self(const struct drover_unit *unit)
{
	return unit->self;
}

static const struct drover_unit_info *fake_info(const struct drover_unit *unit)
{
	return &unit->info;
}

static int fake_begin(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	(void)err;
	ck_assert_uint_eq(first, unit->begun);
	ck_assert_uint_le(first + count, unit->info.count);
	unit->begun += count;
	if (count > unit->largest_begin)
		unit->largest_begin = count;
	return 0;
}

static int fake_want(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	return fake_begin(unit, first, count, err);
}

static enum drover_grant fake_grant(struct drover_unit *unit, size_t index)
{
	return index < unit->begun ? DROVER_GRANT_GIVEN : DROVER_GRANT_NONE;
}

static int fake_event_fd(struct drover_unit *unit)
{
	return unit->stop_pipe[0];
}

static const struct drover_target *fake_next(struct drover_unit *unit)
{
	return unit->next < unit->info.count ? &unit->info.targets[unit->next++] : NULL;
}

static int fake_report(struct drover_unit *unit, const char *host, enum drover_status status,
		       const struct drover_report *report, size_t report_size)
{
	size_t i = 0;
	struct fake_result *result;

	ck_assert_uint_eq(report_size, sizeof(*report));
	/* Reports name hosts by the targets' own strings or by text. */
	while (i < unit->info.count && host != unit->info.targets[i].name && strcmp(host, unit->info.targets[i].name))
		i++;
	if (i == unit->info.count || unit->results[i].reports++) {
		unit->refused++;
		return i == unit->info.count ? DROVER_ENOTFOUND : DROVER_ECONFLICT;
	}
	result = &unit->results[i];
	result->status = status;
	result->report = *report;
	result->at = fake_now();
	snprintf(result->message, sizeof(result->message), "%s", report->message ? report->message : "");
	result->out_size = report->out && !report->out_size ? strlen(report->out) : report->out_size;
	result->out = malloc(result->out_size + 1);
	if (result->out_size)
		memcpy(result->out, report->out, result->out_size);
	result->out[result->out_size] = '\0';
	if (unit->corked)
		unit->waiting++;
	else
		__atomic_fetch_add(&unit->sends, 1, __ATOMIC_RELEASE); /* a test may look from a thread */
	return 0;
}

static void fake_cork(struct drover_unit *unit, bool corked)
{
	unit->corked = corked;
	if (!corked && unit->waiting) {
		__atomic_fetch_add(&unit->sends, 1, __ATOMIC_RELEASE);
		unit->waiting = 0;
	}
}

static int fake_stop_fd(const struct drover_unit *unit)
{
	return unit->stop_pipe[0];
}

static bool fake_stopping(struct drover_unit *unit)
{
	(void)unit;
	return false;
}

static const char *fake_format(const char *format, va_list args)
{
	static char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	return text;
}

static void fake_log(enum drover_log_level level, const char *format, va_list args)
{
	fprintf(stderr, "log %d: ", (int)level);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

static const struct drover_executor_services fake_services = {
	.size = sizeof(fake_services),
	.self = fake_self,
	.info = fake_info,
	.begin = fake_begin,
	.next = fake_next,
	.report = fake_report,
	.cork = fake_cork,
	.stop_fd = fake_stop_fd,
	.stopping = fake_stopping,
	.format = fake_format,
	.want = fake_want,
	.grant = fake_grant,
	.event_fd = fake_event_fd,
};

static const struct drover_host fake_host = {
	.size = sizeof(fake_host),
	.abi_minor = DROVER_ABI_MINOR,
	.version = "test",
	.log = fake_log,
	.executor = &fake_services,
};

/* The plugin beside this test program: build/tests/unit/test_x -> build/plugins/NAME.so. */
static inline const struct drover_module *fake_load(const char *name)
{
	char program[PATH_MAX] = "", path[PATH_MAX + 64];
	drover_module_fn *entry;
	void *plugin;

	ck_assert_int_gt(readlink("/proc/self/exe", program, sizeof(program) - 1), 0);
	for (int i = 0; i < 3; i++)
		*strrchr(program, '/') = '\0';
	snprintf(path, sizeof(path), "%s/plugins/%s.so", program, name);
	plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(plugin != NULL, "%s", dlerror());
	*(void **)&entry = dlsym(plugin, DROVER_MODULE_SYMBOL);
	ck_assert_ptr_nonnull(entry);
	return entry(&fake_host);
}

/* `count` targets named PREFIX1, PREFIX2, …; the payload and the limits are the caller's to set. */
static inline void fake_unit_init(struct drover_unit *unit, const void *self, const char *prefix, size_t count)
{
	struct drover_target *targets = calloc(count, sizeof(*targets));

	memset(unit, 0, sizeof(*unit));
	unit->self = self;
	unit->results = calloc(count, sizeof(*unit->results));
	unit->names = calloc(count, sizeof(*unit->names));
	for (size_t i = 0; i < count; i++) {
		snprintf(unit->names[i], sizeof(unit->names[i]), "%s%zu", prefix, i + 1);
		targets[i] = (struct drover_target){ .size = sizeof(*targets), .name = unit->names[i] };
	}
	unit->info = (struct drover_unit_info){ .size = sizeof(unit->info),
						.task = "t",
						.attempt = 1,
						.payload = "{}",
						.deadline = fake_now() + 60000,
						.output_limit = 1 << 20,
						.count = count,
						.targets = targets };
	ck_assert_int_eq(pipe(unit->stop_pipe), 0);
}

static inline void fake_unit_dispose(struct drover_unit *unit)
{
	for (size_t i = 0; i < unit->info.count; i++)
		free(unit->results[i].out);
	free((void *)unit->info.targets);
	free(unit->results);
	free(unit->names);
	close(unit->stop_pipe[0]);
	close(unit->stop_pipe[1]);
}

/* The unit is to stop. */
static inline void fake_unit_stop(struct drover_unit *unit)
{
	ck_assert_int_eq(write(unit->stop_pipe[1], "", 1), 1);
}

#endif
