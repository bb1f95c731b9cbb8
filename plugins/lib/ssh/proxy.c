#define _GNU_SOURCE

#include "ssh/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void __attribute__((noreturn)) child(const char *command, int fd, pid_t parent)
{
	char *text = NULL;
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	fd = fcntl(fd, F_DUPFD, 3);
	if (dup2(fd, STDIN_FILENO) >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && asprintf(&text, "exec %s", command) >= 0) {
		(void)close_range(3, ~0U, 0);
		execl("/bin/sh", "sh", "-c", text, NULL);
	}
	_exit(127);
}

int proxy_start(const char *command, pid_t *pid, int *fd)
{
	const pid_t self = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	*pid = fork();
	if (!*pid)
		child(command, ends[1], self);
	close(ends[1]);
	if (*pid < 0) {
		close(ends[0]);
		return -errno;
	}
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	*fd = ends[0];
	return 0;
}

void proxy_end(pid_t pid)
{
	/* Just after its start it may not have its group yet. */
	if (kill(-pid, SIGKILL) < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
