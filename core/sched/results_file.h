/*
 * results_file.h - results in a file, while the store cannot take them: one file a batch.
 *
 * A file `NNNNNNNNNNNN.results` (mode 0600) is a head (magic, version, how many results, how many bytes follow,
 * their CRC-32) and a frame for each result, as proc/messages.h writes it, in the machine's own order. It is
 * whole, or it is known not to be; files are applied in the order of their numbers. What cannot be used is
 * renamed to `NNNNNNNNNNNN.unusable` and stays for people to look at.
 *
 * Any thread; one process at a time uses the folder.
 */
#ifndef SCHED_RESULTS_FILE_H
#define SCHED_RESULTS_FILE_H

#include <drover/store.h>

/* Raise it with every change of what a file holds: also of message_put_result. */
#define RESULTS_FILE_VERSION 1
#define RESULTS_FILE_NAME_SIZE 40

struct results_file {
	struct drover_result *results; /* owned; their strings are in `bytes` */
	size_t count;
	char *bytes; /* owned */
};

/* Opens the folder, made with mode 0700 where it is missing; a descriptor, or a negative code. */
int results_file_folder(const char *path, struct drover_error *err);
/* "000000000001.results" */
void results_file_name(int64_t number, char name[RESULTS_FILE_NAME_SIZE]);
/* The lowest number above `after` of a file that waits, or 0. */
int64_t results_file_next(int folder, int64_t after);
/* The highest number in use, of files set aside, too; 0: none. */
int64_t results_file_highest(int folder);

/*
 * The file is on the disk, with its name, when this returns 0; `size` is how much it takes. Otherwise there is no
 * such file. `ended_at`: of each, UTC ms; read back it is the result's age. DROVER_ELIMIT: the disk is full; DROVER_EFAULT.
 */
int results_file_write(int folder, int64_t number, const struct drover_result *results, const int64_t *ended_at,
		       size_t count, int64_t *size, struct drover_error *err);
/* DROVER_EINVALID: it is torn, damaged, or of another version; DROVER_EFAULT: it cannot be read. */
int results_file_read(int folder, int64_t number, struct results_file *file, struct drover_error *err);
void results_file_dispose(struct results_file *file);
void results_file_remove(int folder, int64_t number);
/* Renames it, and logs under which name it is kept, and why. */
void results_file_set_aside(int folder, int64_t number, const char *why);

#endif
