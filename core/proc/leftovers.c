/* leftovers.c - see leftovers.h. */
#define _GNU_SOURCE
#include "proc/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <drover/error.h>

#include "proc/cgroup.h"
#include "proc/marker.h"
#include "proc/subreaper.h"
#include "util/clock.h"
#include "util/log.h"

#define WAIT_MS 10000

static void pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static int make_folder(const char *path, uid_t owner, struct drover_error *err)
{
	char *parent = strdup(path), *slash;

	/* Missing folders above it are made like any other: they are not ours alone. */
	for (slash = parent ? strchr(parent + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(parent, 0755);
		*slash = '/';
	}
	free(parent);
	if (mkdir(path, 0700)) {
		if (errno != EEXIST)
			return drover_error_set(err, DROVER_EFAULT, "cannot make the state folder %s: %s", path,
						strerror(errno));
		return 0;
	}
	if (owner != (uid_t)-1 && chown(path, owner, (gid_t)-1))
		return drover_error_set(err, DROVER_EFAULT, "cannot give %s to user %u: %s", path, owner,
					strerror(errno));
	return 0;
}

int leftovers_folder(const char *state_dir, uid_t owner, char *run, size_t size, struct drover_error *err)
{
	struct statx sx;
	int rc = make_folder(state_dir, owner, err);

	if (rc)
		return rc;
	if (statx(AT_FDCWD, state_dir, 0, STATX_BASIC_STATS | STATX_BTIME, &sx))
		return drover_error_set(err, DROVER_EFAULT, "cannot read the state folder %s: %s", state_dir,
					strerror(errno));
	if (!S_ISDIR(sx.stx_mode))
		return drover_error_set(err, DROVER_EINVALID, "%s is no folder", state_dir);
	if (sx.stx_mode & 077)
		log_warning("the state folder %s can be read by others than its owner", state_dir);
	/* The birth time: an inode's number is used again when its folder has been removed. */
	snprintf(run, size, "%x-%x-%llx-%llx", sx.stx_dev_major, sx.stx_dev_minor, (unsigned long long)sx.stx_ino,
		 sx.stx_mask & STATX_BTIME ? (unsigned long long)sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec
					   : 0);
	return 0;
}

int leftovers_lock(const char *state_dir, int *fd, struct drover_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET }, holder = lock;
	char path[4096], text[32];
	ssize_t ignored;
	int rc = 0;

	snprintf(path, sizeof(path), "%s/lock", state_dir);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", path, strerror(errno));
	if (!fcntl(*fd, F_SETLK, &lock)) {
		snprintf(text, sizeof(text), "%d\n", (int)getpid());
		ignored = ftruncate(*fd, 0) ? -1 : pwrite(*fd, text, strlen(text), 0);
		(void)ignored; /* only for people who look */
		return 0;
	}
	if (!fcntl(*fd, F_GETLK, &holder) && holder.l_type != F_UNLCK)
		rc = drover_error_set(err, DROVER_ECONFLICT, "the state folder %s is in use by droverd, pid %d",
				      state_dir, (int)holder.l_pid);
	else
		rc = drover_error_set(err, DROVER_EFAULT, "cannot lock %s: %s", path, strerror(errno));
	close(*fd);
	*fd = -1;
	return rc;
}

/* One pass over all processes; the number of those found. */
static int kill_marked(const char *run)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int found = 0;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)atoi(entry->d_name);
		struct subreaper_process process;
		char value[128];

		if (pid <= 1 || pid == getpid() || !subreaper_variable(pid, MARKER_RUN, value, sizeof(value)) ||
		    strcmp(value, run) || !subreaper_look(pid, &process) || process.dead)
			continue;
		if (!kill(pid, SIGKILL))
			found++;
	}
	if (proc)
		closedir(proc);
	return found;
}

int leftovers_kill(const char *run, const char *tree, int lock, struct drover_error *err)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	bool clear = false, locked = false;
	int killed = 0;

	while (!clear || !locked) {
		int found = kill_marked(run);

		killed += found;
		clear = (!tree || cgroup_clear(tree)) && !found;
		locked = locked || !flock(lock, LOCK_EX | LOCK_NB);
		if ((clear && locked) || clock_boot_ms() > until)
			break;
		pause_ms(5);
	}
	if (killed)
		log_warning("processes of an earlier life were still there and were killed");
	if (!locked)
		return drover_error_set(err, DROVER_ECONFLICT,
					"processes of an earlier droverd still hold the state folder's lock");
	if (!clear)
		return drover_error_set(err, DROVER_ECONFLICT, "processes of an earlier droverd cannot be ended");
	return 0;
}
