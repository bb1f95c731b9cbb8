/* file_look.c - see file_look.h. */
#include "principals/file_look.h"

struct file_look file_look_of(const struct stat *st)
{
	return (struct file_look){ st->st_dev, st->st_ino, st->st_size, st->st_mtim, st->st_ctim };
}

struct file_look file_look_at(const char *path)
{
	struct file_look none = { 0 };
	struct stat st;

	return stat(path, &st) ? none : file_look_of(&st);
}

bool file_look_equal(const struct file_look *a, const struct file_look *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}
