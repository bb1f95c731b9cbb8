/*
 * segment.h - the files of a spool's folder: their names, their records, what is in the folder.
 *
 * For writer.c and reader.c only. A record is a struct record_head and its bytes; the CRC covers
 * seq and bytes. Any thread.
 */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

struct drover_error;

/* Longer than any event; a length above it is not one. */
#define RECORD_MAX (64u << 20)
/* "123456789012.seg" */
#define SEGMENT_NAME_SIZE 32

struct record_head {
	uint32_t size; /* of the bytes that follow */
	uint32_t crc;
	int64_t seq;
};

struct record {
	int64_t seq;
	const char *data; /* borrowed */
	size_t size;
};

/* Opens the folder, made with mode 0700 where it is missing; a descriptor, or a negative code. */
int segment_folder(const char *path, struct drover_error *err);
void segment_name(int64_t number, char name[SEGMENT_NAME_SIZE]);
/* The lowest number above `after`, or 0: none. */
int64_t segment_after(int folder, int64_t after);
/* The highest number, or 0: none. */
int64_t segment_highest(int folder);
/* Bytes in all segments. */
int64_t segment_total(int folder);

void record_head_fill(struct record_head *head, int64_t seq, const void *data, size_t size);
/*
 * The record at the beginning of `data`: the bytes it takes up, or 0 where there is none: cut off
 * (`*needs` says how many bytes a whole one has, as far as that is known) or damaged (`*needs` is 0).
 */
size_t record_parse(const char *data, size_t size, struct record *record, size_t *needs);

/* The last acknowledged seq, 0: none. */
int64_t ack_read(int folder);
int ack_write(int folder, int64_t seq, struct drover_error *err);

#endif
