/*
 * host_fixture.h - a real executor host process with a fake core and a fake supervisor in the test.
 *
 * The three ways to run: with cgroups as root, the subreaper way as root, the subreaper way as an
 * ordinary user (nobody).
 */
#ifndef TESTS_HOST_FIXTURE_H
#define TESTS_HOST_FIXTURE_H

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/cgroup.h"
#include "proc/control_io.h"
#include "proc/exec_link.h"
#include "proc/marker.h"
#include "util/buf.h"
#include "util/clock.h"

#include "machine.h"

#define NOBODY 65534
#define WAIT_MS 60000
#define LONG 20000 /* ms; a deadline that no unit comes to */

enum way { WAY_SUBREAPER = 0, WAY_NOBODY = 1, WAY_CGROUP = 2, WAYS = 3 };

struct fake_core {
	sd_event *event;
	struct exec_link *link;
	int control; /* the supervisor's end */
	pid_t host;
	char *cgroup;
	bool ready, closed, grant;
	bool in_parts; /* two hosts of what was asked for at once, the third never, the others after two results */
	size_t first, asked; /* … those */
	bool silent;         /* it does not answer */
	size_t begun;        /* so many hosts' intents come with the unit; 0: all */
	int64_t begin_by;    /* … and its begin_by */
	int results, ends, begins;
	int statuses[16];  /* of the first hosts */
	char out[64];      /* begin of the last output */
	char out_tail[16]; /* its end */
	size_t out_size;
	uint64_t out_total;
	struct buf notes;
	struct exec_ended ended; /* the last */
	char message[512], tail[8192];
	int64_t ended_at;
	int exit_status; /* of the host */
};

/* ---------------------------------------------------------------------------------- the fake core */

static inline void on_ready(void *context, const char *version)
{
	struct fake_core *core = context;

	(void)version;
	core->ready = true;
}

static inline void on_started(void *context, uint64_t handle, int pid)
{
	(void)context;
	ck_assert_int_gt(pid, 0);
	ck_assert_uint_gt(handle, 0);
}

static inline void on_begin(void *context, uint64_t handle, size_t first, size_t count)
{
	struct fake_core *core = context;

	core->begins++;
	core->first = first;
	core->asked = count;
	if (core->in_parts)
		exec_link_grant(core->link, handle, first, 2, true);
	else if (!core->silent)
		exec_link_grant(core->link, handle, first, count, core->grant);
}

static inline void on_result(void *context, uint64_t handle, size_t position, enum drover_status status,
			     const struct drover_report *report)
{
	struct fake_core *core = context;
	size_t tail = report->out_size < 8 ? report->out_size : 8;

	core->results++;
	if (core->in_parts && core->results == 2) {
		exec_link_grant(core->link, handle, core->first + 2, 1, false);
		exec_link_grant(core->link, handle, core->first + 3, core->asked - 3, true);
	}
	if (position < 16)
		core->statuses[position] = (int)status;
	snprintf(core->out, sizeof(core->out), "%.*s", (int)report->out_size, (const char *)report->out);
	snprintf(core->out_tail, sizeof(core->out_tail), "%.*s", (int)tail,
		 report->out ? (const char *)report->out + report->out_size - tail : "");
	core->out_size = report->out_size;
	core->out_total = report->out_total;
}

static inline void on_note(void *context, uint64_t handle, const char *text)
{
	struct fake_core *core = context;

	(void)handle;
	buf_printf(&core->notes, "%s\n", text);
}

static inline void on_ended(void *context, const struct exec_ended *ended)
{
	struct fake_core *core = context;

	core->ends++;
	core->ended = *ended;
	core->ended_at = clock_boot_ms();
	snprintf(core->message, sizeof(core->message), "%s", ended->message ? ended->message : "");
	snprintf(core->tail, sizeof(core->tail), "%s", ended->tail ? ended->tail : "");
}

static inline void on_closed(void *context, const char *reason)
{
	struct fake_core *core = context;

	(void)reason;
	core->closed = true;
}

static const struct exec_link_events core_events = { .ready = on_ready,
						     .started = on_started,
						     .begin = on_begin,
						     .result = on_result,
						     .note = on_note,
						     .ended = on_ended,
						     .closed = on_closed };

/* Turns the loop until `*flag` is at least `least`; the test fails after 60 s. */
static inline void wait_for(struct fake_core *core, const int *flag, int least)
{
	int64_t until = clock_boot_ms() + WAIT_MS;

	while (*flag < least) {
		ck_assert_msg(clock_boot_ms() < until, "it did not happen within 60 s");
		ck_assert(!core->closed || flag == &core->exit_status);
		sd_event_run(core->event, 50000);
	}
}

static inline void wait_for_true(struct fake_core *core, const bool *flag)
{
	int64_t until = clock_boot_ms() + WAIT_MS;

	while (!*flag) {
		ck_assert_msg(clock_boot_ms() < until, "it did not happen within 60 s");
		sd_event_run(core->event, 50000);
	}
}

/* ---------------------------------------------------------------------------------- the real host */

/* A file beside the test's program: "../../droverd". Static. */
static inline const char *built(const char *name)
{
	static char path[2][4096];
	static int turn;
	char self[3000];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);

	ck_assert_int_gt(size, 0);
	self[size] = '\0';
	*strrchr(self, '/') = '\0';
	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", self, name);
	return path[turn];
}

static inline char *make_slice(const char *plugin, const char *options, int permit_lost)
{
	struct buf text = BUF_INIT;
	char file[256];

	snprintf(file, sizeof(file), "../plugins/%s.so", plugin);
	buf_printf(&text,
		   "{\"node\":{\"name\":\"test\"},\"log\":{\"level\":\"%s\",\"format\":\"text\"},"
		   "\"lease\":{\"permit_lost\":%d},\"name\":\"%s\",\"plugin\":\"%s\",\"path\":\"%s\",\"options\":%s}",
		   getenv("TEST_LOG") ? getenv("TEST_LOG") : "error", permit_lost, plugin, plugin, built(file),
		   options);
	return buf_take(&text);
}

static inline void __attribute__((noreturn))
run_host(enum way way, const char *cgroup, int control, int link, int slice)
{
	char fds[3][32], folder[4200],
		*argv[7] = { (char *)"droverd", (char *)"--role=executor", fds[0], fds[1], fds[2] };

	snprintf(fds[0], sizeof(fds[0]), "--control=%d", control);
	snprintf(fds[1], sizeof(fds[1]), "--link=%d", link);
	snprintf(fds[2], sizeof(fds[2]), "--config=%d", slice);
	snprintf(folder, sizeof(folder), "--cgroup=%s", cgroup ? cgroup : "");
	if (cgroup)
		argv[5] = folder;
	fcntl(control, F_SETFD, 0);
	fcntl(link, F_SETFD, 0);
	fcntl(slice, F_SETFD, 0);
	setenv(MARKER_UNIT, MARKER_NO_UNIT, 1);
	if (way == WAY_NOBODY && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(126);
	execv(built("../../droverd"), argv);
	_exit(127);
}

static inline void start_host_with(struct fake_core *core, enum way way, const char *plugin, const char *options,
				   int permit_lost)
{
	int control[2], link[2], slice;
	char *text = make_slice(plugin, options, permit_lost);

	memset(core, 0, sizeof(*core));
	core->grant = true;
	ck_assert_int_ge(sd_event_new(&core->event), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link), 0);
	slice = control_io_memfd("slice", text);
	free(text);
	if (way == WAY_CGROUP) {
		char *own = cgroup_own();

		ck_assert_int_gt(asprintf(&core->cgroup, "%s/drover-test-%d", own, (int)getpid()), 0);
		free(own);
		ck_assert_int_eq(cgroup_make(core->cgroup, (uid_t)-1, NULL), 0);
	}
	core->host = core->cgroup ? cgroup_fork(core->cgroup) : fork();
	if (!core->host)
		run_host(way, core->cgroup, control[1], link[1], slice);
	ck_assert_int_gt(core->host, 0);
	close(control[1]);
	close(link[1]);
	close(slice);
	core->control = control[0];
	ck_assert_int_eq(exec_link_new(core->event, link[0], &core_events, core, &core->link, NULL), 0);
	wait_for_true(core, &core->ready);
}

static inline void start_host(struct fake_core *core, enum way way, const char *plugin)
{
	start_host_with(core, way, plugin, "{}", 20000);
}

/* The parent of a living process; 0: there is none, or it is a zombie with all its threads. */
static inline pid_t get_parent(pid_t pid)
{
	char path[64], line[512], state;
	const char *rest;
	long threads;
	int parent;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	rest = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	if (!rest || sscanf(rest + 1, " %c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld", &state,
			    &parent, &threads) != 3)
		return 0;
	return state == 'Z' && threads <= 1 ? 0 : (pid_t)parent;
}

static inline bool is_below(pid_t pid, pid_t ancestor)
{
	while (pid > 1) {
		pid = get_parent(pid);
		if (pid == ancestor)
			return true;
	}
	return false;
}

/* How many living processes the host has below it: all that its units have left. */
static inline int count_left(const struct fake_core *core)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(proc)))
		if (atoi(entry->d_name) > 1 && is_below((pid_t)atoi(entry->d_name), core->host))
			count++;
	closedir(proc);
	return count;
}

/* Closes the link: the host must end by itself and take everything along. */
static inline void stop_host(struct fake_core *core)
{
	int64_t until = clock_boot_ms() + 5000;
	pid_t gone;

	exec_link_free(core->link);
	core->link = NULL;
	while (!(gone = waitpid(core->host, &core->exit_status, WNOHANG))) {
		ck_assert_msg(clock_boot_ms() < until, "the executor host did not end with its link");
		usleep(1000);
	}
	ck_assert(WIFEXITED(core->exit_status));
	ck_assert_int_eq(WEXITSTATUS(core->exit_status), 0);
	/* Its own folder is empty: nothing was left for anybody else to kill. The kernel may need a moment to see it. */
	until = clock_boot_ms() + 2000;
	while (core->cgroup && rmdir(core->cgroup)) {
		ck_assert_msg(clock_boot_ms() < until, "%s is not empty: %s", core->cgroup, strerror(errno));
		usleep(1000);
	}
	free(core->cgroup);
	close(core->control);
	buf_dispose(&core->notes);
	sd_event_unref(core->event);
}

/* A unit of hosts h0, h1, …; nothing in it is kept. */
static inline void execute(struct fake_core *core, uint64_t handle, size_t hosts, int64_t deadline, const char *payload)
{
	struct drover_target *targets = xcalloc(hosts, sizeof(*targets));
	char(*names)[16] = xcalloc(hosts, sizeof(*names));
	struct exec_unit unit = { .handle = handle,
				  .begun = core->begun && core->begun < hosts ? core->begun : hosts,
				  .begin_by = core->begin_by,
				  .info = { .size = sizeof(unit.info),
					    .task = "01TEST",
					    .attempt = 1,
					    .type = "test",
					    .payload = payload,
					    .deadline = clock_boot_ms() + deadline,
					    .output_limit = 65536,
					    .count = hosts,
					    .targets = targets } };

	for (size_t i = 0; i < hosts; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu", i);
		targets[i] = (struct drover_target){ .size = sizeof(targets[i]), .name = names[i] };
	}
	exec_link_execute(core->link, &unit);
	free(targets);
	free(names);
}

/* An ordinary user is nobody already. */
static inline bool way_applies(enum way way)
{
	return way == WAY_SUBREAPER || (way == WAY_NOBODY ? !geteuid() : has_cgroups());
}

/* A limit of time, as what runs the test needs it. */
static inline int64_t patience(int64_t ms)
{
	return is_valgrind() ? ms * 20 : ms;
}

#endif
