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

void interrupt_open(struct interrupt *interrupt)
{
	sigset_t set = signals();

	interrupt->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (interrupt->fd >= 0)
		sigprocmask(SIG_BLOCK, &set, &interrupt->before);
}

bool interrupt_take(struct interrupt *interrupt, int wait_ms)
{
	struct pollfd ready = { .fd = interrupt->fd, .events = POLLIN };
	struct signalfd_siginfo info;

	poll(&ready, 1, wait_ms);
	return interrupt->fd >= 0 && read(interrupt->fd, &info, sizeof(info)) == sizeof(info);
}

void interrupt_close(struct interrupt *interrupt)
{
	if (interrupt->fd < 0)
		return;
	close(interrupt->fd);
	sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}
