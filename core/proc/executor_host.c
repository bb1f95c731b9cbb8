/* executor_host.c - see executor_host.h: the process, its plugin, its link to the core. */
#define _GNU_SOURCE
#include "proc/executor_host.h"

#include <dirent.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "conf/option.h"
#include "conf/wipe.h"
#include "loader/loader.h"
#include "proc/control.h"
#include "proc/helper.h"
#include "proc/messages.h"
#include "proc/roles.h"
#include "proc/slice.h"
#include "proc/stream.h"
#include "proc/subreaper.h"
#include "proc/unit_services.h"
#include "util/clock.h"
#include "util/log.h"

/* So much may wait for the core before units are no longer read; and when they are again. */
#define QUEUE_HIGH (8u << 20)
#define QUEUE_LOW (4u << 20)
/* To read what the core has said while this process stood still. */
#define UNREAD_MS 100

static void stop_if_done(struct executor_host *host)
{
	if ((host->closing || host->draining) && !host->by_handle)
		sd_event_exit(host->event, 0);
}

/* Everything of ours ends, then we do. */
static void close_down(struct executor_host *host, const char *reason)
{
	if (host->closing)
		return;
	host->closing = true;
	unit_parent_kill_all(host, EXEC_STOPPED, reason);
	stop_if_done(host);
}

void executor_host_unit_gone(struct executor_host *host)
{
	stop_if_done(host);
}

void executor_host_check_queue(struct executor_host *host)
{
	size_t queued = stream_queued(host->link);

	if (host->paused ? queued < QUEUE_LOW : queued > QUEUE_HIGH) {
		host->paused = !host->paused;
		unit_parent_pause_all(host, host->paused);
	}
}

/* --------------------------------------------------------------------------------- the core's link */

static bool has_no_permit(const struct executor_host *host)
{
	return clock_boot_ms() - host->last_permit > host->permit_lost;
}

static void keep_permit(struct executor_host *host, int64_t said)
{
	host->last_permit = said;
	permit_set(&host->permit, said + host->permit_lost);
}

static void lose_permit(struct executor_host *host)
{
	if (!host->by_handle)
		return;
	log_error("no permit from the core for %lld ms: the units are ended", (long long)host->permit_lost);
	unit_parent_kill_all(host, EXEC_NO_PERMIT, "the core was silent for too long");
}

static const char *on_execute(struct executor_host *host, uint64_t handle, struct wire_reader *r)
{
	struct exec_unit head;

	if (!message_get_unit(r, &head) || unit_parent_find(host, handle))
		return "a unit that is none";
	head.handle = handle;
	/*
	 * While draining, what was on its way is still done. A core that was stopped may have lost the unit meanwhile,
	 * and so may one whose words came late, since this process was.
	 */
	if (host->closing)
		unit_parent_refuse(host, handle, "the executor host is ending");
	else if (has_no_permit(host))
		unit_parent_refuse(host, handle, "the core was silent for too long");
	else if (head.begin_by && clock_boot_ms() >= head.begin_by)
		unit_parent_refuse(host, handle, "its engine's lease may have ended before it came here");
	else
		unit_parent_start(host, &head, r);
	return NULL;
}

/*
 * As old as the core says, since it may have waited here while this process stood still. And a core that was silent for
 * so long may have lost its units: what it says now is not for those.
 */
static const char *on_permit(struct executor_host *host, struct wire_reader *r)
{
	int64_t said = wire_get_i64(r);

	if (!wire_get_end(r))
		return "a permit that is none";
	if (said - host->last_permit > host->permit_lost)
		lose_permit(host);
	if (said > host->last_permit)
		keep_permit(host, said);
	return NULL;
}

static const char *on_frame(void *context, const struct wire_header *header, struct wire_reader *r)
{
	struct executor_host *host = context;
	struct unit *unit = unit_parent_find(host, header->unit);

	switch (header->type) {
	case WIRE_EXECUTE:
		return on_execute(host, header->unit, r);
	case WIRE_PERMIT:
		return on_permit(host, r);
	case WIRE_STOP:
		if (unit) /* else it has ended in the meantime */
			unit_parent_stop(unit, EXEC_STOPPED, wire_get_string(r));
		return NULL;
	case WIRE_GRANTED:
		if (unit)
			unit_parent_grant(unit, r);
		return NULL;
	case WIRE_WATCH:
		if (unit)
			unit_parent_watch(unit, wire_get_u32(r));
		return NULL;
	default:
		return "a frame of no known kind";
	}
}

static void on_link_closed(void *context, const char *reason)
{
	struct executor_host *host = context;

	log_debug("the core is gone%s%s", reason ? ": " : "", reason ? reason : "");
	close_down(host, "the core is gone");
}

static void on_link_drained(void *context)
{
	executor_host_check_queue(context);
}

static const struct stream_events link_events = { .frame = on_frame,
						  .closed = on_link_closed,
						  .drained = on_link_drained };

/* ----------------------------------------------------------------------- signals, clock, supervisor */

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct executor_host *host = context;
	int status;
	pid_t pid;

	(void)source;
	(void)info;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!helper_reaped(host->helper, pid, status))
			unit_parent_reaped(host, pid, status);
	return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)source;
	(void)info;
	close_down(context, "the executor host was told to end");
	return 0;
}

/* Where this process stood still itself, the core's words of meanwhile are read first. */
static bool may_have_one(struct executor_host *host)
{
	int64_t now = clock_boot_ms();

	if (now - host->checked_at > host->permit_lost / 2)
		host->went_on_at = now;
	host->checked_at = now;
	return now - host->went_on_at < UNREAD_MS;
}

static int on_permit_check(sd_event_source *source, uint64_t usec, void *context)
{
	struct executor_host *host = context;
	int64_t left, pause = host->permit_lost / 8;
	bool doubt = may_have_one(host);

	(void)usec;
	if (has_no_permit(host) && doubt)
		pause = UNREAD_MS / 10;
	else if (has_no_permit(host))
		lose_permit(host);
	/* Not later than it is lost: by then the others count on it that nothing runs here any more. */
	left = host->last_permit + host->permit_lost + 1 - clock_boot_ms();
	if (left > 0 && left < pause)
		pause = left;
	sd_event_source_set_time_relative(source, (uint64_t)pause * 1000);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_drain_deadline(sd_event_source *source, uint64_t usec, void *context)
{
	(void)source;
	(void)usec;
	close_down(context, "the executor is being restarted");
	return 0;
}

static void on_drain(void *context, int64_t deadline)
{
	struct executor_host *host = context;

	if (host->draining)
		return;
	host->draining = true;
	stream_begin(host->link, WIRE_DRAINING, 0);
	stream_send(host->link);
	sd_event_add_time(host->event, NULL, CLOCK_BOOTTIME, (uint64_t)deadline * 1000, 0, on_drain_deadline, host);
	stop_if_done(host);
}

static void on_supervisor_gone(void *context)
{
	close_down(context, "the supervisor is gone");
}

static const struct control_events control_events = { .drain = on_drain, .closed = on_supervisor_gone };

static int watch(struct executor_host *host, int control_fd, int link_fd, struct drover_error *err)
{
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	rc = sd_event_new(&host->event);
	if (rc >= 0)
		rc = sd_event_add_signal(host->event, NULL, SIGCHLD, on_child, host);
	if (rc >= 0)
		rc = sd_event_add_signal(host->event, NULL, SIGTERM, on_terminate, host);
	if (rc >= 0)
		rc = sd_event_add_signal(host->event, NULL, SIGINT, on_terminate, host);
	if (rc >= 0)
		rc = sd_event_add_time_relative(host->event, NULL, CLOCK_BOOTTIME,
						(uint64_t)host->permit_lost * 1000 / 8, 0, on_permit_check, host);
	if (rc < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make an event loop: %s", strerror(-rc));
	rc = control_new(host->event, control_fd, &control_events, host, &host->control, err);
	if (!rc)
		rc = stream_new(host->event, link_fd, WIRE_PAYLOAD_MAX, &link_events, host, &host->link, err);
	return rc;
}

/* ------------------------------------------------------------------------------------- the plugin */

/* Descriptors that are open now, in ascending order. Owned by the caller. */
static int *list_descriptors(size_t *count)
{
	size_t room = 64;
	int *list = xmalloc(room * sizeof(*list));
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/fd");

	*count = 0;
	while (dir && (entry = readdir(dir))) {
		int fd = atoi(entry->d_name);
		size_t at = *count;

		if (entry->d_name[0] == '.' || fd == dirfd(dir))
			continue;
		if (*count == room)
			list = xrealloc(list, (room *= 2) * sizeof(*list));
		for (; at && list[at - 1] > fd; at--)
			list[at] = list[at - 1];
		list[at] = fd;
		(*count)++;
	}
	if (dir)
		closedir(dir);
	return list;
}

/* What the plugin's open has opened is its own and goes to its units; everything else is ours. */
static void keep_new_descriptors(struct executor_host *host, const int *before, size_t before_count)
{
	size_t count, b = 0;
	int *now = list_descriptors(&count);

	host->keep = now;
	for (size_t i = 0; i < count; i++) {
		while (b < before_count && before[b] < now[i])
			b++;
		if (b == before_count || before[b] != now[i])
			host->keep[host->keep_count++] = now[i];
	}
}

static int open_plugin(struct executor_host *host, struct json_object *slice, struct drover_error *err)
{
	struct loaded_plugin plugin = { 0 };
	size_t count = 0;
	int *before = NULL;
	int rc;

	control_entered(host->control, "load", host->call_timeout);
	rc = loader_open_file(slice_text(slice, "path", ""), &unit_host, &plugin, err);
	control_left(host->control);
	if (rc)
		return rc;
	host->executor = plugin.module->executor;
	loader_dispose(&plugin);
	if (!host->executor)
		return drover_error_set(err, DROVER_EINVALID, "plugin %s is no executor",
					slice_text(slice, "plugin", "?"));
	credentials_read(&host->credentials, slice);
	rc = slice_options(slice_get(slice, "options"), host->executor->options, host->executor->self_size, &host->self,
			   err);
	if (!rc && host->executor->check) {
		control_entered(host->control, "check", host->call_timeout);
		rc = host->executor->check(host->self, err);
		control_left(host->control);
	}
	before = list_descriptors(&count);
	if (!rc && host->executor->open) {
		control_entered(host->control, "open", host->call_timeout);
		rc = host->executor->open(host->self, err);
		control_left(host->control);
	}
	host->opened = !rc;
	keep_new_descriptors(host, before, count);
	free(before);
	return rc;
}

static void close_plugin(struct executor_host *host)
{
	if (!host->executor)
		return;
	if (host->opened && host->executor->close) {
		control_entered(host->control, "close", host->call_timeout);
		host->executor->close(host->self);
		control_left(host->control);
	}
	option_free(host->executor->options, host->self);
}

/* A unit takes two descriptors here; 1,024 would be few. Units get the limit that we were started with. */
static void raise_file_limit(struct executor_host *host)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &host->files);
	limit = host->files;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int executor_main(int control_fd, int config_fd, int link_fd, const char *cgroup)
{
	struct executor_host host = { .cgroup = cgroup };
	struct json_object *slice = NULL;
	struct drover_error error = { 0 };
	char who[128];
	int rc = slice_read(config_fd, &slice, &error);

	if (rc)
		goto out;
	snprintf(who, sizeof(who), "executor: %s", slice_text(slice, "name", "?"));
	slice_log(slice, who);
	host.call_timeout = slice_int(slice, "call_timeout", 30000);
	host.permit_lost = slice_int(slice, "lease.permit_lost", 20000);
	rc = permit_open(&host.permit, &error);
	if (rc)
		goto out;
	keep_permit(&host, clock_boot_ms());
	host.checked_at = host.last_permit;
	raise_file_limit(&host);
	host.live.rate = slice_int(slice, "live_rate", 8 << 20);
	host.live_unit_rate = slice_int(slice, "live_unit_rate", 1 << 20);
	if (live_board_open(&host.board))
		log_warning("no memory to share with units: their output cannot be watched");
	subreaper_become();
	rc = watch(&host, control_fd, link_fd, &error);
	if (!rc)
		rc = open_plugin(&host, slice, &error);
	if (!rc)
		rc = helper_new(&host, &host.helper, &error);
	if (rc)
		goto out;
	wipe_put(slice);
	slice = NULL;
	control_ready(host.control);
	wire_put_string(stream_begin(host.link, WIRE_READY, 0), host.executor->version);
	stream_send(host.link);
	rc = sd_event_loop(host.event);
out:
	if (rc < 0 && error.message[0]) {
		log_error("cannot start: %s", error.message);
		control_failed(host.control, error.message);
	}
	helper_free(host.helper);
	close_plugin(&host);
	wipe_put(slice);
	credentials_dispose(&host.credentials);
	stream_free(host.link);
	control_free(host.control);
	sd_event_unref(host.event);
	live_board_dispose(&host.board);
	permit_dispose(&host.permit);
	free(host.keep);
	return rc < 0 ? 1 : 0;
}
