/*
 * unit_parent.c - a unit as its executor host sees it: from the fork to the moment when nothing of it
 * is left.
 *
 *	RUNNING   the process works
 *	STOPPING  it was told to stop and has a grace time
 *	KILLING   everything of it is being killed; waits until it is gone
 *	DRAINING  nothing of it is left; what it had sent is read to the end
 *
 * Only then the core is told, so that a result sent before the kill wins over the deadline.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include <drover/crash_point.h>

#include "proc/cgroup.h"
#include "proc/messages.h"
#include "proc/stream.h"
#include "proc/unit.h"
#include "proc/unit_process.h"
#include "util/clock.h"
#include "util/log.h"

/* From being told to stop to being killed. */
#define GRACE_MS 2000
/* Everything is gone and the socket and the pipe are still open: somebody outside has them. */
#define DRAIN_MS 1000
/* A killed process that does not go away is stuck in the kernel; it will never run again. */
#define STUCK_MS 10000

static void advance(struct unit *unit);

static void set_state(struct unit *unit, enum unit_state state)
{
	static const unsigned next[] = {
		[UNIT_RUNNING] = 1 << UNIT_STOPPING | 1 << UNIT_KILLING,
		[UNIT_STOPPING] = 1 << UNIT_KILLING,
		[UNIT_KILLING] = 1 << UNIT_DRAINING,
	};

	assert(state != UNIT_RUNNING && next[unit->state] & 1u << state);
	unit->state = state;
}

static void set_timer(struct unit *unit, int64_t at)
{
	sd_event_source_set_time(unit->timer, (uint64_t)(at > 0 ? at : 0) * 1000);
	sd_event_source_set_enabled(unit->timer, SD_EVENT_ONESHOT);
}

/* ------------------------------------------------------------------------------------- its end */

static void destroy(struct unit *unit)
{
	stream_free(unit->stream);
	sd_event_source_disable_unref(unit->output_source);
	sd_event_source_disable_unref(unit->timer);
	unit_output_end(&unit->output, unit->label);
	live_board_give(&unit->host->board, unit->place);
	free(unit->reason);
	free(unit->message);
	free(unit->folder);
	free(unit);
}

static void explain(const struct unit *unit, struct exec_ended *ended)
{
	ended->how = unit->why;
	ended->message = unit->reason;
	if (unit->why != EXEC_RETURNED)
		return;
	if (unit->has_said) {
		ended->how = unit->said;
		ended->message = unit->message;
	} else if (WIFSIGNALED(unit->status)) {
		ended->how = EXEC_KILLED;
		ended->code = WTERMSIG(unit->status);
	} else {
		ended->how = EXEC_EXITED;
		ended->code = WEXITSTATUS(unit->status);
	}
}

static void finish(struct unit *unit)
{
	struct executor_host *host = unit->host;
	struct exec_ended ended = { .handle = unit->handle, .tail = unit_output_text(&unit->output) };

	explain(unit, &ended);
	message_put_ended(stream_begin(host->link, WIRE_ENDED, unit->handle), &ended);
	stream_send(host->link);
	HASH_DELETE(hh, host->by_handle, unit);
	if (!unit->reaped)
		HASH_DELETE(pid_hh, host->by_pid, unit);
	destroy(unit);
	executor_host_unit_gone(host);
}

static void go_on_killing(struct unit *unit)
{
	int64_t now = clock_boot_ms();
	bool gone = unit_clear(unit);

	if (!gone && now - unit->killed_at > STUCK_MS) {
		log_error("%s: a killed process is stuck in the kernel; it is left alone", unit->label);
	} else if (!gone || !unit->reaped) {
		set_timer(unit, now + (now - unit->killed_at < 20 ? 1 : 10));
		return;
	}
	set_state(unit, UNIT_DRAINING);
	set_timer(unit, now + DRAIN_MS);
	advance(unit);
}

static void begin_killing(struct unit *unit)
{
	set_state(unit, UNIT_KILLING);
	unit->killed_at = clock_boot_ms();
	go_on_killing(unit);
}

/* Ends the unit when all that it had to say is read. May free it. */
static void advance(struct unit *unit)
{
	if (unit->state == UNIT_DRAINING && !unit->stream && !unit->output_source)
		finish(unit);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct unit *unit = context;

	(void)source;
	(void)usec;
	switch (unit->state) {
	case UNIT_RUNNING:
		unit_parent_stop(unit, EXEC_DEADLINE, NULL);
		break;
	case UNIT_STOPPING:
		begin_killing(unit);
		break;
	case UNIT_KILLING:
		go_on_killing(unit);
		break;
	case UNIT_DRAINING:
		if (unit->host->paused && unit->stream) /* it is us who do not read */
			set_timer(unit, clock_boot_ms() + DRAIN_MS);
		else
			finish(unit);
		break;
	}
	return 0;
}

void unit_parent_stop(struct unit *unit, enum exec_end why, const char *reason)
{
	if (unit->state != UNIT_RUNNING)
		return;
	unit->why = why;
	unit->reason = xstrdup(reason);
	set_state(unit, UNIT_STOPPING);
	if (unit->stream)
		stream_shutdown(unit->stream);
	set_timer(unit, clock_boot_ms() + GRACE_MS);
}

void unit_parent_kill(struct unit *unit, enum exec_end why, const char *reason)
{
	if (unit->state == UNIT_KILLING || unit->state == UNIT_DRAINING)
		return;
	if (unit->why == EXEC_RETURNED) {
		unit->why = why;
		unit->reason = xstrdup(reason);
	}
	begin_killing(unit);
}

void unit_parent_reaped(struct executor_host *host, pid_t pid, int status)
{
	struct unit *unit;

	HASH_FIND(pid_hh, host->by_pid, &pid, sizeof(pid), unit);
	if (!unit)
		return; /* something that a unit left behind */
	HASH_DELETE(pid_hh, host->by_pid, unit);
	unit->reaped = true;
	unit->status = status;
	if (unit->state == UNIT_KILLING)
		go_on_killing(unit);
	else if (unit->state != UNIT_DRAINING)
		begin_killing(unit);
}

/* ------------------------------------------------------------------------------- what it sends */

static const char *forward(struct unit *unit, const struct wire_header *header, const struct wire_reader *payload)
{
	struct executor_host *host = unit->host;

	buf_append(stream_begin(host->link, (enum wire_type)header->type, unit->handle), payload->at, header->length);
	stream_send(host->link);
	executor_host_check_queue(host);
	return NULL;
}

static const char *on_ended(struct unit *unit, struct wire_reader *r)
{
	struct exec_ended ended;

	if (!message_get_ended(r, &ended) || (ended.how != EXEC_RETURNED && ended.how != EXEC_ERROR) || unit->has_said)
		return "an end that is none";
	unit->has_said = true;
	unit->said = ended.how;
	unit->message = xstrdup(ended.message);
	return NULL;
}

/* Shown where somebody watches, and results have all the room that they may need. */
static const char *on_shown(struct unit *unit, const struct wire_header *header, struct wire_reader *r)
{
	struct executor_host *host = unit->host;
	const struct wire_reader whole = *r;
	struct exec_output output;

	if (!message_get_output(r, &output) || output.position >= unit->count)
		return "an output that is none";
	if (!unit->watched || stream_queued(host->link) > LIVE_QUEUE || !live_budget_take(&host->live, output.size))
		return NULL;
	return forward(unit, header, &whole);
}

static const char *on_frame(void *context, const struct wire_header *header, struct wire_reader *r)
{
	struct unit *unit = context;
	const struct wire_reader whole = *r;
	struct drover_report report;
	enum drover_status status;
	int64_t first, count;
	const char *text;
	size_t position;

	switch (header->type) {
	case WIRE_RESULT:
		if (!message_get_result(r, &position, &status, &report) || position >= unit->count)
			return "a result that is none";
		CRASH_POINT("result.relay");
		text = forward(unit, header, &whole);
		CRASH_POINT("result.relayed");
		return text;
	case WIRE_BEGIN:
		first = wire_get_i64(r);
		count = wire_get_i64(r);
		if (!wire_get_end(r) || first < 0 || count < 0 || (uint64_t)first > unit->count ||
		    (uint64_t)count > unit->count - (uint64_t)first)
			return "hosts to begin that it does not have";
		return forward(unit, header, &whole);
	case WIRE_NOTE:
		text = wire_get_string(r);
		if (!wire_get_end(r) || !text)
			return "a note that is none";
		log_warning("%s: %s", unit->label, text);
		return forward(unit, header, &whole);
	case WIRE_ENDED:
		return on_ended(unit, r);
	case WIRE_OUTPUT:
		return on_shown(unit, header, r);
	default:
		return "a frame of no known kind";
	}
}

static void on_closed(void *context, const char *reason)
{
	struct unit *unit = context;

	stream_free(unit->stream);
	unit->stream = NULL;
	if (reason) {
		log_error("%s: sent %s", unit->label, reason);
		unit_parent_kill(unit, EXEC_GARBAGE, reason);
	} else {
		advance(unit);
	}
}

static int on_output(sd_event_source *source, int fd, uint32_t revents, void *context)
{
	struct unit *unit = context;

	(void)source;
	(void)fd;
	(void)revents;
	if (unit_output_read(&unit->output, unit->label))
		return 0;
	unit->output_source = sd_event_source_disable_unref(unit->output_source);
	advance(unit);
	return 0;
}

static const struct stream_events stream_events = { .frame = on_frame, .closed = on_closed };

/* ----------------------------------------------------------------------------------- its begin */

void unit_parent_refuse(struct executor_host *host, uint64_t handle, const char *message)
{
	const struct exec_ended ended = { .handle = handle, .how = EXEC_NOT_STARTED, .message = message };

	message_put_ended(stream_begin(host->link, WIRE_ENDED, handle), &ended);
	stream_send(host->link);
}

/* The child's end of the socket and of the pipe; ours go into `unit`. */
static int open_pipes(int sockets[2], int pipes[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -1;
	if (pipe2(pipes, O_CLOEXEC)) {
		close(sockets[0]);
		close(sockets[1]);
		return -1;
	}
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static pid_t fork_unit(struct unit *unit, struct drover_error *err)
{
	pid_t pid;

	if (!unit->host->cgroup) {
		pid = fork();
	} else {
		if (asprintf(&unit->folder, "%s/unit-%" PRIu64, unit->host->cgroup, unit->handle) < 0)
			abort();
		if (cgroup_make(unit->folder, (uid_t)-1, err))
			return -1;
		pid = cgroup_fork(unit->folder);
	}
	if (pid < 0) {
		drover_error_set(err, DROVER_EFAULT, "cannot make a process: %s", strerror(errno));
		if (unit->folder)
			rmdir(unit->folder);
	}
	return pid;
}

static struct unit *new_unit(struct executor_host *host, const struct exec_unit *head)
{
	struct unit *unit = xcalloc(1, sizeof(*unit));

	unit->host = host;
	unit->handle = head->handle;
	unit->count = head->info.count;
	unit->started_at = clock_boot_ms();
	unit->output.fd = -1;
	unit->place = live_board_take(&host->board);
	snprintf(unit->label, sizeof(unit->label), "task %.160s unit %" PRId64, head->info.task, head->info.unit);
	return unit;
}

static int watch_unit(struct unit *unit, int socket, int64_t deadline, size_t limit, struct drover_error *err)
{
	struct executor_host *host = unit->host;
	int rc = sd_event_add_time(host->event, &unit->timer, CLOCK_BOOTTIME,
				   (uint64_t)(deadline > 0 ? deadline : 0) * 1000, 1000, on_timer, unit);

	if (rc >= 0)
		rc = sd_event_add_io(host->event, &unit->output_source, unit->output.fd, EPOLLIN, on_output, unit);
	if (rc < 0) {
		close(socket);
		return drover_error_set(err, DROVER_EFAULT, "cannot watch a unit: %s", strerror(-rc));
	}
	rc = stream_new(host->event, socket, limit, &stream_events, unit, &unit->stream, err);
	if (!rc)
		stream_pause(unit->stream, host->paused);
	return rc;
}

void unit_parent_start(struct executor_host *host, const struct exec_unit *head, const struct wire_reader *targets)
{
	struct unit *unit = new_unit(host, head);
	struct drover_error error = { 0 };
	int sockets[2], pipes[2];
	size_t limit = (size_t)head->info.output_limit * 2 + (4u << 20);
	pid_t self = getpid();

	if (open_pipes(sockets, pipes)) {
		drover_error_set(&error, DROVER_EFAULT, "cannot make a socket: %s", strerror(errno));
		goto refused;
	}
	CRASH_POINT("fork.before");
	unit->pid = fork_unit(unit, &error);
	if (!unit->pid) {
		const struct unit_start start = {
			host->executor,
			host->self,
			&host->credentials,
			*head,
			*targets,
			unit->folder,
			&host->board,
			unit->place,
			host->live_unit_rate,
			&host->permit,
			{ "drover-unit", sockets[1], pipes[1], host->keep, host->keep_count, host->files, self },
		};
		unit_process_run(&start);
	}
	CRASH_POINT("fork.after");
	close(sockets[1]);
	close(pipes[1]);
	unit->output.fd = pipes[0];
	if (unit->pid < 0) {
		close(sockets[0]);
		goto refused;
	}
	HASH_ADD(hh, host->by_handle, handle, sizeof(unit->handle), unit);
	HASH_ADD(pid_hh, host->by_pid, pid, sizeof(unit->pid), unit);
	wire_put_i64(stream_begin(host->link, WIRE_STARTED, unit->handle), unit->pid);
	stream_send(host->link);
	if (watch_unit(unit, sockets[0], head->info.deadline, limit, &error))
		unit_parent_kill(unit, EXEC_NOT_STARTED, error.message);
	return;
refused:
	log_error("%s: %s", unit->label, error.message);
	unit_parent_refuse(host, unit->handle, error.message);
	destroy(unit);
}

/* ------------------------------------------------------------------------------------- the rest */

struct unit *unit_parent_find(struct executor_host *host, uint64_t handle)
{
	struct unit *unit;

	HASH_FIND(hh, host->by_handle, &handle, sizeof(handle), unit);
	return unit;
}

void unit_parent_grant(struct unit *unit, const struct wire_reader *payload)
{
	if (!unit->stream)
		return;
	buf_append(stream_begin(unit->stream, WIRE_GRANTED, 0), payload->at, (size_t)(payload->end - payload->at));
	stream_send(unit->stream);
}

void unit_parent_watch(struct unit *unit, unsigned watched)
{
	unit->watched = watched;
	live_board_set(&unit->host->board, unit->place, (unsigned char)watched);
}

void unit_parent_pause_all(struct executor_host *host, bool paused)
{
	struct unit *unit, *next;

	HASH_ITER (hh, host->by_handle, unit, next) {
		if (unit->stream)
			stream_pause(unit->stream, paused);
	}
}

void unit_parent_kill_all(struct executor_host *host, enum exec_end why, const char *reason)
{
	struct unit *unit, *next;

	HASH_ITER (hh, host->by_handle, unit, next) {
		unit_parent_kill(unit, why, reason);
	}
}
