#define _GNU_SOURCE

#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ssh/capture.h"

#define TERM_GRACE_MS 700 /* between TERM and KILL */
#define KILL_GRACE_MS 900 /* after KILL, until the end is given up */
#define SCRIPT_FD 9       /* as on remote hosts */
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

static void end(struct local *l, enum fanout_outcome why)
{
	l->why = why;
	l->state = ENDING;
	(void)kill(-l->pid, SIGTERM);
	(void)kill(-l->pid, SIGCONT); /* a stopped process would never see TERM */
	(void)arm(l, TERM_GRACE_MS);
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
		(void)kill(-l->pid, SIGKILL);
		(void)arm(l, KILL_GRACE_MS);
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

/* -------------------------------------------------------------------------------- the child */

/* What a login gives: of the daemon's environment, which may hold secrets, nothing else is passed on. */
static char **environment(const struct payload *payload)
{
	static const char *const kept[] = { "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR" };
	const size_t most = sizeof(kept) / sizeof(*kept) + payload->env_count + 1;
	char **env = calloc(most, sizeof(*env));
	size_t count = 0;

	for (size_t i = 0; env && i < sizeof(kept) / sizeof(*kept); i++) {
		const char *value = getenv(kept[i]);

		if (!value && !strcmp(kept[i], "PATH"))
			value = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
		if (value && asprintf(&env[count], "%s=%s", kept[i], value) > 0)
			count++;
	}
	for (size_t i = 0; env && i < payload->env_count; i++) {
		size_t name = strcspn(payload->env[i], "=") + 1;
		size_t at = 0;

		while (at < count && strncmp(env[at], payload->env[i], name) != 0)
			at++;
		env[at] = payload->env[i];
		if (at == count)
			count++;
	}
	return env;
}

/* A descriptor from which `size` bytes can be read, or -1. */
static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("drover", MFD_CLOEXEC);
	const char *at = data;

	while (fd >= 0 && size) {
		ssize_t part = write(fd, at, size);

		if (part < 0) {
			close(fd);
			return -1;
		}
		at += part;
		size -= (size_t)part;
	}
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static void exec_command(const struct local_config *config)
{
	const struct payload *p = config->payload;
	char **env = environment(p);
	const char *home = getenv("HOME");
	char *interpreter, *argument, file[] = "/dev/fd/9";

	if (!home || chdir(home) < 0)
		(void)!chdir("/");
	if (!env)
		return;
	if (p->command) {
		execle(config->shell, config->shell, "-c", p->command, NULL, env);
		dprintf(STDERR_FILENO, "cannot run %s: %s\n", config->shell, strerror(errno));
		return;
	}
	if (payload_interpreter(p->script, &interpreter, &argument) < 0)
		return;
	execve(interpreter,
	       (char *[]){ interpreter, argument ? argument : file, argument ? file : NULL, NULL }, env);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", interpreter, strerror(errno));
}

static void __attribute__((noreturn)) child(const struct local_config *config, int in, int out, int err, int script)
{
	sigset_t none;

	setsid();
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above everything that is moved into its place below. */
	in = fcntl(in, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	err = fcntl(err, F_DUPFD, 10);
	if (script >= 0)
		script = fcntl(script, F_DUPFD, 10);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0 &&
	    (script < 0 || dup2(script, SCRIPT_FD) >= 0)) {
		(void)close_range(3, script < 0 ? ~0U : SCRIPT_FD - 1, 0);
		if (script >= 0)
			(void)close_range(SCRIPT_FD + 1, ~0U, 0);
		exec_command(config);
	}
	_exit(127);
}

static int spawn(struct local *l)
{
	const struct payload *p = l->config.payload;
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int in = -1, script = -1, result = -1;

	in = p->input_size ? memory_file(p->input, p->input_size) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (p->script)
		script = memory_file(p->script, strlen(p->script));
	if (in < 0 || (p->script && script < 0) || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		goto out;
	l->pid = fork();
	if (l->pid == 0)
		child(&l->config, in, out[1], err[1], script);
	if (l->pid < 0)
		goto out;
	l->out.fd = out[0];
	l->err.fd = err[0];
	out[0] = err[0] = -1;
	(void)fcntl(l->out.fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(l->err.fd, F_SETFL, O_NONBLOCK);
	result = 0;
out:
	result = result < 0 ? -errno : 0;
	for (size_t i = 0; i < 2; i++) {
		if (out[i] >= 0)
			close(out[i]);
		if (err[i] >= 0)
			close(err[i]);
	}
	if (in >= 0)
		close(in);
	if (script >= 0)
		close(script);
	return result;
}

void local_start(struct local **local, sd_event *event, const struct local_config *config)
{
	struct local *l = calloc(1, sizeof(*l));
	struct fanout_result result = { .outcome = FANOUT_REFUSED, .phase = FANOUT_EXECUTION };
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
	code = spawn(l);
	if (code < 0) {
		finish(l, &result, "cannot start a process: %s", strerror(-code));
		return;
	}
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

void local_stop(struct local *l)
{
	if (l->state == RUNNING)
		end(l, FANOUT_STOPPED);
}
