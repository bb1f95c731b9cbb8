/* folder.c - the folder of an instance's temporary files: made, found left behind, removed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ansible.h"

#define PREFIX "drover-ansible-"
/* Folders open at once while a tree is removed; deeper ones are opened again. */
#define OPEN_MOST 32
/* Of $TMPDIR: a unit's sockets have names of some 50 characters below it, and may have 107 in all. */
#define ROOT_MOST 40

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *place)
{
	(void)status;
	(void)kind;
	(void)place;
	remove(path);
	return 0;
}

void folder_remove(const char *path)
{
	nftw(path, remove_entry, OPEN_MOST, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Opens it with its lock: it is ours, and nobody uses it. -1: it is not so. */
static int take(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status, there;

	if (fd < 0)
		return -1;
	/* Between its making and its locking another instance may have taken it for one that was left behind. */
	if (!fstat(fd, &status) && status.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB) &&
	    !lstat(path, &there) && there.st_ino == status.st_ino && there.st_dev == status.st_dev)
		return fd;
	close(fd);
	return -1;
}

static void sweep(const char *root)
{
	DIR *dir = opendir(root);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[512];
		int fd;

		if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1))
			continue;
		snprintf(path, sizeof(path), "%s/%s", root, entry->d_name);
		fd = take(path);
		if (fd < 0)
			continue;
		folder_remove(path);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

int folder_make(char *path, size_t room, int *lock, struct drover_error *err)
{
	const char *root = getenv("TMPDIR");

	if (!root || root[0] != '/' || strlen(root) > ROOT_MOST)
		root = "/tmp";
	sweep(root);
	do {
		snprintf(path, room, "%s/" PREFIX "XXXXXX", root);
		if (!mkdtemp(path))
			return drover_error_set(err, DROVER_EFAULT, "cannot make a folder in %s: %s", root,
						strerror(errno));
		*lock = take(path);
	} while (*lock < 0);
	return 0;
}
