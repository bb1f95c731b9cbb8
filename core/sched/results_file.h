/*
 * results_file.h - results and ends of units in a file, while the store cannot take them: one file a batch.
 *
 * A file `NNNNNNNNNNNN.results` (mode 0600) is a head (magic, version, how many results, how many bytes follow,
 * their CRC-32, how many ends), a frame for each result, as proc/messages.h writes it, and behind them one for each
 * end of a unit, in the machine's own order. It is whole, or it is known not to be; files are applied in the order
 * of their numbers. What cannot be used is renamed to `NNNNNNNNNNNN.unusable` and stays for people to look at.
 *
 * Any thread; one process at a time uses the folder.
 */
#ifndef SCHED_RESULTS_FILE_H
#define SCHED_RESULTS_FILE_H

#include <drover/store.h>

/*
 * Raise it with every change of what a file holds: also of message_put_result. 2 is 1 and ends of units; a file
 * without such is still written as 1, which a node that was taken back to an older program reads.
 */
#define RESULTS_FILE_VERSION 2
#define RESULTS_FILE_NAME_SIZE 40

/* The end of a unit's attempt, as it waits. */
struct results_end {
	struct drover_unit_end end;
	int64_t ended_at; /* UTC ms */
};

struct results_content {
	const struct drover_result *results;
	const int64_t *ended_at; /* of each result, UTC ms; read back it is the result's age */
	size_t count;
	const struct results_end *ends; /* they come after the results */
	size_t end_count;
};

struct results_file {
	struct drover_result *results; /* owned; their strings are in `bytes` */
	size_t count;
	struct drover_unit_end *ends; /* the same */
	size_t end_count;
	char *bytes; /* owned */
};

/* How much of the disk a folder of results takes up. */
struct results_usage {
	int64_t files, bytes;                   /* that wait for the store */
	int64_t unusable_files, unusable_bytes; /* that were set aside */
};

/* Opens the folder, made with mode 0700 where it is missing; a descriptor, or a negative code. */
int results_file_folder(const char *path, struct drover_error *err);
/* "000000000001.results" */
void results_file_name(int64_t number, char name[RESULTS_FILE_NAME_SIZE]);
/* The lowest number above `after` of a file that waits, or 0. */
int64_t results_file_next(int folder, int64_t after);
/* The highest number in use, of files set aside, too; 0: none. */
int64_t results_file_highest(int folder);

/* What is in the folder; nothing where there is no such folder. DROVER_EDENIED, DROVER_EFAULT. */
int results_file_usage(const char *path, struct results_usage *usage, struct drover_error *err);

/*
 * The file is on the disk, with its name, when this returns 0; `size` is how much it takes. Otherwise there is no
 * such file. DROVER_ELIMIT: the disk is full; DROVER_EFAULT.
 */
int results_file_write(int folder, int64_t number, const struct results_content *content, int64_t *size,
		       struct drover_error *err);
/* DROVER_EINVALID: it is torn, damaged, or of another version; DROVER_EFAULT: it cannot be read. */
int results_file_read(int folder, int64_t number, struct results_file *file, struct drover_error *err);
void results_file_dispose(struct results_file *file);
void results_file_remove(int folder, int64_t number);
/* Renames it, and logs under which name it is kept, and why. */
void results_file_set_aside(int folder, int64_t number, const char *why);

#endif
