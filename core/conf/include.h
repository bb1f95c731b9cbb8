/*
 * include.h - a configuration's file and all that it includes, merged into one tree.
 *
 * `include:` holds a file or a pattern (`conf.d/` and then `*.yaml`), or a list of them, relative to the file
 * that says so; a pattern's files come in the order of their names, after the file that includes them.
 */
#ifndef CONF_INCLUDE_H
#define CONF_INCLUDE_H

#include <sys/types.h>

#include "conf/tree.h"

#define INCLUDE_DEPTH 16
#define INCLUDE_FILES 1000

/* The files that were read: their names live as long as the tree's places. */
struct include_file {
	char *name; /* owned */
	dev_t device;
	ino_t inode;
};

struct include_set {
	struct include_file *files; /* owned; in the order of reading */
	size_t count;
	bool incomplete; /* a file is missing or could not be parsed: what else is wrong cannot be told */
};

/*
 * The whole tree (never NULL, owned by the caller: tree_free), and in `set` the files. Errors are told to
 * `errors`.
 */
struct tree_node *include_read(const char *file, struct include_set *set, struct conf_errors *errors);
void include_dispose(struct include_set *set);
/*
 * `path`, which was written in `file`: as it is where it is absolute, else below that file's folder. Owned
 * by the caller.
 */
char *include_relative(const char *file, const char *path);

#endif
