/* writer.c - the appending half of spool.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <drover/error.h>

#include "spool/segment.h"
#include "spool/spool.h"
#include "util/buf.h"

/* So much waits in memory before it goes to the file by itself. */
#define BUFFER_MAX (256u << 10)
/* A buffer that a large record blew up is given back. */
#define BUFFER_KEPT (1u << 20)

struct spool_writer {
	int folder;
	int fd;
	int64_t number;  /* of the segment in `fd` */
	int64_t written; /* bytes in it */
	int64_t total;   /* bytes in all segments as far as known; the reader makes it less */
	int64_t limit, segment;
	int64_t last_seq;
	bool durable; /* segments are on the disk before they are left */
	struct buf waiting;
	char *path; /* owned */
};

/* A segment is never continued: what an earlier writer left there may end in a cut record. */
static int next_segment(struct spool_writer *writer, struct drover_error *err)
{
	char name[SEGMENT_NAME_SIZE];
	int fd;

	segment_name(writer->number + 1, name);
	fd = openat(writer->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return drover_error_set(err, errno == ENOSPC || errno == EDQUOT ? DROVER_ELIMIT : DROVER_EFAULT,
					"cannot make %s/%s: %s", writer->path, name, strerror(errno));
	if (writer->durable && ((writer->fd >= 0 && fdatasync(writer->fd)) || fsync(writer->folder))) {
		drover_error_set(err, DROVER_EFAULT, "cannot sync %s: %s", writer->path, strerror(errno));
		close(fd);
		unlinkat(writer->folder, name, 0);
		return DROVER_EFAULT;
	}
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = fd;
	writer->number++;
	writer->written = 0;
	return 0;
}

/* The last whole record of a segment, 0: none. */
static int64_t last_in_segment(int folder, int64_t number)
{
	char name[SEGMENT_NAME_SIZE];
	struct buf data = BUF_INIT;
	struct record record = { .seq = 0 };
	size_t used, needs, at = 0;
	struct stat st;
	ssize_t got;
	int fd;

	segment_name(number, name);
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		goto out;
	buf_reserve(&data, (size_t)st.st_size);
	while (data.size < (size_t)st.st_size) {
		got = read(fd, data.data + data.size, (size_t)st.st_size - data.size);
		if (got <= 0)
			break;
		data.size += (size_t)got;
	}
	while (at < data.size && (used = record_parse(data.data + at, data.size - at, &record, &needs)))
		at += used;
out:
	if (fd >= 0)
		close(fd);
	buf_dispose(&data);
	return record.seq;
}

static int64_t find_last_seq(int folder)
{
	int64_t last = ack_read(folder);

	for (int64_t number = segment_highest(folder); number > 0; number--) {
		int64_t seq = last_in_segment(folder, number);

		if (seq)
			return seq > last ? seq : last;
		/* Numbers have no gaps but at the beginning. */
		if (segment_after(folder, 0) >= number)
			break;
	}
	return last;
}

char *spool_folder(const char *state_dir, const char *sink, bool audit)
{
	struct buf folder = BUF_INIT;

	buf_printf(&folder, "%s/spool", state_dir);
	mkdir(folder.data, 0700);
	buf_printf(&folder, "/%s%s", sink, audit ? ".audit" : "");
	return buf_take(&folder);
}

int spool_writer_open(const char *folder, int64_t limit, int64_t segment, struct spool_writer **writer,
		      struct drover_error *err)
{
	struct spool_writer *self;
	int fd = segment_folder(folder, err), code;

	if (fd < 0)
		return fd;
	self = xcalloc(1, sizeof(*self));
	self->folder = fd;
	self->fd = -1;
	self->limit = limit;
	self->segment = segment;
	self->path = xstrdup(folder);
	self->number = segment_highest(fd);
	self->last_seq = find_last_seq(fd);
	self->total = segment_total(fd);
	code = next_segment(self, err);
	if (code) {
		spool_writer_close(self);
		return code;
	}
	*writer = self;
	return 0;
}

void spool_writer_close(struct spool_writer *writer)
{
	if (!writer)
		return;
	if (writer->fd >= 0) {
		spool_flush(writer, NULL);
		close(writer->fd);
	}
	close(writer->folder);
	buf_dispose(&writer->waiting);
	free(writer->path);
	free(writer);
}

/* Is there room? What the reader has removed meanwhile counts. */
static int make_room(struct spool_writer *writer, int64_t size, struct drover_error *err)
{
	int code;

	if (writer->total + size <= writer->limit)
		return 0;
	/* The reader cannot remove the segment that is being written: begin another, so that it can. */
	if (writer->written + (int64_t)writer->waiting.size > 0) {
		code = spool_flush(writer, err);
		if (!code)
			code = next_segment(writer, err);
		if (code)
			return code;
	}
	writer->total = segment_total(writer->folder);
	if (writer->total + size > writer->limit)
		return drover_error_set(err, DROVER_ELIMIT, "the spool %s is full: %" PRId64 " bytes", writer->path,
					writer->limit);
	return 0;
}

int spool_append(struct spool_writer *writer, int64_t seq, const void *data, size_t size, struct drover_error *err)
{
	struct record_head head;
	int64_t whole = (int64_t)(sizeof(head) + size);
	int code;

	if (seq <= writer->last_seq || size > RECORD_MAX)
		return drover_error_set(err, DROVER_EINVALID,
					"cannot append record %" PRId64 " of %zu bytes to %s after record %" PRId64,
					seq, size, writer->path, writer->last_seq);
	code = make_room(writer, whole, err);
	if (code)
		return code;
	if (writer->written + (int64_t)writer->waiting.size >= writer->segment) {
		code = spool_flush(writer, err);
		if (!code)
			code = next_segment(writer, err);
		if (code)
			return code;
	}
	record_head_fill(&head, seq, data, size);
	buf_append(&writer->waiting, &head, sizeof(head));
	buf_append(&writer->waiting, data, size);
	writer->total += whole;
	writer->last_seq = seq;
	/* It is taken whatever becomes of this write: a later flush tries again. */
	if (writer->waiting.size >= BUFFER_MAX)
		spool_flush(writer, NULL);
	return 0;
}

/* Undoes a write that did not go through, so that no cut record hides those after it. */
static void cut_back(struct spool_writer *writer)
{
	if (ftruncate(writer->fd, writer->written)) {
		close(writer->fd);
		writer->fd = -1;
	}
}

int spool_flush(struct spool_writer *writer, struct drover_error *err)
{
	size_t done = 0;
	int code;

	if (!writer->waiting.size)
		return 0;
	if (writer->fd < 0) {
		code = next_segment(writer, err);
		if (code)
			return code;
	}
	while (done < writer->waiting.size) {
		ssize_t n = write(writer->fd, writer->waiting.data + done, writer->waiting.size - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (errno != EINTR) {
			int cause = n < 0 ? errno : EIO;

			cut_back(writer);
			return drover_error_set(err, cause == ENOSPC || cause == EDQUOT ? DROVER_ELIMIT : DROVER_EFAULT,
						"cannot write to the spool %s: %s", writer->path, strerror(cause));
		}
	}
	writer->written += (int64_t)done;
	if (writer->waiting.room > BUFFER_KEPT)
		buf_dispose(&writer->waiting);
	writer->waiting.size = 0;
	return 0;
}

int spool_file(const struct spool_writer *writer)
{
	return writer->fd < 0 ? -1 : fcntl(writer->fd, F_DUPFD_CLOEXEC, 0);
}

int spool_durable(struct spool_writer *writer, struct drover_error *err)
{
	writer->durable = true;
	if (fsync(writer->folder))
		return drover_error_set(err, DROVER_EFAULT, "cannot sync %s: %s", writer->path, strerror(errno));
	return 0;
}

int64_t spool_last_seq(const struct spool_writer *writer)
{
	return writer->last_seq;
}

int64_t spool_bytes(const char *path)
{
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t total = 0;

	if (folder >= 0) {
		total = segment_total(folder);
		close(folder);
	}
	return total;
}
