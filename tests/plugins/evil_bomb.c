/*
 * evil_bomb.c - an executor that multiplies: chains of processes, each of which forks its successor
 * into a session of its own and exits, so that no list of them is ever true. Their number is bounded,
 * and after a while they end: a test that went wrong must not take the machine down.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <drover/executor.h>

#define CHAINS 24
#define LIFE_S 20

static void chain(void)
{
	time_t end = time(NULL) + LIFE_S;

	while (time(NULL) < end) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		setsid();
		usleep(2000);
	}
	_exit(0);
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	(void)unit;
	(void)err;
	signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < CHAINS; i++)
		if (!fork())
			chain();
	for (;;)
		pause();
	return 0;
}

DROVER_EXECUTOR(.name = "evil_bomb", .version = "1.0.0", .types = "evil_bomb", .summary = "multiplies", .run = run);
