/* spawn.c - makes a child's process: fork into its cgroup, another user, exec with what it needs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <json-c/json.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proc/cgroup.h"
#include "proc/control_io.h"
#include "proc/marker.h"
#include "proc/slice.h"
#include "proc/supervisor.h"
#include "util/buf.h"

static const char *const role_words[] = { "core", "executor", "sink", "monitor" };

/* Everything that the new process needs, made before the fork so that nothing can fail quietly after it. */
struct spawn {
	struct child *child;
	int control[2], link[2]; /* ours, the child's; for a link: the core's, the child's */
	int slice;
	char *argv[9];
	char **envp;
	size_t env_count;
	bool switch_user;
	struct passwd *user; /* getpwnam's */
	gid_t groups[64];
	int group_count;
};

static char *format(const char *text, const char *value)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s%s", text, value);
	return buf_take(&b);
}

static char *format_fd(const char *text, int fd)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s%d", text, fd);
	return buf_take(&b);
}

static bool is_variable(const char *entry, const char *name)
{
	size_t size = strlen(name);

	return !strncmp(entry, name, size) && entry[size] == '=';
}

/* Names that no child inherits: systemd's, which are for us, and those that hold secrets. */
static bool is_ours(const struct spawn *sp, const char *entry)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS",
					     "LISTEN_PID",    MARKER_RUN,      MARKER_UNIT,    "DROVER_TOKEN" };
	struct json_object *secret = slice_get(sp->child->supervisor->plan, "secret_variables");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_variable(entry, names[i]))
			return true;
	for (size_t i = 0; json_object_is_type(secret, json_type_array) && i < json_object_array_length(secret); i++)
		if (is_variable(entry, json_object_get_string(json_object_array_get_idx(secret, i))))
			return true;
	return sp->switch_user &&
	       (is_variable(entry, "HOME") || is_variable(entry, "USER") || is_variable(entry, "LOGNAME"));
}

static void make_environment(struct spawn *sp)
{
	size_t count = 0;

	while (environ[count])
		count++;
	sp->envp = xcalloc(count + 6, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		if (!is_ours(sp, environ[i]))
			sp->envp[sp->env_count++] = xstrdup(environ[i]);
	sp->envp[sp->env_count++] = format(MARKER_RUN "=", sp->child->supervisor->run);
	sp->envp[sp->env_count++] = xstrdup(MARKER_UNIT "=" MARKER_NO_UNIT);
	if (sp->switch_user) {
		sp->envp[sp->env_count++] = format("HOME=", sp->user->pw_dir);
		sp->envp[sp->env_count++] = format("USER=", sp->user->pw_name);
		sp->envp[sp->env_count++] = format("LOGNAME=", sp->user->pw_name);
	}
}

static void make_arguments(struct spawn *sp)
{
	const struct child *c = sp->child;
	char **a = sp->argv;

	*a++ = xstrdup("droverd");
	*a++ = format("--role=", role_words[c->role]);
	*a++ = format("--name=", c->name); /* for whoever reads ps */
	*a++ = format_fd("--control=", sp->control[1]);
	*a++ = format_fd("--config=", sp->slice);
	if (sp->link[1] >= 0)
		*a++ = format_fd("--link=", sp->link[1]);
	if (c->cgroup && c->role == CHILD_EXECUTOR)
		*a++ = format("--cgroup=", c->cgroup);
}

static int find_user(struct spawn *sp, struct drover_error *err)
{
	const char *name = sp->child->user;

	if (!name)
		return 0;
	errno = 0;
	sp->user = getpwnam(name);
	if (!sp->user)
		return drover_error_set(err, DROVER_ENOTFOUND, "there is no user %s", name);
	if (sp->user->pw_uid == geteuid())
		return 0;
	if (geteuid())
		return drover_error_set(err, DROVER_EDENIED, "only root can run it as user %s", name);
	sp->switch_user = true;
	sp->group_count = (int)(sizeof(sp->groups) / sizeof(sp->groups[0]));
	if (getgrouplist(name, sp->user->pw_gid, sp->groups, &sp->group_count) < 0)
		return drover_error_set(err, DROVER_ELIMIT, "user %s is in too many groups", name);
	return 0;
}

static int make_cgroup(struct spawn *sp, struct drover_error *err)
{
	struct child *c = sp->child;
	struct buf path = BUF_INIT;

	if (!c->supervisor->tree)
		return 0;
	free(c->cgroup);
	buf_printf(&path, "%s/%s-%s.%u", c->supervisor->tree, role_words[c->role], c->name, ++c->serial);
	c->cgroup = buf_take(&path);
	return cgroup_make(c->cgroup, sp->switch_user ? sp->user->pw_uid : (uid_t)-1, err);
}

static int make_descriptors(struct spawn *sp, struct drover_error *err)
{
	const struct child *c = sp->child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sp->control))
		return drover_error_set(err, DROVER_EFAULT, "cannot make a socket: %s", strerror(errno));
	if ((c->role == CHILD_EXECUTOR || c->role == CHILD_SINK) &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sp->link))
		return drover_error_set(err, DROVER_EFAULT, "cannot make a socket: %s", strerror(errno));
	sp->slice = control_io_memfd("slice", c->slice);
	if (sp->slice < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make a memory file: %s", strerror(errno));
	return 0;
}

void spawn_exec(const char *program, char *const argv[], char *const envp[], const int *keep, size_t count)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null;

	for (int s = 1; s < NSIG; s++)
		sigaction(s, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < count; i++)
		if (keep[i] >= 0)
			fcntl(keep[i], F_SETFD, 0);
	execve(program, argv, envp);
	dprintf(STDERR_FILENO, "droverd: cannot execute %s: %s\n", program, strerror(errno));
	_exit(127);
}

static void __attribute__((noreturn)) run_child(const struct spawn *sp, pid_t parent)
{
	const struct supervisor *s = sp->child->supervisor;
	const int keep[] = { sp->control[1], sp->slice, sp->link[1], s->lock };

	setsid(); /* a terminal's Ctrl-C is for the supervisor, which ends the others in order */
	if (sp->switch_user &&
	    (setgroups((size_t)sp->group_count, sp->groups) || setgid(sp->user->pw_gid) || setuid(sp->user->pw_uid))) {
		dprintf(STDERR_FILENO, "droverd: cannot become user %s: %s\n", sp->user->pw_name, strerror(errno));
		_exit(126);
	}
	/* Only a backup: the closing of the control connection is what a child ends by. An executor host
	 * catches SIGTERM and takes its units along. */
	prctl(PR_SET_PDEATHSIG, sp->child->role == CHILD_EXECUTOR ? SIGTERM : SIGKILL);
	if (getppid() != parent)
		_exit(0);
	spawn_exec(s->options->program, sp->argv, sp->envp, keep, sizeof(keep) / sizeof(keep[0]));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void dispose(struct spawn *sp)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&sp->control[i]);
		close_fd(&sp->link[i]);
	}
	close_fd(&sp->slice);
	for (char **a = sp->argv; *a; a++)
		free(*a);
	for (size_t i = 0; i < sp->env_count; i++)
		free(sp->envp[i]);
	free(sp->envp);
}

int spawn_child(struct child *c, struct drover_error *err)
{
	struct spawn sp = { .child = c, .control = { -1, -1 }, .link = { -1, -1 }, .slice = -1 };
	pid_t self = getpid(), pid;
	int rc = find_user(&sp, err);

	if (!rc)
		rc = make_cgroup(&sp, err);
	if (!rc)
		rc = make_descriptors(&sp, err);
	if (!rc && sp.link[0] >= 0 && !peers_introduce(child_core(c->supervisor), c, sp.link[0]))
		rc = drover_error_set(err, DROVER_EFAULT, "the core does not listen");
	if (rc)
		goto out;
	make_environment(&sp);
	make_arguments(&sp);
	pid = c->cgroup ? cgroup_fork(c->cgroup) : fork();
	if (!pid)
		run_child(&sp, self);
	if (pid < 0) {
		rc = drover_error_set(err, DROVER_EFAULT, "cannot make a process: %s", strerror(errno));
		goto out;
	}
	c->pid = pid;
	c->control = sp.control[0];
	sp.control[0] = -1;
	rc = peers_watch(c, err);
	if (rc) { /* no memory: it sees its connection closed, and goes */
		close_fd(&c->control);
		kill(pid, SIGKILL);
	}
out:
	dispose(&sp);
	return rc;
}
