/* segment.c - see segment.h. */
#include "spool/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <drover/error.h>

#define ACK "ack"
#define ACK_NEW "ack.new"

int segment_folder(const char *path, struct drover_error *err)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		return drover_error_set(err, DROVER_EFAULT, "cannot make the spool %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open the spool %s: %s", path, strerror(errno));
	return fd;
}

void segment_name(int64_t number, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%012" PRId64 ".seg", number);
}

/* 0: the name is not a segment's. */
static int64_t parse_name(const char *name)
{
	char *end;
	int64_t number;

	if (name[0] < '0' || name[0] > '9')
		return 0;
	number = strtoll(name, &end, 10);
	return end - name >= 12 && !strcmp(end, ".seg") ? number : 0;
}

/* Calls `visit` with each segment; nothing is promised about their order. */
static void each_segment(int folder, void (*visit)(int folder, const char *name, int64_t number, int64_t *result),
			 int64_t *result)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		int64_t number = parse_name(entry->d_name);

		if (number)
			visit(folder, entry->d_name, number, result);
	}
	closedir(dir);
}

/* result[0] is the limit, result[1] the lowest above it so far. */
static void take_lower(int folder, const char *name, int64_t number, int64_t *result)
{
	(void)folder;
	(void)name;
	if (number > result[0] && (!result[1] || number < result[1]))
		result[1] = number;
}

int64_t segment_after(int folder, int64_t after)
{
	int64_t result[2] = { after, 0 };

	each_segment(folder, take_lower, result);
	return result[1];
}

static void take_higher(int folder, const char *name, int64_t number, int64_t *result)
{
	(void)folder;
	(void)name;
	if (number > *result)
		*result = number;
}

int64_t segment_highest(int folder)
{
	int64_t highest = 0;

	each_segment(folder, take_higher, &highest);
	return highest;
}

static void add_size(int folder, const char *name, int64_t number, int64_t *result)
{
	struct stat st;

	(void)number;
	if (!fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		*result += st.st_size;
}

int64_t segment_total(int folder)
{
	int64_t total = 0;

	each_segment(folder, add_size, &total);
	return total;
}

/* ------------------------------------------------------------------------------------- records */

static uint32_t checksum(int64_t seq, const void *data, size_t size)
{
	uLong crc = crc32(0, (const Bytef *)&seq, sizeof(seq));

	return (uint32_t)crc32(crc, data, (uInt)size);
}

void record_head_fill(struct record_head *head, int64_t seq, const void *data, size_t size)
{
	*head = (struct record_head){ .size = (uint32_t)size, .seq = seq, .crc = checksum(seq, data, size) };
}

size_t record_parse(const char *data, size_t size, struct record *record, size_t *needs)
{
	struct record_head head;

	*needs = sizeof(head);
	if (size < sizeof(head))
		return 0;
	memcpy(&head, data, sizeof(head));
	*needs = head.size <= RECORD_MAX && head.seq > 0 ? sizeof(head) + head.size : 0;
	if (!*needs || size < *needs)
		return 0;
	*record = (struct record){ .seq = head.seq, .data = data + sizeof(head), .size = head.size };
	if (checksum(head.seq, record->data, record->size) != head.crc) {
		*needs = 0;
		return 0;
	}
	return sizeof(head) + head.size;
}

/* --------------------------------------------------------------------------- the acknowledgement */

int64_t ack_read(int folder)
{
	int fd = openat(folder, ACK, O_RDONLY | O_CLOEXEC);
	char text[32];
	ssize_t size;

	if (fd < 0)
		return 0;
	size = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (size <= 0)
		return 0;
	text[size] = '\0';
	return strtoll(text, NULL, 10);
}

int ack_write(int folder, int64_t seq, struct drover_error *err)
{
	int fd = openat(folder, ACK_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int size = -1, cause;

	if (fd >= 0) {
		size = dprintf(fd, "%" PRId64 "\n", seq);
		cause = errno;
		close(fd);
		errno = cause;
	}
	if (size < 0 || renameat(folder, ACK_NEW, folder, ACK)) {
		int code = errno == ENOSPC || errno == EDQUOT ? DROVER_ERETRY : DROVER_EFAULT;

		return drover_error_set(err, code, "cannot write a spool's acknowledgement: %s", strerror(errno));
	}
	return 0;
}
