/*
 * file.c - a sink that appends each event to a file as a line of JSON, and rotates it by size.
 *
 * Whether a batch has reached the disk is never in doubt: one that did not go through is cut off
 * again and asked for later, so a reader sees no half line and, but for a crash, no line twice.
 */
#define _GNU_SOURCE /* memrchr */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <drover/sink.h>

#include "chain.h"

/* Lines a writev(2): two pieces each. */
#define LINES (IOV_MAX / 2)

struct file {
	char *path;
	char *mode;
	int64_t rotate_size;
	int64_t keep;
	bool sync;
	bool chained;
	/* Not options. */
	int fd; /* valid from open to close */
	int64_t size;
	struct chain chain; /* where `chained` is set */
};

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct file, path, NULL, "file that the events are appended to", .flags = DROVER_REQUIRED),
	DROVER_OPT_SIZE(struct file, rotate_size, "100M", "0", NULL, "rotate the file beyond this size; 0: never"),
	DROVER_OPT_INT(struct file, keep, "5", "0", "1000", "rotated files to keep, PATH.1 being the newest"),
	DROVER_OPT_STRING(struct file, mode, "0640", "permissions of a new file, in octal"),
	DROVER_OPT_BOOL(struct file, sync, "true", "wait for the disk after each batch"),
	{ .name = "chain",
	  .type = DROVER_TYPE_BOOL,
	  .offset = offsetof(struct file, chained),
	  .initial = "false",
	  .help = "each line names the one before it by its hash: `drover audit verify FILE`" },
	DROVER_OPT_END
};

/* 0 for what is no mode. */
static mode_t parse_mode(const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	return *end || end == text || mode > 0777 ? 0 : (mode_t)mode;
}

static int check(const void *self, struct drover_error *err)
{
	const struct file *file = self;

	if (file->path[0] != '/')
		return drover_error_set(err, DROVER_EINVALID, "path: \"%s\" does not begin with /", file->path);
	if (!(parse_mode(file->mode) & 0200))
		return drover_error_set(err, DROVER_EINVALID, "mode: \"%s\" is no octal mode that lets the owner write",
					file->mode);
	if (file->chained && file->rotate_size && !file->keep)
		return drover_error_set(err, DROVER_EINVALID,
					"keep: a chain whose file is emptied proves nothing; keep at least 1, or "
					"rotate_size: 0");
	return 0;
}

/* A last line without its end was cut by a crash: its event comes again, so it is removed. */
static int cut_half_line(struct file *file, struct drover_error *err)
{
	char bytes[4096];
	int64_t at = file->size;

	while (at > 0) {
		size_t want = at < (int64_t)sizeof(bytes) ? (size_t)at : sizeof(bytes);
		ssize_t got = pread(file->fd, bytes, want, at - (int64_t)want);
		const char *end;

		if (got != (ssize_t)want)
			return drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", file->path,
						got < 0 ? strerror(errno) : "it became shorter");
		end = memrchr(bytes, '\n', want);
		if (end) {
			at = at - (int64_t)want + (end - bytes) + 1;
			break;
		}
		at -= (int64_t)want;
	}
	if (at == file->size)
		return 0;
	if (ftruncate(file->fd, at))
		return drover_error_set(err, DROVER_EFAULT, "cannot cut %s: %s", file->path, strerror(errno));
	file->size = at;
	return 0;
}

/* So that a file that was just made survives a power failure, and not only what is in it. */
static void sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	*(strrchr(folder, '/') + 1) = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		drover_log(DROVER_LOG_WARNING, "cannot sync %s: %s", folder, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static int open_file(struct file *file, struct drover_error *err)
{
	struct stat st;
	int fd = open(file->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, parse_mode(file->mode));

	if (fd < 0 || fstat(fd, &st)) {
		int cause = errno;

		if (fd >= 0)
			close(fd);
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", file->path, strerror(cause));
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return drover_error_set(err, DROVER_EINVALID, "%s is no ordinary file", file->path);
	}
	if (file->fd >= 0)
		close(file->fd);
	file->fd = fd;
	file->size = st.st_size;
	if (file->sync && !file->size)
		sync_folder(file->path);
	return cut_half_line(file, err);
}

static void file_close(void *self)
{
	struct file *file = self;

	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
	chain_close(&file->chain);
}

static int file_open(void *self, struct drover_error *err)
{
	struct file *file = self;
	int code;

	file->fd = -1;
	file->chain.head = -1;
	code = open_file(file, err);
	if (!code && file->chained)
		code = chain_open(&file->chain, file->path, err);
	if (code)
		file_close(file);
	return code;
}

static int file_reopen(void *self, struct drover_error *err)
{
	return open_file(self, err);
}

/* PATH.1 becomes PATH.2 and so on; the oldest goes. An error leaves the file as it is, growing on. */
static int rotate(struct file *file, struct drover_error *err)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (!file->keep)
		return ftruncate(file->fd, 0) ? drover_error_set(err, DROVER_EFAULT, "cannot empty %s: %s", file->path,
								 strerror(errno))
					      : (file->size = 0, 0);
	for (int64_t i = file->keep; i > 0; i--) {
		snprintf(to, sizeof(to), "%s.%lld", file->path, (long long)i);
		if (i > 1)
			snprintf(from, sizeof(from), "%s.%lld", file->path, (long long)i - 1);
		else
			snprintf(from, sizeof(from), "%s", file->path);
		if (rename(from, to) && errno != ENOENT)
			return drover_error_set(err, DROVER_EFAULT, "cannot rename %s to %s: %s", from, to,
						strerror(errno));
	}
	return open_file(file, err);
}

/* All of the pieces, or -1; `pieces` is used up. */
static int write_all(int fd, struct iovec *pieces, int count)
{
	while (count) {
		ssize_t n = writev(fd, pieces, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n ? errno : EIO;
			return -1;
		}
		while (count && (size_t)n >= pieces->iov_len) {
			n -= (ssize_t)pieces->iov_len;
			pieces++;
			count--;
		}
		if (count) {
			pieces->iov_base = (char *)pieces->iov_base + n;
			pieces->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int append(struct file *file, const struct drover_event *events, size_t count, int64_t *size)
{
	struct iovec pieces[LINES * 2];

	for (size_t done = 0; done < count;) {
		size_t lines = count - done < LINES ? count - done : LINES;

		for (size_t i = 0; i < lines; i++) {
			const struct drover_event *event = &events[done + i];

			pieces[2 * i] = (struct iovec){ (void *)event->json, event->json_size };
			pieces[2 * i + 1] = (struct iovec){ "\n", 1 };
			*size += (int64_t)event->json_size + 1;
		}
		if (write_all(file->fd, pieces, (int)lines * 2))
			return -1;
		done += lines;
	}
	return file->sync ? fdatasync(file->fd) : 0;
}

static int append_chained(struct file *file, const struct drover_event *events, size_t count, int64_t *size)
{
	struct chain_place place = file->chain.place;
	struct iovec piece = { NULL, 0 };
	int rc = -1;
	char *lines = chain_lines(&place, events, count, &piece.iov_len);

	if (!lines)
		return -1;
	*size += (int64_t)piece.iov_len;
	piece.iov_base = lines;
	if (!piece.iov_len || !write_all(file->fd, &piece, 1))
		rc = file->sync ? fdatasync(file->fd) : 0;
	if (!rc)
		chain_moved(&file->chain, &place, file->sync);
	free(lines);
	return rc;
}

static int file_write(void *self, const struct drover_event *events, size_t count, struct drover_error *err)
{
	struct file *file = self;
	struct drover_error rotation = { .code = 0 };
	int64_t size = file->size;
	int cause;

	if (file->rotate_size && file->size >= file->rotate_size && rotate(file, &rotation))
		drover_log(DROVER_LOG_ERROR, "%s", rotation.message);
	size = file->size;
	if (!(file->chained ? append_chained : append)(file, events, count, &size)) {
		file->size = size;
		return 0;
	}
	cause = errno;
	if (ftruncate(file->fd, file->size))
		drover_log(DROVER_LOG_ERROR, "cannot cut %s back to its last whole batch: %s", file->path,
			   strerror(errno));
	return drover_error_set(err, DROVER_ERETRY, "cannot write to %s: %s", file->path, strerror(cause));
}

DROVER_SINK(.name = "file", .version = "1.0.0", .summary = "appends events to a file as lines of JSON",
	    .self_size = sizeof(struct file), .options = options, .check = check, .open = file_open,
	    .write = file_write, .reopen = file_reopen, .close = file_close);
