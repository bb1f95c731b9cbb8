/* interrupt.c - see interrupt.h. */
#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return set;
}

int interrupt_open(void)
{
	sigset_t set = signals();
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd >= 0)
		sigprocmask(SIG_BLOCK, &set, NULL);
	return fd;
}

bool interrupt_take(int fd, int wait_ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	struct signalfd_siginfo info;

	poll(&ready, 1, wait_ms);
	return fd >= 0 && read(fd, &info, sizeof(info)) == sizeof(info);
}

void interrupt_close(int fd)
{
	sigset_t set = signals();

	if (fd < 0)
		return;
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}
