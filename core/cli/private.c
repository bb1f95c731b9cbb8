/* private.c - see private.h. */
#define _GNU_SOURCE /* environ */
#include "cli/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/error.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/private_files.h"
#include "cli/private_log.h"
#include "util/buf.h"
#include "util/clock.h"

#define READY_MS 10000
#define STOP_MS 10000
#define LOG_KEPT (1024 * 1024) /* a larger log is begun anew */
#define CORE_TRIES 2           /* of the core's to start; what hindered two is not over soon */

int private_state(char **state, struct drover_error *err)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (base && *base == '/')
		*state = private_below(base, "drover");
	else if (home && *home == '/')
		*state = private_below(home, ".local/state/drover");
	else
		return drover_error_set(err, DROVER_EFAULT,
					"a private daemon needs a folder for its state: set $HOME or $XDG_STATE_HOME");
	return 0;
}

bool private_exists(const char *state)
{
	char *config = private_below(state, "drover.yaml");
	bool exists = !access(config, F_OK);

	free(config);
	return exists;
}

char *private_url(const char *state)
{
	struct buf url = BUF_INIT;

	buf_printf(&url, "unix:%s/drover.sock", state);
	return buf_take(&url);
}

/* The folder and those above it; what is made belongs to its user alone. */
static int make_folder(const char *path, struct drover_error *err)
{
	char *copy = xstrdup(path);
	int rc = 0;

	for (char *slash = copy + 1; !rc; slash++) {
		slash = strchr(slash, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, 0700) && errno != EEXIST)
			rc = drover_error_set(err, DROVER_EFAULT, "cannot make the folder %s: %s", copy,
					      strerror(errno));
		if (!slash)
			break;
		*slash = '/';
	}
	free(copy);
	return rc;
}

/* Who may write there can put another daemon in the place of this one, and gets the user's commands. */
static int check_folder(const char *path, struct drover_error *err)
{
	struct stat st;

	if (stat(path, &st))
		return drover_error_set(err, DROVER_EFAULT, "cannot look at %s: %s", path, strerror(errno));
	if (st.st_uid != geteuid())
		return drover_error_set(err, DROVER_EDENIED, "the folder %s belongs to another user (id %u)", path,
					(unsigned)st.st_uid);
	if (st.st_mode & 022)
		return drover_error_set(err, DROVER_EDENIED, "others may write in %s (mode %04o): chmod 700 %s", path,
					(unsigned)(st.st_mode & 07777), path);
	return 0;
}

/* Does it answer and take tasks? */
static bool answers(const char *url)
{
	struct address address = { .url = (char *)url };
	struct json_object *answer = NULL;
	struct client client;
	int rc;

	if (client_open(&client, &address, NULL))
		return false;
	rc = client_call(&client, "GET", "/-/ready", NULL, &answer, NULL);
	json_object_put(answer);
	client_close(&client);
	return !rc;
}

/*
 * The user's token is no business of a daemon, nor of the commands that it executes, and settings meant for another
 * daemon none of this one's. Only the folder of plugins may be somewhere else.
 */
static void clean_environment(void)
{
	for (size_t i = 0; environ[i];) {
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
		if (strncmp(name, "DROVER_", 7) || !strcmp(name, "DROVER_PLUGIN_PATH") || unsetenv(name))
			i++;
	}
}

/* In the child: nothing of the terminal, of this program's descriptors and of its signal mask stays. */
static void __attribute__((noreturn)) exec_daemon(const char *daemon, const char *config, int log)
{
	const char *const argv[] = { daemon, "-c", config, NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	clean_environment();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0 ||
	    chdir("/"))
		_exit(127);
	execv(daemon, (char *const *)argv);
	_exit(127);
}

static pid_t spawn(const char *daemon, const char *config, const char *log_path, struct drover_error *err)
{
	struct stat st;
	pid_t pid;
	int log;

	if (!stat(log_path, &st) && st.st_size > LOG_KEPT)
		unlink(log_path);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", log_path, strerror(errno));
	pid = fork();
	if (!pid)
		exec_daemon(daemon, config, log);
	close(log);
	if (pid < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot start %s: %s", daemon, strerror(errno));
	return pid;
}

/*
 * Starts it, again where it ends before it is ready (an earlier one may still be about to go and hold the
 * state folder), until it answers or the time is over.
 */
static int start(const char *state, const char *url, pid_t *pid, struct drover_error *err)
{
	char *config = private_below(state, "drover.yaml"), *log = private_below(state, "droverd.log"),
	     *daemon = private_find_daemon();
	int64_t deadline = clock_boot_ms() + READY_MS;
	int rc = 0, status, wait_ms = 10;
	char *reason = NULL;
	pid_t child = 0;
	long seen;

	if (!daemon)
		rc = drover_error_set(err, DROVER_ENOTFOUND,
				      "cannot find droverd: it is neither beside drover nor on the PATH");
	if (!rc)
		rc = private_write_config(config, state, err);
	seen = private_log_size(log);
	for (bool ready = false; !rc && !ready; wait_ms = wait_ms < 100 ? wait_ms * 2 : wait_ms) {
		if (!child) {
			child = spawn(daemon, config, log, err);
			if (child < 0) {
				rc = child;
				break;
			}
		}
		poll(NULL, 0, wait_ms);
		ready = answers(url);
		if (!ready && waitpid(child, &status, WNOHANG) == child) {
			child = 0;
			/* A wrong configuration, or no program at all, stays so. */
			if (WIFEXITED(status) && (WEXITSTATUS(status) == CLI_BAD_CONFIG || WEXITSTATUS(status) == 127))
				deadline = 0;
			else
				poll(NULL, 0, 200);
		}
		if (!ready && private_log_core_failures(log, seen, &reason) >= CORE_TRIES) {
			rc = drover_error_set(err, DROVER_EFAULT, "its core %s; its log is %s", reason, log);
		} else if (!ready && clock_boot_ms() > deadline) {
			private_log_show(log);
			rc = drover_error_set(err, DROVER_ETIMEOUT, "the private daemon %s; its log is %s",
					      child ? "was not ready within 10 s" : "ended at its start", log);
		}
	}
	if (rc && child > 0)
		private_stop(child);
	*pid = rc ? 0 : child;
	free(reason);
	free(daemon);
	free(log);
	free(config);
	return rc;
}

int private_start(const char *state, pid_t *pid, struct drover_error *err)
{
	char *url = private_url(state), *lock_path = NULL;
	pid_t child = 0;
	int lock = -1, rc;

	if (strlen(url) - 5 >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		rc = drover_error_set(err, DROVER_EINVALID,
				      "%s is too long for a socket's path; set $XDG_STATE_HOME to a shorter folder",
				      url + 5);
		goto out;
	}
	rc = make_folder(state, err);
	if (!rc)
		rc = check_folder(state, err);
	if (rc)
		goto out;
	lock_path = private_below(state, "start.lock");
	lock = open(lock_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX)) {
		rc = drover_error_set(err, DROVER_EFAULT, "cannot lock %s: %s", lock_path, strerror(errno));
		goto out;
	}
	if (!answers(url))
		rc = start(state, url, &child, err);
out:
	if (lock >= 0)
		close(lock);
	if (pid)
		*pid = child;
	free(lock_path);
	free(url);
	return rc;
}

void private_stop(pid_t pid)
{
	int64_t deadline = clock_boot_ms() + STOP_MS;
	int status;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (clock_boot_ms() > deadline) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return;
		}
		poll(NULL, 0, 20);
	}
}
