/*
 * spool.h - a bounded queue of records on disk: one process appends, another reads and acknowledges.
 *
 * A folder of segment files `NNNNNNNNNNNN.seg` (records: length, CRC-32, seq, bytes) and a file `ack`
 * with the last acknowledged seq, replaced atomically. A record that was cut by a crash ends its
 * segment: the writer begins a new one, the reader goes on to it. The reader removes segments that
 * are acknowledged whole.
 *
 * The writer appends without syncing: the spool outlives processes; after a power failure the core
 * appends again what the store has and the spool lacks (spool_last_seq tells from where).
 * One thread an object.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drover_error;
struct spool_writer;
struct spool_reader;

struct spool_record {
	int64_t seq;
	const char *data; /* borrowed until the next read */
	size_t size;
};

/* Makes the folder where it is missing (mode 0700). `limit`: bytes in all segments; `segment`: of one. */
/*
 * A sink's folder below the state folder: audit events, whose numbers are others, have one of their own. The result
 * is the caller's.
 */
char *spool_folder(const char *state_dir, const char *sink, bool audit);

int spool_writer_open(const char *folder, int64_t limit, int64_t segment, struct spool_writer **writer,
		      struct drover_error *err);
void spool_writer_close(struct spool_writer *writer);
/* 0, or DROVER_ELIMIT: full, not appended; or DROVER_EFAULT. Buffered: see spool_flush. */
int spool_append(struct spool_writer *writer, int64_t seq, const void *data, size_t size, struct drover_error *err);
/* Writes what is buffered to the file. */
int spool_flush(struct spool_writer *writer, struct drover_error *err);
/* The file that is written to, as a descriptor of the caller's own; so that it can wait for the disk elsewhere. -1: none. */
int spool_file(const struct spool_writer *writer);
/* From now on what is appended is on the disk before another segment is begun; of the last one see spool_file. */
int spool_durable(struct spool_writer *writer, struct drover_error *err);
/* The highest seq ever appended, 0: none. */
int64_t spool_last_seq(const struct spool_writer *writer);

/* Bytes in the segments of a folder, by looking at their sizes. Any process and thread. */
int64_t spool_bytes(const char *folder);

int spool_reader_open(const char *folder, struct spool_reader **reader, struct drover_error *err);
void spool_reader_close(struct spool_reader *reader);
/* Up to `room` records after those read before; their number, 0: none now; or a negative code. */
int spool_read(struct spool_reader *reader, struct spool_record *records, size_t room, struct drover_error *err);
/* Everything up to `seq` is done with: survives a restart of the reader. */
int spool_acknowledge(struct spool_reader *reader, int64_t seq, struct drover_error *err);

#endif
