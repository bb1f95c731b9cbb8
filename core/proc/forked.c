/* forked.c - see forked.h. */
#define _GNU_SOURCE
#include "proc/forked.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Closes all but the standard three, the socket where there is one, and what the plugin's own open has made. */
static void close_others(const struct forked *forked)
{
	unsigned from = 3;
	size_t at = 0;

	for (;;) {
		int next = at < forked->keep_count ? forked->keep[at] : -1;

		if (forked->socket >= (int)from && (next < 0 || forked->socket < next))
			next = forked->socket;
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

static void set_descriptors(const struct forked *forked)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(forked->output, STDOUT_FILENO);
	dup2(forked->output, STDERR_FILENO);
	close_others(forked);
}

/* A dump would hold the secrets of the executor; and where memory runs out, units are to go first. */
static void set_limits(const struct forked *forked)
{
	const struct rlimit none = { 0, 0 };
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		ssize_t ignored = write(fd, "500", 3);

		(void)ignored;
		close(fd);
	}
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &forked->files);
}

void forked_settle(const struct forked *forked)
{
	reset_signals();
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a backup: the supervisor kills what an executor host leaves */
	if (getppid() != forked->parent)
		_exit(1);
	prctl(PR_SET_NAME, forked->name);
	set_descriptors(forked);
	set_limits(forked);
}
