/* unit_process.c - see unit_process.h. */
#define _GNU_SOURCE
#include "proc/unit_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proc/marker.h"
#include "proc/messages.h"
#include "proc/unit_log.h"
#include "proc/unit_services.h"

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Closes all but the standard three, the socket, and what the plugin's own open has made. */
static void close_others(const struct unit_start *start)
{
	unsigned from = 3;
	size_t at = 0;

	for (;;) {
		int next = at < start->keep_count ? start->keep[at] : -1;

		if ((unsigned)start->socket >= from && (next < 0 || start->socket < next))
			next = start->socket;
		else if (next >= 0)
			at++;
		if (next < 0)
			break;
		if ((unsigned)next > from)
			close_range(from, (unsigned)next - 1, 0);
		from = (unsigned)next + 1;
	}
	close_range(from, ~0u, 0);
}

static void set_descriptors(const struct unit_start *start)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(start->output, STDOUT_FILENO);
	dup2(start->output, STDERR_FILENO);
	close_others(start);
}

/* A dump would hold the secrets of the executor; and where memory runs out, units are to go first. */
static void set_limits(const struct unit_start *start)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t ignored = write(fd, "500", 3);

		(void)ignored;
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &start->files);
}

static void send_end(struct drover_unit *unit, int rc, const struct drover_error *error)
{
	const struct exec_ended ended = {
		.how = rc ? EXEC_ERROR : EXEC_RETURNED,
		.code = rc,
		.message = !rc                 ? NULL
			   : error->message[0] ? error->message
					       : "run returned an error without a message",
	};
	size_t place = wire_begin(&unit->out, WIRE_ENDED, 0);

	message_put_ended(&unit->out, &ended);
	wire_finish(&unit->out, place);
	unit_flush(unit);
}

void unit_process_run(const struct unit_start *start)
{
	struct exec_unit unit = start->unit;
	struct wire_reader r = start->targets;
	size_t count = unit.info.count;
	struct drover_target *targets = xcalloc(count, sizeof(*targets));
	int64_t *indexes = xcalloc(count, sizeof(*indexes));
	struct drover_unit run = { .self = start->self,
				   .unit = &unit,
				   .window = start->executor->window,
				   .socket = start->socket,
				   .marks = xcalloc(count, 1) };
	struct drover_error error = { 0 };
	int rc;

	reset_signals();
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a backup: the supervisor kills what an executor host leaves */
	if (getppid() != start->parent)
		_exit(1);
	prctl(PR_SET_NAME, "drover-unit");
	marker_set_unit(unit.handle);
	set_descriptors(start);
	set_limits(start);
	unit_log_begin();
	if (!message_get_targets(&r, count, targets, indexes))
		_exit(1);
	unit.info.targets = targets;
	unit.indexes = indexes;
	memset(run.marks, UNIT_BEGUN, unit.begun);
	rc = start->executor->run(&run, &error);
	send_end(&run, rc, &error);
	fflush(NULL);
	_exit(0);
}
