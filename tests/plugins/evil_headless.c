/*
 * evil_headless.c - an executor that leaves a process behind whose first thread has ended while another
 * goes on: /proc shows it as a zombie, and it lives.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <drover/executor.h>

static bool has_head(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	char line[512];
	const char *rest = f && fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;

	if (f)
		fclose(f);
	return rest && rest[2] != 'Z';
}

/* Tells by the end of the pipe that the head is off. */
static void *stay(void *ready)
{
	while (has_head())
		usleep(100);
	close(*(int *)ready);
	for (;;)
		pause();
	return NULL;
}

static void leave(void)
{
	static int ready[2];
	pthread_t thread;
	char byte;

	if (pipe(ready))
		return;
	if (fork()) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) < 0)
			perror("read");
		return;
	}
	setsid();
	if (fork())
		_exit(0);
	setsid();
	if (pthread_create(&thread, NULL, stay, &ready[1]))
		_exit(1);
	pthread_exit(NULL);
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	const char *host;

	(void)err;
	leave();
	while ((host = drover_unit_next_host(unit)))
		drover_report(unit, host, DROVER_OK, .out = "done");
	return 0;
}

DROVER_EXECUTOR(.name = "evil_headless", .version = "1.0.0", .types = "evil_headless",
		.summary = "lives on without its head", .run = run);
