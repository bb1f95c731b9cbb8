/* file_look.h - how a file looks, to see that it has changed. */
#ifndef PRINCIPALS_FILE_LOOK_H
#define PRINCIPALS_FILE_LOOK_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct file_look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified, changed;
};

struct file_look file_look_of(const struct stat *st);
/* All zeroes where there is no such file, or where it cannot be looked at. */
struct file_look file_look_at(const char *path);
bool file_look_equal(const struct file_look *a, const struct file_look *b);

#endif
