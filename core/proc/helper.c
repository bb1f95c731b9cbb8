/* helper.c - see helper.h. */
#define _GNU_SOURCE
#include "proc/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/cgroup.h"
#include "proc/executor_host.h"
#include "proc/forked.h"
#include "proc/unit_log.h"
#include "proc/unit_output.h"
#include "util/clock.h"
#include "util/log.h"

/* Before it is started again: the first pause, and the longest that doubling makes of it. */
#define PAUSE_MS 100
#define PAUSE_MAX_MS 30000
/* After so long its last end is forgotten. */
#define STEADY_MS 60000
/* At our end, for what it has started to go away. */
#define CLEAR_MS 1000

struct helper {
	struct executor_host *host;
	pid_t pid; /* 0: it is not running */
	int64_t started_at;
	int64_t pause; /* ms, before the next start */
	unsigned starts;
	char *folder; /* its cgroup, or NULL */
	struct unit_output output;
	struct sd_event_source *output_source, *timer;
};

static const char label[] = "helper";

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct helper *helper = context;

	(void)source;
	(void)fd;
	(void)revents;
	if (!unit_output_read(&helper->output, label))
		helper->output_source = sd_event_source_disable_unref(helper->output_source);
	return 0;
}

static void __attribute__((noreturn)) become(const struct helper *helper, int output, pid_t parent)
{
	const struct executor_host *host = helper->host;
	const struct forked forked = { "drover-helper", -1, output, host->keep, host->keep_count, host->files, parent };
	struct drover_error error = { 0 };

	forked_settle(&forked);
	permit_protect(&host->permit);
	unit_log_begin();
	host->executor->helper(host->self, &error);
	fprintf(stderr, "<3>cannot start: %s\n", error.message[0] ? error.message : "it has returned");
	fflush(NULL);
	_exit(1);
}

/* A cgroup that was killed once kills what comes later: each start has its own. */
static pid_t fork_helper(struct helper *helper, struct drover_error *err)
{
	const char *cgroup = helper->host->cgroup;

	if (!cgroup)
		return fork();
	free(helper->folder);
	if (asprintf(&helper->folder, "%s/helper-%u", cgroup, helper->starts) < 0)
		abort();
	if (cgroup_make(helper->folder, (uid_t)-1, err))
		return -1;
	return cgroup_fork(helper->folder);
}

static int start(struct helper *helper, struct drover_error *err)
{
	struct executor_host *host = helper->host;
	pid_t self = getpid();
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		return drover_error_set(err, DROVER_EFAULT, "cannot make a pipe: %s", strerror(errno));
	helper->starts++;
	helper->pid = fork_helper(helper, err);
	if (!helper->pid)
		become(helper, pipes[1], self);
	close(pipes[1]);
	if (helper->pid < 0) {
		helper->pid = 0;
		close(pipes[0]);
		return drover_error_set(err, DROVER_EFAULT, "cannot make a process: %s", strerror(errno));
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	helper->started_at = clock_boot_ms();
	helper->output.fd = pipes[0];
	if (sd_event_add_io(host->event, &helper->output_source, pipes[0], EPOLLIN, on_output, helper) < 0)
		log_warning("%s: what it prints is not read", label);
	return 0;
}

static void start_later(struct helper *helper)
{
	sd_event_source_set_time_relative(helper->timer, (uint64_t)helper->pause * 1000);
	sd_event_source_set_enabled(helper->timer, SD_EVENT_ONESHOT);
	helper->pause = helper->pause * 2 < PAUSE_MAX_MS ? helper->pause * 2 : PAUSE_MAX_MS;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct helper *helper = context;
	struct drover_error error = { 0 };

	(void)source;
	(void)usec;
	if (start(helper, &error)) {
		log_error("%s: %s", label, error.message);
		start_later(helper);
	}
	return 0;
}

/* What it printed last is read, then the pipe is closed: what it has left may hold the other end. */
static void end_output(struct helper *helper)
{
	if (helper->output_source)
		unit_output_read(&helper->output, label);
	helper->output_source = sd_event_source_disable_unref(helper->output_source);
	unit_output_end(&helper->output, label);
	helper->output = (struct unit_output){ .fd = -1 };
}

bool helper_is(const struct helper *helper, pid_t pid)
{
	return helper && helper->pid == pid;
}

bool helper_reaped(struct helper *helper, pid_t pid, int status)
{
	if (!helper_is(helper, pid))
		return false;
	helper->pid = 0;
	end_output(helper);
	if (helper->folder)
		cgroup_clear(helper->folder);
	if (clock_boot_ms() - helper->started_at > STEADY_MS)
		helper->pause = PAUSE_MS;
	log_error("%s: it has ended (%s %d) and is started again in %lld ms", label,
		  WIFSIGNALED(status) ? "killed by signal" : "exit code",
		  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), (long long)helper->pause);
	start_later(helper);
	return true;
}

int helper_new(struct executor_host *host, struct helper **out, struct drover_error *err)
{
	const struct drover_executor *executor = host->executor;
	struct helper *helper;
	int rc;

	*out = NULL;
	if (executor->size <= offsetof(struct drover_executor, helper) || !executor->helper)
		return 0;
	helper = xcalloc(1, sizeof(*helper));
	helper->host = host;
	helper->pause = PAUSE_MS;
	helper->output.fd = -1;
	rc = sd_event_add_time_relative(host->event, &helper->timer, CLOCK_BOOTTIME, 0, 1000, on_timer, helper);
	if (rc < 0) {
		free(helper);
		return drover_error_set(err, DROVER_EFAULT, "cannot make a timer: %s", strerror(-rc));
	}
	sd_event_source_set_enabled(helper->timer, SD_EVENT_OFF);
	*out = helper;
	return start(helper, err);
}

/* Its children are ended by the cgroup; without one they come to the supervisor, which ends them. */
void helper_free(struct helper *helper)
{
	int64_t until = clock_boot_ms() + CLEAR_MS;

	if (!helper)
		return;
	if (helper->pid) {
		kill(helper->pid, SIGKILL);
		while (waitpid(helper->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	while (helper->folder && !cgroup_clear(helper->folder) && clock_boot_ms() < until)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	end_output(helper);
	sd_event_source_disable_unref(helper->timer);
	free(helper->folder);
	free(helper);
}
