/* evil_escape.c - an executor that leaves a child behind which has left the unit's cgroup and session. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/executor.h>

/* Only root can, and only where there are cgroups; elsewhere it stays where it is. */
static void leave_cgroup(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/cgroup.procs" };

	for (int i = 0; i < 2; i++) {
		int fd = open(roots[i], O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && write(fd, "0", 1) == 1)
			return;
	}
}

static void leave(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return;
	pid = fork();
	if (pid) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) < 0)
			perror("read");
		waitpid(pid, NULL, 0);
		return;
	}
	setsid();
	if (fork())
		_exit(0);
	setsid();
	leave_cgroup();
	close(ready[1]);
	for (;;)
		pause();
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

DROVER_EXECUTOR(.name = "evil_escape", .version = "1.0.0", .types = "evil_escape", .summary = "leaves its cgroup",
		.run = run);
