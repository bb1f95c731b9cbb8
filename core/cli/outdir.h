/*
 * outdir.h - what hosts wrote, as files in a folder: HOST.stdout and HOST.stderr of each host.
 *
 * The folder is made, or must be empty: files of an earlier run are neither overwritten nor left among new ones.
 * A name that is no host's, or too long for a file, is written as far as it goes with what is unusual as `%xx`,
 * and a hash behind it where it was cut.
 */
#ifndef CLI_OUTDIR_H
#define CLI_OUTDIR_H

#include <stddef.h>

struct json_object;

#define OUTDIR_NAME_SIZE 256

struct outdir {
	const char *path; /* borrowed; NULL: there is none */
	int fd;
};

/* Returns CLI_OK, or says what is wrong and returns what to exit with. Without a `path` it does nothing. */
int outdir_open(struct outdir *outdir, const char *path);
/* The row's outputs. CLI_OK, or says what is wrong and returns what to exit with. */
int outdir_write(const struct outdir *outdir, struct json_object *row);
void outdir_close(struct outdir *outdir);
/* The file's name for a host; `suffix` begins with a point. */
void outdir_name(const char *host, const char *suffix, char name[OUTDIR_NAME_SIZE]);

#endif
