#define _GNU_SOURCE

#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn.h"
#include "ssh/capture.h"

#define READ_SIZE 65536

enum state {
	RUNNING,
	ENDING, /* TERM was sent */
	KILLING /* KILL was sent */
};

struct pipe_end {
	struct local *local;
	sd_event_source *source;
	struct capture capture;
	int fd; /* -1: ended */
};

struct local {
	struct local_config config;
	enum state state;
	pid_t pid; /* of the leader; its group has the same number */
	bool reaped;
	siginfo_t status;
	enum fanout_outcome why; /* TIMEOUT or STOPPED, when it is being ended */
	struct pipe_end out, err;
	sd_event_source *child, *timer;
};

static void destroy(struct local *l)
{
	struct pipe_end *ends[] = { &l->out, &l->err };

	for (size_t i = 0; i < 2; i++) {
		sd_event_source_disable_unref(ends[i]->source);
		if (ends[i]->fd >= 0)
			close(ends[i]->fd);
		capture_dispose(&ends[i]->capture);
	}
	sd_event_source_disable_unref(l->child);
	sd_event_source_disable_unref(l->timer);
	free(l);
}

static void __attribute__((format(printf, 3, 4)))
finish(struct local *l, struct fanout_result *result, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	capture_finish(&l->out.capture);
	capture_finish(&l->err.capture);
	result->phase = FANOUT_EXECUTION;
	result->message = *message ? message : NULL;
	result->out = (struct fanout_stream){ l->out.capture.data, l->out.capture.size, l->out.capture.total };
	result->err = (struct fanout_stream){ l->err.capture.data, l->err.capture.size, l->err.capture.total };
	l->config.done(l->config.context, l->config.target, result);
	destroy(l);
}

/* Is this /proc/PID/stat one of a process of the group that has not ended? */
static bool lives_in_group(const char *pid, pid_t group)
{
	char path[64], text[512];
	const char *rest;
	int parent, its_group;
	char state;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	rest = strrchr(text, ')');
	return rest && sscanf(rest, ") %c %d %d", &state, &parent, &its_group) == 3 && its_group == group &&
	       state != 'Z' && state != 'X';
}

/* A group of zombies that nobody has reaped yet does not live, though kill(2) finds it. */
static bool group_lives(const struct local *l)
{
	bool lives = false;
	struct dirent *entry;
	DIR *proc;

	if (kill(-l->pid, 0) < 0 && errno == ESRCH)
		return false;
	proc = opendir("/proc");
	if (!proc)
		return true;
	while (!lives && (entry = readdir(proc)))
		lives = *entry->d_name >= '1' && *entry->d_name <= '9' && lives_in_group(entry->d_name, l->pid);
	closedir(proc);
	return lives;
}

static void finish_ended(struct local *l)
{
	struct fanout_result result = { .outcome = l->why, .remote = FANOUT_REMOTE_UNKNOWN };
	char cause[80] = "running the command";

	if (l->reaped && !group_lives(l))
		result.remote = FANOUT_REMOTE_DEAD;
	if (l->reaped && l->status.si_code == CLD_EXITED) {
		result.has_rc = true;
		result.rc = l->status.si_status;
	}
	if (l->why == FANOUT_TIMEOUT)
		snprintf(cause, sizeof(cause), "still running the command after %g s (host_timeout)",
			 (double)l->config.timeout / 1000);
	finish(l, &result, "%s%s", cause,
	       result.remote == FANOUT_REMOTE_DEAD ? "" : "; something of it may still be running");
}

static void finish_by_itself(struct local *l)
{
	struct fanout_result result = { .outcome = FANOUT_EXITED };

	if (l->status.si_code == CLD_EXITED) {
		result.has_rc = true;
		result.rc = l->status.si_status;
		if (result.rc)
			finish(l, &result, "exit code %d", result.rc);
		else
			finish(l, &result, "%s", "");
		return;
	}
	result.outcome = FANOUT_SIGNALLED;
	result.signal = sigabbrev_np(l->status.si_status);
	finish(l, &result, "ended by signal %s", result.signal ? result.signal : "?");
}

/* After each event: is this the end? */
static void settle(struct local *l)
{
	if (l->state == RUNNING) {
		if (l->reaped && l->out.fd < 0 && l->err.fd < 0)
			finish_by_itself(l);
	} else if (l->reaped && !group_lives(l)) {
		finish_ended(l);
	}
}

static int arm(struct local *l, int64_t ms);

static void send_signal(const struct local *l, int number)
{
	/* Just after its start the child may not have its group yet. */
	if (kill(-l->pid, number) < 0 && errno == ESRCH && !l->reaped)
		(void)kill(l->pid, number);
}

static void end(struct local *l, enum fanout_outcome why)
{
	l->why = why;
	l->state = ENDING;
	send_signal(l, SIGTERM);
	send_signal(l, SIGCONT); /* a stopped process would never see TERM */
	(void)arm(l, l->config.term_grace);
	settle(l);
}

static int on_timer(sd_event_source *source, uint64_t now, void *context)
{
	struct local *l = context;

	(void)source;
	(void)now;
	switch (l->state) {
	case RUNNING:
		end(l, FANOUT_TIMEOUT);
		return 0;
	case ENDING:
		l->state = KILLING;
		send_signal(l, SIGKILL);
		(void)arm(l, l->config.kill_grace);
		settle(l);
		return 0;
	case KILLING:
		finish_ended(l);
	}
	return 0;
}

static int arm(struct local *l, int64_t ms)
{
	uint64_t at;

	sd_event_source_disable_unref(l->timer);
	l->timer = NULL;
	(void)sd_event_now(sd_event_source_get_event(l->child), CLOCK_BOOTTIME, &at);
	return sd_event_add_time(sd_event_source_get_event(l->child), &l->timer, CLOCK_BOOTTIME,
				 at + (uint64_t)ms * 1000, 1000, on_timer, l);
}

static int on_child(sd_event_source *source, const siginfo_t *status, void *context)
{
	struct local *l = context;

	(void)source;
	l->reaped = true;
	l->status = *status;
	settle(l);
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct pipe_end *end_ = context;
	struct local *l = end_->local;
	char bytes[READ_SIZE];
	ssize_t size = read(fd, bytes, sizeof(bytes));

	(void)source;
	(void)events;
	if (size > 0) {
		if (l->config.output)
			l->config.output(l->config.context, l->config.target, end_ == &l->out ? 1 : 2,
					 end_->capture.total, bytes, (size_t)size);
		(void)capture_add(&end_->capture, bytes, (size_t)size);
		return 0;
	}
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	sd_event_source_disable_unref(end_->source);
	end_->source = NULL;
	close(end_->fd);
	end_->fd = -1;
	settle(l);
	return 0;
}

void local_start(struct local **local, sd_event *event, const struct local_config *config)
{
	struct local *l = calloc(1, sizeof(*l));
	struct fanout_result result = { .outcome = FANOUT_REFUSED, .phase = FANOUT_EXECUTION };
	struct spawn spawn = { .shell = config->shell, .payload = config->payload };
	int code;

	*local = NULL;
	if (!l) {
		result.message = "no memory to start the command";
		config->done(config->context, config->target, &result);
		return;
	}
	l->config = *config;
	l->out.fd = l->err.fd = -1;
	l->out.local = l->err.local = l;
	capture_init(&l->out.capture, config->output_limit);
	capture_init(&l->err.capture, config->output_limit);
	code = spawn_command(&spawn);
	if (code < 0) {
		finish(l, &result, "cannot start a process: %s", strerror(-code));
		return;
	}
	l->pid = spawn.pid;
	l->out.fd = spawn.out;
	l->err.fd = spawn.err;
	if ((code = sd_event_add_child(event, &l->child, l->pid, WEXITED, on_child, l)) < 0 ||
	    (code = sd_event_add_io(event, &l->out.source, l->out.fd, EPOLLIN, on_readable, &l->out)) < 0 ||
	    (code = sd_event_add_io(event, &l->err.source, l->err.fd, EPOLLIN, on_readable, &l->err)) < 0 ||
	    (config->timeout && (code = arm(l, config->timeout)) < 0)) {
		(void)kill(-l->pid, SIGKILL);
		result.remote = FANOUT_REMOTE_UNKNOWN;
		finish(l, &result, "cannot watch the command: %s", strerror(-code));
		return;
	}
	*local = l;
}

size_t local_head(const struct local *l, int stream, const void **data)
{
	return capture_head(stream == 1 ? &l->out.capture : &l->err.capture, data);
}

void local_stop(struct local *l)
{
	if (l->state == RUNNING)
		end(l, FANOUT_STOPPED);
}
