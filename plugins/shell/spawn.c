#define _GNU_SOURCE

#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SCRIPT_FD 9 /* as on remote hosts */

/* What a login gives: of the daemon's environment, which may hold secrets, nothing else is passed on. */
static char **environment(const struct payload *payload)
{
	static const char *const kept[] = {
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TMPDIR"
	};
	const size_t most = sizeof(kept) / sizeof(*kept) + payload->env_count + 1;
	char **env = calloc(most, sizeof(*env));
	size_t count = 0;

	for (size_t i = 0; env && i < sizeof(kept) / sizeof(*kept); i++) {
		const char *value = getenv(kept[i]);

		if (!value && !strcmp(kept[i], "PATH"))
			value = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
		if (value && asprintf(&env[count], "%s=%s", kept[i], value) > 0)
			count++;
	}
	for (size_t i = 0; env && i < payload->env_count; i++) {
		size_t name = strcspn(payload->env[i], "=") + 1;
		size_t at = 0;

		while (at < count && strncmp(env[at], payload->env[i], name) != 0)
			at++;
		env[at] = payload->env[i];
		if (at == count)
			count++;
	}
	return env;
}

/* A descriptor from which `size` bytes can be read, or -1. */
static int memory_file(const void *data, size_t size)
{
	int fd = memfd_create("drover", MFD_CLOEXEC);
	const char *at = data;

	while (fd >= 0 && size) {
		ssize_t part = write(fd, at, size);

		if (part < 0) {
			close(fd);
			return -1;
		}
		at += part;
		size -= (size_t)part;
	}
	if (fd >= 0)
		(void)lseek(fd, 0, SEEK_SET);
	return fd;
}

static void exec_command(const struct spawn *spawn)
{
	const struct payload *p = spawn->payload;
	char **env = environment(p);
	const char *home = getenv("HOME");
	char *interpreter, *argument, file[] = "/dev/fd/9";

	if (!home || chdir(home) < 0)
		(void)!chdir("/");
	if (!env)
		return;
	if (p->command) {
		execle(spawn->shell, spawn->shell, "-c", p->command, NULL, env);
		dprintf(STDERR_FILENO, "cannot run %s: %s\n", spawn->shell, strerror(errno));
		return;
	}
	if (payload_interpreter(p->script, &interpreter, &argument) < 0)
		return;
	execve(interpreter, (char *[]){ interpreter, argument ? argument : file, argument ? file : NULL, NULL }, env);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", interpreter, strerror(errno));
}

static void __attribute__((noreturn)) child(const struct spawn *spawn, int in, int out, int err, int script)
{
	sigset_t none;

	setsid();
	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Above everything that is moved into its place below. */
	in = fcntl(in, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	err = fcntl(err, F_DUPFD, 10);
	if (script >= 0)
		script = fcntl(script, F_DUPFD, 10);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0 &&
	    (script < 0 || dup2(script, SCRIPT_FD) >= 0)) {
		(void)close_range(3, script < 0 ? ~0U : SCRIPT_FD - 1, 0);
		if (script >= 0)
			(void)close_range(SCRIPT_FD + 1, ~0U, 0);
		exec_command(spawn);
	}
	_exit(127);
}

int spawn_command(struct spawn *spawn)
{
	const struct payload *p = spawn->payload;
	int out[2] = { -1, -1 }, err[2] = { -1, -1 };
	int in = -1, script = -1, result = -1;

	in = p->input_size ? memory_file(p->input, p->input_size) : open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (p->script)
		script = memory_file(p->script, strlen(p->script));
	if (in < 0 || (p->script && script < 0) || pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		goto out;
	spawn->pid = fork();
	if (spawn->pid == 0)
		child(spawn, in, out[1], err[1], script);
	if (spawn->pid < 0)
		goto out;
	spawn->out = out[0];
	spawn->err = err[0];
	out[0] = err[0] = -1;
	(void)fcntl(spawn->out, F_SETFL, O_NONBLOCK);
	(void)fcntl(spawn->err, F_SETFL, O_NONBLOCK);
	result = 0;
out:
	result = result < 0 ? -errno : 0;
	for (size_t i = 0; i < 2; i++) {
		if (out[i] >= 0)
			close(out[i]);
		if (err[i] >= 0)
			close(err[i]);
	}
	if (in >= 0)
		close(in);
	if (script >= 0)
		close(script);
	return result;
}
