/* oracle.c - see oracle.h. */
#include "oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OVERLAPS "overlaps"

static long long utc_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A file for each host is open while it executes. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int oracle_open(struct oracle *oracle, const char *folder, const struct drover_unit_info *unit,
		struct drover_error *err)
{
	*oracle = (struct oracle){ .folder = folder, .unit = unit };
	if (!folder)
		return 0;
	if (mkdir(folder, 0700) && errno != EEXIST)
		return drover_error_set(err, DROVER_EFAULT, "cannot make %s: %s", folder, strerror(errno));
	oracle->files = malloc((unit->count ? unit->count : 1) * sizeof(*oracle->files));
	if (!oracle->files)
		return drover_error_set(err, DROVER_ENOMEM, "out of memory");
	for (size_t i = 0; i < unit->count; i++)
		oracle->files[i] = -1;
	allow_many_files();
	return 0;
}

void oracle_close(struct oracle *oracle)
{
	if (oracle->files)
		for (size_t i = 0; i < oracle->unit->count; i++)
			if (oracle->files[i] >= 0)
				close(oracle->files[i]);
	free(oracle->files);
	oracle->files = NULL;
}

/* One write, so that lines of several processes stay whole. */
static int note(const struct oracle *oracle, int fd, const char *before, const char *after)
{
	char line[1024];
	int size = snprintf(line, sizeof(line), "%s %s %lld %d %d %lld%s%s\n", before, oracle->unit->task,
			    (long long)oracle->unit->unit, oracle->unit->attempt, (int)getpid(), utc_ms(),
			    after ? " " : "", after ? after : "");

	return size > 0 && size < (int)sizeof(line) && write(fd, line, (size_t)size) == size ? 0 : -1;
}

static int open_file(const struct oracle *oracle, const char *name)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", oracle->folder, name) >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void note_overlap(const struct oracle *oracle, const char *host)
{
	int fd = open_file(oracle, OVERLAPS);

	if (fd < 0 || note(oracle, fd, host, NULL))
		drover_log(DROVER_LOG_ERROR, "cannot note that %s was executed twice at a time: %s", host,
			   strerror(errno));
	if (fd >= 0)
		close(fd);
}

int oracle_start(struct oracle *oracle, size_t target, struct drover_error *err)
{
	const char *host = oracle->unit->targets[target].name;
	int fd, code;

	if (!oracle->folder)
		return 0;
	if (strchr(host, '/') || host[0] == '.' || !strcmp(host, OVERLAPS))
		return drover_error_set(err, DROVER_EINVALID, "%s cannot be the name of a file", host);
	fd = open_file(oracle, host);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open its file in %s: %s", oracle->folder,
					strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		note_overlap(oracle, host);
		code = drover_error_set(err, DROVER_ECONFLICT, "somebody else executes this host now");
	} else if (note(oracle, fd, "start", NULL)) {
		code = drover_error_set(err, DROVER_EFAULT, "cannot write its file in %s: %s", oracle->folder,
					strerror(errno));
	} else {
		oracle->files[target] = fd;
		return 0;
	}
	close(fd);
	return code;
}

void oracle_end(struct oracle *oracle, size_t target, enum drover_status status)
{
	int fd = oracle->folder ? oracle->files[target] : -1;

	if (fd < 0)
		return;
	if (note(oracle, fd, "end", drover_status_name(status)))
		drover_log(DROVER_LOG_ERROR, "cannot note the end of %s: %s", oracle->unit->targets[target].name,
			   strerror(errno));
	close(fd);
	oracle->files[target] = -1;
}
