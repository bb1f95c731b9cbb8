/*
 * evil_daemon.c - an executor that leaves a setsid, double-forked child which ignores signals, and another
 * one that has exec'd with an empty environment.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/executor.h>

/* Where it cannot be seen from here: an orphan in a session of its own. */
static void leave(bool exec)
{
	char *const argv[] = { (char *)"sleep", (char *)"3600", NULL };
	char *const nothing[] = { NULL };
	pid_t pid = fork();

	if (pid) {
		waitpid(pid, NULL, 0);
		return;
	}
	setsid();
	if (fork())
		_exit(0);
	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (exec)
		execve("/bin/sleep", argv, nothing);
	for (;;)
		pause();
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	leave(false);
	leave(true);
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = "done");
	while (strstr(drover_unit_info(unit)->payload, "stay") && !drover_unit_stopping(unit))
		poll(&(struct pollfd){ .fd = drover_unit_stop_fd(unit), .events = POLLIN }, 1, -1);
	return 0;
}

DROVER_EXECUTOR(.name = "evil_daemon", .version = "1.0.0", .types = "evil_daemon", .summary = "leaves a daemon behind",
		.run = run);
