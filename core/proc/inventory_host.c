/*
 * inventory_host.c - the process that runs `ansible-inventory` and makes of its answer what the core takes over.
 *
 * An inventory may be a script: anything can come of it. So it runs below a process of its own, which is a subreaper
 * and ends everything that was started when it has its answer, at the deadline, at the limit of the output, or when
 * the core is gone; which reads the JSON; and which throws away every variable that the core does not need. No
 * secret of an inventory ever is in the core's memory.
 *
 * The slice: {"command": path, "sources": [path], "timeout": ms, "output_limit": bytes, "vars": "connection"|"all",
 * "folder": for temporary files}. The answer, one JSON object to the control descriptor, then its end:
 * {"list": …, "notes": [text], "complaint": text} or {"error": what the command did}.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drover/error.h>

#include "proc/roles.h"
#include "proc/slice.h"
#include "proc/subreaper.h"
#include "proc/supervisor.h"
#include "task/inventory_vars.h"
#include "util/buf.h"
#include "util/clock.h"

#define COMPLAINT_KEPT 8192 /* bytes of its standard error */
#define SAID_HEAD 200       /* of it, for people */
#define SAID_TAIL 200
#define END_MS 10000 /* for what was killed to be gone */

struct run {
	struct json_object *slice;
	int core, out, err, children; /* descriptors; `children` tells of SIGCHLD */
	pid_t pid;
	bool exited;
	int status;
	int64_t deadline; /* CLOCK_BOOTTIME ms */
	size_t limit;
	struct buf text, complaint;
	const char *why; /* it was ended: the reason; NULL: it has ended */
	bool core_gone;
};

/* ------------------------------------------------------------------------------ starting it */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path) && 0;
}

/* What a run leaves there that was killed is nobody's. */
static void remove_folder(const char *folder)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void prepare_environment(const char *folder)
{
	/* Without it a source that is missing or broken would be an inventory without hosts. */
	setenv("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "true", 1);
	setenv("ANSIBLE_NOCOLOR", "1", 1);
	unsetenv("ANSIBLE_FORCE_COLOR");
	setenv("LC_ALL", "C.UTF-8", 1); /* Ansible refuses others than UTF-8 */
	setenv("ANSIBLE_LOCAL_TEMP", folder, 0);
}

static void __attribute__((noreturn)) run_command(struct run *r, const int out[2], const int err[2])
{
	struct json_object *sources = slice_get(r->slice, "sources");
	size_t count = json_object_array_length(sources), n = 0;
	const char **argv = xcalloc(count * 2 + 3, sizeof(*argv));
	const char *command = slice_text(r->slice, "command", "ansible-inventory");

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a backup: this process ends the command itself */
	argv[n++] = command;
	for (size_t i = 0; i < count; i++) {
		argv[n++] = "-i";
		argv[n++] = json_object_get_string(json_object_array_get_idx(sources, i));
	}
	argv[n++] = "--list";
	setsid();
	dup2(out[1], STDOUT_FILENO);
	dup2(err[1], STDERR_FILENO);
	spawn_exec(command, (char *const *)argv, environ, NULL, 0);
}

static bool start(struct run *r)
{
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	r->children = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->children < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return false;
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	r->pid = fork();
	if (!r->pid)
		run_command(r, out, err);
	close(out[1]);
	close(err[1]);
	r->out = out[0];
	r->err = err[0];
	return r->pid > 0;
}

/* --------------------------------------------------------------------------- while it runs */

/* Reads what is there. False: the stream is at its end. */
static bool take_output(struct run *r)
{
	for (;;) {
		ssize_t n;

		buf_reserve(&r->text, 65536);
		n = read(r->out, r->text.data + r->text.size, r->text.room - r->text.size - 1);
		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		r->text.size += (size_t)n;
		if (r->text.size > r->limit) {
			r->why = "printed more than `inventory.output_limit` allows";
			return false;
		}
	}
}

/* Its end is kept: the last line says why. Not more than so much at once, or the deadline would be missed. */
static bool take_complaint(struct run *r)
{
	for (int i = 0; i < 64; i++) {
		char chunk[4096];
		ssize_t n = read(r->err, chunk, sizeof(chunk));

		if (n <= 0)
			return n < 0 && (errno == EAGAIN || errno == EINTR);
		buf_append(&r->complaint, chunk, (size_t)n);
		if (r->complaint.size > COMPLAINT_KEPT)
			buf_consume(&r->complaint, r->complaint.size - COMPLAINT_KEPT);
	}
	return true;
}

static void close_stream(int *fd)
{
	close(*fd);
	*fd = -1;
}

static void reap(struct run *r)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(r->children, &info, sizeof(info)) > 0)
		continue;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != r->pid)
			continue;
		r->exited = true;
		r->status = status;
	}
}

/* Until it has exited, or has to be ended. */
static void attend(struct run *r)
{
	while (!r->exited && !r->why && !r->core_gone) {
		struct pollfd fds[] = {
			{ r->core, POLLIN, 0 }, { r->out, POLLIN, 0 }, { r->err, POLLIN, 0 }, { r->children, POLLIN, 0 }
		};
		int64_t left = r->deadline - clock_boot_ms();

		if (left <= 0) {
			r->why =
				"did not end in time (`inventory.timeout`): it was ended, with all that it had started";
			return;
		}
		if (poll(fds, 4, (int)(left < 60000 ? left : 60000)) < 0)
			continue;
		r->core_gone = fds[0].revents;
		if (fds[1].revents && !take_output(r) && !r->why)
			close_stream(&r->out);
		if (fds[2].revents && !take_complaint(r))
			close_stream(&r->err);
		if (fds[3].revents)
			reap(r);
	}
	/* All that it has written is in the pipes. */
	if (r->exited && r->out >= 0 && !r->why)
		take_output(r);
	if (r->exited && r->err >= 0)
		take_complaint(r);
}

static bool spare_nobody(void *context, pid_t pid)
{
	(void)context;
	(void)pid;
	return false;
}

static bool kill_each(void *context, const struct subreaper_process *child)
{
	(void)context;
	(void)child;
	return true;
}

/* What it has started is below this process, however it has hidden itself. */
static bool end_all(struct run *r)
{
	static const struct subreaper_filter all = { spare_nobody, kill_each };
	int64_t until = clock_boot_ms() + END_MS;

	while (subreaper_sweep(&all, NULL)) {
		const struct timespec pause = { 0, 2000000 };

		reap(r);
		if (clock_boot_ms() > until)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* ----------------------------------------------------------------------------- the answer */

/* Into one line without control characters. */
static void flatten(struct buf *text)
{
	size_t to = 0;

	for (size_t i = 0; i < text->size; i++) {
		unsigned char c = (unsigned char)text->data[i];

		if (c > ' ' && c != 0x7f)
			text->data[to++] = (char)c;
		else if (to && text->data[to - 1] != ' ')
			text->data[to++] = ' ';
	}
	while (to && text->data[to - 1] == ' ')
		to--;
	text->size = to;
	if (text->data)
		text->data[to] = '\0';
}

/* The first words and the last: what went wrong, and what came of it. */
static void shorten(struct buf *text)
{
	struct buf all = BUF_INIT;

	if (text->size <= SAID_HEAD + SAID_TAIL)
		return;
	buf_printf(&all, "%.*s … %s", SAID_HEAD, text->data, text->data + text->size - SAID_TAIL);
	buf_dispose(text);
	*text = all;
}

static void put(struct json_object *answer, const char *name, const char *text)
{
	struct buf quoted = BUF_INIT;

	buf_string(&quoted, text);
	json_object_object_add(answer, name, json_object_new_string(quoted.data));
	buf_dispose(&quoted);
}

static void __attribute__((format(printf, 2, 3))) refuse(struct json_object *answer, const char *format, ...)
{
	struct buf text = BUF_INIT;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	put(answer, "error", text.data);
	buf_dispose(&text);
}

static void judge(struct run *r, struct json_object *answer)
{
	const char *said = r->complaint.size ? r->complaint.data : "it said nothing";
	struct json_object *list, *notes;
	struct drover_error err = { 0 };

	if (r->why)
		refuse(answer, "%s", r->why);
	else if (WIFSIGNALED(r->status))
		refuse(answer, "was killed by signal %d", WTERMSIG(r->status));
	else if (WEXITSTATUS(r->status))
		refuse(answer, "ended with code %d: %s", WEXITSTATUS(r->status), said);
	else if (inventory_json(r->text.data ? r->text.data : "", r->text.size, &list, &err))
		refuse(answer, "printed no inventory: %s", err.message);
	else {
		notes = json_object_new_array();
		inventory_reduce(list, !strcmp(slice_text(r->slice, "vars", "connection"), "all"), notes);
		json_object_object_add(answer, "list", list);
		json_object_object_add(answer, "notes", notes);
		put(answer, "complaint", r->complaint.size ? r->complaint.data : "");
	}
}

static int send_answer(int fd, struct json_object *answer)
{
	size_t size;
	const char *text = json_object_to_json_string_length(answer, JSON_C_TO_STRING_PLAIN, &size);

	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return 1;
		text += n;
		size -= (size_t)n;
	}
	return 0;
}

int inventory_main(int control_fd, int config_fd)
{
	struct run r = { .core = control_fd, .out = -1, .err = -1, .children = -1 };
	struct json_object *answer = json_object_new_object();
	struct drover_error err = { 0 };
	const char *folder;
	int code = 1;

	signal(SIGPIPE, SIG_IGN);
	if (slice_read(config_fd, &r.slice, &err) || chdir("/"))
		goto out;
	folder = slice_text(r.slice, "folder", "/tmp");
	r.deadline = clock_boot_ms() + slice_int(r.slice, "timeout", 30000);
	r.limit = (size_t)slice_int(r.slice, "output_limit", 64 << 20);
	remove_folder(folder);
	mkdir(folder, 0700);
	prepare_environment(folder);
	if (!subreaper_become() || !start(&r)) {
		refuse(answer, "cannot be started: %s", strerror(errno));
	} else {
		attend(&r);
		if (!end_all(&r))
			refuse(answer, "cannot be ended: its processes are stuck in the kernel");
		flatten(&r.complaint);
		shorten(&r.complaint);
		if (!json_object_object_length(answer))
			judge(&r, answer);
	}
	remove_folder(folder);
	code = r.core_gone ? 0 : send_answer(control_fd, answer);
out:
	buf_dispose(&r.text);
	buf_dispose(&r.complaint);
	json_object_put(answer);
	json_object_put(r.slice);
	return code;
}
