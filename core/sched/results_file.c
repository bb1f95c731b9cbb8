/* results_file.c - see results_file.h. */
#include "sched/results_file.h"

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

#include "proc/messages.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define MAGIC "drover results\n"
#define WAITING ".results"
#define ASIDE ".unusable"
/* What stands before a result in its frame. */
#define PREFIX_MAX 64 /* bytes */

struct head {
	char magic[16]; /* with its NUL */
	uint32_t version;
	uint32_t count;
	uint64_t size; /* of what follows */
	uint32_t crc;  /* of that, of the three numbers before and, from version 2 on, of the one behind */
	uint32_t ends; /* of units; version 1 has none */
};

/* ------------------------------------------------------------------------------------ the folder */

int results_file_folder(const char *path, struct drover_error *err)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		return drover_error_set(err, DROVER_EFAULT, "cannot make %s: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot open %s: %s", path, strerror(errno));
	return fd;
}

static void name_of(int64_t number, const char *suffix, char name[RESULTS_FILE_NAME_SIZE])
{
	snprintf(name, RESULTS_FILE_NAME_SIZE, "%012" PRId64 "%s", number, suffix);
}

void results_file_name(int64_t number, char name[RESULTS_FILE_NAME_SIZE])
{
	name_of(number, WAITING, name);
}

/* 0: the name is no such file's. */
static int64_t parse_name(const char *name, bool aside)
{
	char *end;
	int64_t number;

	if (name[0] < '0' || name[0] > '9')
		return 0;
	number = strtoll(name, &end, 10);
	return !strcmp(end, WAITING) || (aside && !strcmp(end, ASIDE)) ? number : 0;
}

/* What a name is: a file that waits, one that was set aside, or none of these. */
static void count_file(int folder, const char *name, struct results_usage *usage)
{
	struct stat st;

	if (!parse_name(name, true) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW))
		return;
	if (parse_name(name, false)) {
		usage->files++;
		usage->bytes += st.st_blocks * 512;
	} else {
		usage->unusable_files++;
		usage->unusable_bytes += st.st_blocks * 512;
	}
}

int results_file_usage(const char *path, struct results_usage *usage, struct drover_error *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	*usage = (struct results_usage){ .files = 0 };
	if (!dir && errno == ENOENT)
		return 0;
	if (!dir)
		return drover_error_set(err, errno == EACCES ? DROVER_EDENIED : DROVER_EFAULT, "cannot read %s: %s",
					path, strerror(errno));
	while ((entry = readdir(dir)))
		count_file(dirfd(dir), entry->d_name, usage);
	closedir(dir);
	return 0;
}

/* The best number above `after`: the lowest, or the highest. */
static int64_t find_number(int folder, int64_t after, bool aside, bool highest)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int64_t best = 0, number;
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir))) {
		number = parse_name(entry->d_name, aside);
		if (number > after && (!best || (highest ? number > best : number < best)))
			best = number;
	}
	closedir(dir);
	return best;
}

int64_t results_file_next(int folder, int64_t after)
{
	return find_number(folder, after, false, false);
}

int64_t results_file_highest(int folder)
{
	return find_number(folder, 0, true, true);
}

void results_file_remove(int folder, int64_t number)
{
	char name[RESULTS_FILE_NAME_SIZE];

	name_of(number, WAITING, name);
	if (unlinkat(folder, name, 0) && errno != ENOENT)
		log_warning("cannot remove the stored results' file %s: %m", name);
}

void results_file_set_aside(int folder, int64_t number, const char *why)
{
	char from[RESULTS_FILE_NAME_SIZE], to[RESULTS_FILE_NAME_SIZE];

	name_of(number, WAITING, from);
	name_of(number, ASIDE, to);
	if (renameat(folder, from, folder, to))
		log_error("the results in %s are not stored: %s; it cannot be renamed: %m", from, why);
	else
		log_error("the results in %s are not stored: %s; it is kept as %s", from, why, to);
}

/* -------------------------------------------------------------------------------------- writing */

static uint32_t checksum(const struct head *head, const char *bytes)
{
	uLong crc = crc32_z(0, (const Bytef *)&head->version, offsetof(struct head, crc) - sizeof(head->magic));

	if (head->version > 1)
		crc = crc32_z(crc, (const Bytef *)&head->ends, sizeof(head->ends));
	return (uint32_t)crc32_z(crc, (const Bytef *)bytes, head->size);
}

static void put_result(struct buf *b, const struct drover_result *r, int64_t ended_at)
{
	size_t place = wire_begin(b, WIRE_RESULT, 0);

	wire_put_i64(b, r->task_key);
	wire_put_i64(b, r->unit);
	wire_put_i64(b, r->incarnation);
	wire_put_i64(b, r->attempt);
	wire_put_i64(b, r->index);
	wire_put_i64(b, ended_at);
	message_put_result(b, 0, r->status, &r->report);
	wire_finish(b, place);
}

static void put_end(struct buf *b, const struct results_end *ended)
{
	const struct drover_unit_end *end = &ended->end;
	size_t place = wire_begin(b, WIRE_ENDED, 0);

	wire_put_i64(b, end->task_key);
	wire_put_i64(b, end->unit);
	wire_put_i64(b, end->incarnation);
	wire_put_i64(b, end->attempt);
	wire_put_i64(b, ended->ended_at);
	wire_put_u32(b, end->begun);
	wire_put_u32(b, end->rest);
	wire_put_u32(b, end->phase);
	wire_put_u32(b, end->remote);
	wire_put_i64(b, end->max_attempts);
	wire_put_u32(b, end->excused);
	wire_put_string(b, end->message);
	wire_finish(b, place);
}

static void encode(struct buf *b, const struct results_content *content)
{
	struct head head = { .magic = MAGIC,
			     .version = content->end_count ? RESULTS_FILE_VERSION : 1,
			     .count = (uint32_t)content->count,
			     .ends = (uint32_t)content->end_count };

	buf_append(b, &head, sizeof(head));
	for (size_t i = 0; i < content->count; i++)
		put_result(b, &content->results[i], content->ended_at[i]);
	for (size_t i = 0; i < content->end_count; i++)
		put_end(b, &content->ends[i]);
	head.size = b->size - sizeof(head);
	head.crc = checksum(&head, b->data + sizeof(head));
	memcpy(b->data, &head, sizeof(head));
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		data += n;
		size -= (size_t)n;
	}
	return fsync(fd) ? errno : 0;
}

int results_file_write(int folder, int64_t number, const struct results_content *content, int64_t *size,
		       struct drover_error *err)
{
	char name[RESULTS_FILE_NAME_SIZE];
	struct buf b = BUF_INIT;
	int fd, cause;

	name_of(number, WAITING, name);
	fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	cause = fd < 0 ? errno : 0;
	if (!cause) {
		encode(&b, content);
		cause = write_all(fd, b.data, b.size);
		*size = (int64_t)b.size;
		close(fd);
		if (!cause && fsync(folder))
			cause = errno;
		if (cause)
			unlinkat(folder, name, 0);
	}
	buf_dispose(&b);
	if (!cause)
		return 0;
	return drover_error_set(err, cause == ENOSPC || cause == EDQUOT ? DROVER_ELIMIT : DROVER_EFAULT,
				"cannot write %s: %s", name, strerror(cause));
}

/* -------------------------------------------------------------------------------------- reading */

static int read_all(int folder, const char *name, struct buf *b, struct drover_error *err)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = 0;

	if (fd >= 0 && !fstat(fd, &st)) {
		buf_reserve(b, (size_t)st.st_size + 1);
		while ((n = read(fd, b->data + b->size, b->room - b->size - 1)) > 0 || (n < 0 && errno == EINTR))
			b->size += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		drover_error_set(err, DROVER_EFAULT, "cannot read %s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return fd < 0 || n < 0 ? DROVER_EFAULT : 0;
}

static bool decode_one(struct wire_reader *r, int64_t now, struct drover_result *result)
{
	size_t position;
	int64_t attempt, ended_at;

	memset(result, 0, sizeof(*result));
	result->task_key = wire_get_i64(r);
	result->unit = wire_get_i64(r);
	result->incarnation = wire_get_i64(r);
	attempt = wire_get_i64(r);
	result->index = wire_get_i64(r);
	ended_at = wire_get_i64(r);
	result->age = ended_at < now ? now - ended_at : 0;
	result->attempt = (int)attempt;
	if (attempt != result->attempt || !message_get_result(r, &position, &result->status, &result->report))
		return false;
	if (!result->report.out_size) /* else it would be a string */
		result->report.out = NULL;
	if (!result->report.err_size)
		result->report.err = NULL;
	return true;
}

static bool decode_end(struct wire_reader *r, int64_t now, struct drover_unit_end *end)
{
	int64_t attempt, ended_at, max_attempts;

	memset(end, 0, sizeof(*end));
	end->task_key = wire_get_i64(r);
	end->unit = wire_get_i64(r);
	end->incarnation = wire_get_i64(r);
	attempt = wire_get_i64(r);
	ended_at = wire_get_i64(r);
	end->begun = (enum drover_status)wire_get_u32(r);
	end->rest = (enum drover_status)wire_get_u32(r);
	end->phase = (enum drover_phase)wire_get_u32(r);
	end->remote = (enum drover_remote)wire_get_u32(r);
	max_attempts = wire_get_i64(r);
	end->excused = wire_get_u32(r) != 0;
	end->message = wire_get_string(r);
	end->age = ended_at < now ? now - ended_at : 0;
	end->attempt = (int)attempt;
	end->max_attempts = (int)max_attempts;
	return wire_get_end(r) && attempt == end->attempt && max_attempts == end->max_attempts &&
	       end->begun < DROVER_STATUS_COUNT && end->rest < DROVER_STATUS_COUNT && end->phase < DROVER_PHASE_COUNT &&
	       end->remote < DROVER_REMOTE_COUNT;
}

static bool decode_all(const char *at, size_t size, struct results_file *file)
{
	struct wire_header header;
	struct wire_reader reader;
	int64_t now = clock_utc_ms();
	size_t used;

	for (size_t i = 0; i < file->count + file->end_count; i++) {
		bool is_end = i >= file->count;

		if (wire_next(at, size, WIRE_PAYLOAD_MAX + PREFIX_MAX, &header, &reader, &used) <= 0 ||
		    header.type != (is_end ? WIRE_ENDED : WIRE_RESULT))
			return false;
		if (!(is_end ? decode_end(&reader, now, &file->ends[i - file->count])
			     : decode_one(&reader, now, &file->results[i])))
			return false;
		at += used;
		size -= used;
	}
	return !size;
}

/* NULL: its bytes are what was written. */
static const char *find_damage(const struct buf *b, struct head *head)
{
	if (b->size < sizeof(*head))
		return "it is torn";
	memcpy(head, b->data, sizeof(*head));
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) != 0)
		return "it holds no results";
	if (!head->version || head->version > RESULTS_FILE_VERSION)
		return "it was written by another version of Drover";
	if (b->size - sizeof(*head) < head->size)
		return "it is torn";
	if ((head->version == 1 && head->ends) || b->size - sizeof(*head) > head->size ||
	    checksum(head, b->data + sizeof(*head)) != head->crc ||
	    (uint64_t)head->count + head->ends > head->size / sizeof(struct wire_header))
		return "it is damaged";
	return NULL;
}

int results_file_read(int folder, int64_t number, struct results_file *file, struct drover_error *err)
{
	char name[RESULTS_FILE_NAME_SIZE];
	struct buf b = BUF_INIT;
	const char *damage;
	struct head head;
	int code;

	*file = (struct results_file){ .results = NULL };
	name_of(number, WAITING, name);
	code = read_all(folder, name, &b, err);
	damage = code ? NULL : find_damage(&b, &head);
	if (!code && !damage) {
		file->results = xcalloc(head.count, sizeof(*file->results));
		file->count = head.count;
		file->ends = xcalloc(head.ends, sizeof(*file->ends));
		file->end_count = head.ends;
		if (!decode_all(b.data + sizeof(head), head.size, file))
			damage = "its results cannot be read";
	}
	if (damage)
		code = drover_error_set(err, DROVER_EINVALID, "%s", damage);
	if (code) {
		buf_dispose(&b);
		results_file_dispose(file);
		return code;
	}
	file->bytes = buf_take(&b);
	return 0;
}

void results_file_dispose(struct results_file *file)
{
	free(file->results);
	free(file->ends);
	free(file->bytes);
	*file = (struct results_file){ .results = NULL };
}
