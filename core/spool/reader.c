/* reader.c - the reading half of spool.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "spool/segment.h"
#include "spool/spool.h"
#include "util/buf.h"
#include "util/log.h"

#define CHUNK (1u << 20)

/* A segment that was read to its end and waits for its acknowledgement. */
struct passed {
	int64_t number;
	int64_t last_seq;
};

struct spool_reader {
	int folder;
	int fd;           /* -1: no segment yet */
	int64_t number;   /* of the segment in `fd` */
	off_t offset;     /* of the next record in it */
	int64_t last_seq; /* the highest that was given out or acknowledged before */
	int64_t acknowledged;
	struct buf chunk; /* what the records given out point into */
	struct passed *passed;
	size_t passed_count;
};

int spool_reader_open(const char *folder, struct spool_reader **reader, struct drover_error *err)
{
	struct spool_reader *self;
	int fd = segment_folder(folder, err);

	if (fd < 0)
		return fd;
	self = xcalloc(1, sizeof(*self));
	self->folder = fd;
	self->fd = -1;
	self->acknowledged = ack_read(fd);
	self->last_seq = self->acknowledged;
	*reader = self;
	return 0;
}

void spool_reader_close(struct spool_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	close(reader->folder);
	buf_dispose(&reader->chunk);
	free(reader->passed);
	free(reader);
}

static void remove_acknowledged(struct spool_reader *reader)
{
	size_t done = 0;

	while (done < reader->passed_count && reader->passed[done].last_seq <= reader->acknowledged) {
		char name[SEGMENT_NAME_SIZE];

		segment_name(reader->passed[done++].number, name);
		unlinkat(reader->folder, name, 0);
	}
	reader->passed_count -= done;
	if (done)
		memmove(reader->passed, reader->passed + done, reader->passed_count * sizeof(*reader->passed));
}

/* What a crash cut off at a segment's end, or a disk damaged, is given up: say so. */
static void tell_unread(const struct spool_reader *reader)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat st;

	segment_name(reader->number, name);
	if (!fstat(reader->fd, &st) && st.st_size > reader->offset)
		log_warning("spool: the last %lld bytes of %s are no whole record and are passed over",
			    (long long)(st.st_size - reader->offset), name);
}

/* Goes on to the segment `number`. */
static int advance(struct spool_reader *reader, int64_t number, struct drover_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int fd;

	segment_name(number, name);
	fd = openat(reader->folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open a spool's %s: %s", name, strerror(errno));
	if (reader->fd >= 0) {
		tell_unread(reader);
		close(reader->fd);
		reader->passed = xrealloc(reader->passed, (reader->passed_count + 1) * sizeof(*reader->passed));
		reader->passed[reader->passed_count++] =
			(struct passed){ .number = reader->number, .last_seq = reader->last_seq };
		remove_acknowledged(reader);
	}
	reader->fd = fd;
	reader->number = number;
	reader->offset = 0;
	return 0;
}

/* Reads up to `want` bytes at the reader's place into the chunk. */
static int fill(struct spool_reader *reader, size_t want, struct drover_error *err)
{
	struct buf *chunk = &reader->chunk;

	if (chunk->room > 2 * CHUNK && want <= CHUNK)
		buf_dispose(chunk);
	chunk->size = 0;
	buf_reserve(chunk, want);
	while (chunk->size < want) {
		ssize_t n = pread(reader->fd, chunk->data + chunk->size, want - chunk->size,
				  reader->offset + (off_t)chunk->size);

		if (n == 0)
			break;
		if (n > 0)
			chunk->size += (size_t)n;
		else if (errno != EINTR)
			return drover_error_set(err, DROVER_EFAULT, "cannot read a spool: %s", strerror(errno));
	}
	return 0;
}

/* Gives out what the chunk has; records that were given or acknowledged before are passed over. */
static size_t take(struct spool_reader *reader, struct spool_record *records, size_t room, size_t *needs)
{
	size_t at = 0, count = 0, used;
	struct record record;

	while (count < room &&
	       (used = record_parse(reader->chunk.data + at, reader->chunk.size - at, &record, needs))) {
		at += used;
		if (record.seq <= reader->last_seq)
			continue;
		reader->last_seq = record.seq;
		records[count++] = (struct spool_record){ .seq = record.seq, .data = record.data, .size = record.size };
	}
	reader->offset += (off_t)at;
	return count;
}

/* What the present segment has at the reader's place; 0 only at its end. */
static int read_segment(struct spool_reader *reader, struct spool_record *records, size_t room,
			struct drover_error *err)
{
	size_t want = CHUNK, needs = 0, count;
	bool old_records, larger;
	off_t before;
	int code;

	do {
		before = reader->offset;
		code = fill(reader, want, err);
		if (code)
			return code;
		count = take(reader, records, room, &needs);
		old_records = reader->offset > before;
		larger = needs > want && reader->chunk.size == want;
		want = larger ? needs : CHUNK;
	} while (!count && (old_records || larger));
	return (int)count;
}

int spool_read(struct spool_reader *reader, struct spool_record *records, size_t room, struct drover_error *err)
{
	int64_t later;
	int count, code;

	for (;;) {
		count = reader->fd >= 0 ? read_segment(reader, records, room, err) : 0;
		if (count)
			return count;
		later = segment_after(reader->folder, reader->number);
		if (!later)
			return 0;
		/* Once more: the writer may have added to this one before it began the later. */
		count = reader->fd >= 0 ? read_segment(reader, records, room, err) : 0;
		if (count)
			return count;
		code = advance(reader, later, err);
		if (code)
			return code;
	}
}

int spool_acknowledge(struct spool_reader *reader, int64_t seq, struct drover_error *err)
{
	int code;

	if (seq <= reader->acknowledged)
		return 0;
	code = ack_write(reader->folder, seq, err);
	if (code)
		return code;
	reader->acknowledged = seq;
	remove_acknowledged(reader);
	return 0;
}
