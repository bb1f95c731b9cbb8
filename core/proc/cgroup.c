/* cgroup.c - see cgroup.h. */
#define _GNU_SOURCE
#include "proc/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drover/error.h>

#include "util/buf.h"

/* Undoes the octal escapes of mountinfo (`\040`) in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* Where cgroup2 is mounted, and which part of its tree is seen there. */
static bool find_mount(char **point, char **root)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (f && !found && getline(&line, &room, f) > 0) {
		char *kind = strstr(line, " - ");
		char seen[4096], at[4096];

		if (!kind || strncmp(kind, " - cgroup2 ", 11) ||
		    sscanf(line, "%*s %*s %*s %4095s %4095s", seen, at) != 2)
			continue;
		unescape(seen);
		unescape(at);
		*root = xstrdup(seen);
		*point = xstrdup(at);
		found = true;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

bool cgroup_has_below(const char *folder, pid_t pid)
{
	char name[64], line[4096], *slash;
	bool below = false;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", (int)pid);
	f = fopen(name, "re");
	while (f && !below && fgets(line, sizeof(line), f)) {
		size_t size = strlen(folder);

		line[strcspn(line, "\n")] = '\0';
		/* The path is one from the mount's root: it is compared with the folder's end, from below. */
		while (!strncmp(line, "0::/", 4) && !below && (slash = strrchr(line + 3, '/')) && slash > line + 3) {
			size_t length;

			*slash = '\0';
			length = strlen(line + 3);
			below = length <= size && !strcmp(folder + size - length, line + 3);
		}
	}
	if (f)
		fclose(f);
	return below;
}

char *cgroup_own(void)
{
	char *point = NULL, *root = NULL, *line = NULL, *path = NULL;
	size_t room = 0;
	FILE *f;

	if (!find_mount(&point, &root))
		return NULL;
	f = fopen("/proc/self/cgroup", "re");
	while (f && !path && getline(&line, &room, f) > 0) {
		const char *own = line + 3;
		size_t skip = strcmp(root, "/") ? strlen(root) : 0;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::", 3) || strncmp(own, skip ? root : "", skip))
			continue;
		own += skip;
		if (asprintf(&path, "%s%s", point, strcmp(own, "/") ? own : "") < 0)
			path = NULL;
	}
	if (f)
		fclose(f);
	free(line);
	free(point);
	free(root);
	return path;
}

static bool write_file(const char *folder, const char *file, const char *text)
{
	char path[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	close(fd);
	return n >= 0;
}

/*
 * clone3 as fork would do it. glibc keeps the thread's id in memory that it lets the kernel fill at
 * a fork; PR_GET_TID_ADDRESS says where, so that locks which record their owner are right in the child.
 */
static pid_t clone_into(int folder)
{
	struct clone_args args = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)folder };
	uint64_t address = 0;

	if (!prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) && address) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = address;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

pid_t cgroup_fork(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t pid;
	int saved;

	if (fd < 0)
		return -1;
	pid = clone_into(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return pid;
}

int cgroup_make(const char *folder, uid_t uid, struct drover_error *err)
{
	static const char *const files[] = { "", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control" };
	char path[4096];

	if (mkdir(folder, 0755) && errno != EEXIST)
		return drover_error_set(err, DROVER_EFAULT, "cannot make the cgroup %s: %s", folder, strerror(errno));
	for (size_t i = 0; uid != (uid_t)-1 && i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", folder, files[i]);
		if (chown(path, uid, (gid_t)-1))
			return drover_error_set(err, DROVER_EFAULT, "cannot give %s to user %u: %s", path, uid,
						strerror(errno));
	}
	return 0;
}

bool cgroup_usable(const char *folder)
{
	char path[4096];
	int status = -1;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/drover-trial-%d", folder, (int)getpid());
	if (mkdir(path, 0755))
		return false;
	pid = cgroup_fork(path);
	if (!pid) {
		pause();
		_exit(0);
	}
	if (pid > 0) {
		if (!write_file(path, "cgroup.kill", "1"))
			kill(pid, SIGKILL);
		else
			status = 0;
		waitpid(pid, NULL, 0);
	}
	rmdir(path);
	return !status;
}

/*
 * What cgroup.kill misses: it signals the first thread of each process, and a process whose first
 * thread has ended while others go on is not ended by that (seen on Linux 6.18). kill() ends it.
 */
static void kill_members(const char *folder)
{
	char path[4096];
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		if (pid > 1)
			kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

/* Folders first: a group can be removed when it has neither processes nor groups. */
static bool remove_tree(const char *folder)
{
	DIR *dir;
	struct dirent *entry;

	if (!rmdir(folder) || errno == ENOENT)
		return true;
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		char path[4096];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		remove_tree(path);
	}
	if (dir)
		closedir(dir);
	kill_members(folder);
	return !rmdir(folder) || errno == ENOENT;
}

bool cgroup_clear(const char *folder)
{
	if (!rmdir(folder) || errno == ENOENT)
		return true; /* the usual end: everything has exited by itself */
	write_file(folder, "cgroup.kill", "1");
	return remove_tree(folder);
}
