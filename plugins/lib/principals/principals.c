/* principals.c - see principals.h. The file; a line of it is principal.c's. */
#define _GNU_SOURCE
#include "principals/principals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "principals/principal_line.h"

#define LOOK_EVERY 500 /* ms */
#define FILE_MAX (16 << 20)

static void forget(struct principals *p)
{
	for (size_t i = 0; i < p->count; i++)
		principal_dispose(&p->items[i]);
	free(p->items);
	p->items = NULL;
	p->count = 0;
}

/* Of two lines with the same id the first in the file comes first. */
static int by_id(const void *a, const void *b)
{
	const struct principal *one = a, *other = b;
	int order = strcmp(one->id, other->id);

	return order ? order : one->line - other->line;
}

static int compare_id(const void *id, const void *principal)
{
	return strcmp(id, ((const struct principal *)principal)->id);
}

static int add_line(struct principals *p, int number, const char *line, size_t size, struct drover_error *err)
{
	struct principal *items = reallocarray(p->items, p->count + 1, sizeof(*items));
	const char *wrong;

	if (!items)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	p->items = items;
	items[p->count] = (struct principal){ .role = DROVER_ROLE_NONE, .line = number };
	wrong = principal_line_read(p->kind, line, size, &items[p->count++]);
	return wrong ? drover_error_set(err, DROVER_EINVALID, "%s:%d: %s", p->path, number, wrong) : 0;
}

static int parse(struct principals *p, const char *data, size_t size, struct drover_error *err)
{
	int number = 1, code = 0;

	for (size_t at = 0; at < size && !code; number++) {
		const char *end = memchr(data + at, '\n', size - at);
		size_t length = end ? (size_t)(end - data) - at : size - at;

		if (length)
			code = add_line(p, number, data + at, length, err);
		at += length + 1;
	}
	if (code || !p->count)
		return code;
	qsort(p->items, p->count, sizeof(*p->items), by_id);
	for (size_t i = 1; i < p->count; i++)
		if (!strcmp(p->items[i - 1].id, p->items[i].id))
			return drover_error_set(
				err, DROVER_EINVALID, "%s:%d: the %s %s is there twice, first in line %d", p->path,
				p->items[i].line, p->kind->id_noun, p->items[i].id, p->items[i - 1].line);
	return 0;
}

static int check_file(const struct principals *p, const struct stat *st, struct drover_error *err)
{
	if (!S_ISREG(st->st_mode))
		return drover_error_set(err, DROVER_EINVALID, "%s is no ordinary file", p->path);
	if (p->kind->secret && st->st_mode & 077)
		return drover_error_set(err, DROVER_EINVALID, "%s has mode %04o, others can get at it: chmod 600",
					p->path, (unsigned)(st->st_mode & 07777));
	if (st->st_mode & 022)
		return drover_error_set(err, DROVER_EINVALID, "%s may be written by others (mode %04o): chmod go-w it",
					p->path, (unsigned)(st->st_mode & 07777));
	if (st->st_uid && st->st_uid != geteuid())
		return drover_error_set(err, DROVER_EINVALID,
					"%s belongs to uid %u, not to this process's user or root", p->path,
					(unsigned)st->st_uid);
	if (st->st_size > FILE_MAX)
		return drover_error_set(err, DROVER_EINVALID, "%s is larger than %d bytes", p->path, FILE_MAX);
	return 0;
}

static int read_all(const char *path, int fd, char *data, size_t size, struct drover_error *err)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, data + got, size - got);

		if (n <= 0)
			return drover_error_set(err, DROVER_EINVALID, "cannot read %s: %s", path,
						n ? strerror(errno) : "it became shorter");
		got += (size_t)n;
	}
	return 0;
}

/* After an error the principals are those from before. Its look is kept in any case. */
static int read_file(struct principals *p, struct drover_error *err)
{
	struct principals fresh = { .kind = p->kind, .path = p->path };
	int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), code;
	char *data = NULL;
	struct stat st;

	if (fd < 0 || fstat(fd, &st)) {
		code = drover_error_set(err, DROVER_EINVALID, "cannot read the %s in %s: %s", p->kind->noun, p->path,
					strerror(errno));
		goto out;
	}
	p->look = file_look_of(&st);
	code = check_file(p, &st, err);
	if (code)
		goto out;
	data = malloc((size_t)st.st_size + 1);
	code = data ? read_all(p->path, fd, data, (size_t)st.st_size, err)
		    : drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	if (!code)
		code = parse(&fresh, data, (size_t)st.st_size, err);
	if (code) {
		forget(&fresh);
		goto out;
	}
	forget(p);
	p->items = fresh.items;
	p->count = fresh.count;
out:
	free(data);
	if (fd >= 0)
		close(fd);
	return code;
}

int principals_open(struct principals *p, const struct principals_kind *kind, const char *path,
		    struct drover_error *err)
{
	int code;

	*p = (struct principals){ .kind = kind };
	if (sodium_init() < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot set up libsodium");
	p->path = strdup(path);
	code = p->path ? read_file(p, err) : drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	if (code)
		principals_close(p);
	return code;
}

void principals_close(struct principals *p)
{
	forget(p);
	free(p->path);
	p->path = NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void principals_refresh(struct principals *p)
{
	struct drover_error err = { 0 };
	struct file_look look;

	if (now_ms() < p->next_look)
		return;
	p->next_look = now_ms() + LOOK_EVERY;
	look = file_look_at(p->path);
	if (file_look_equal(&look, &p->look))
		return;
	/* Kept also where it cannot even be opened, so that this is logged once. */
	p->look = look;
	if (read_file(p, &err))
		drover_log(DROVER_LOG_ERROR, "the %s that were read before stay in force: %s", p->kind->noun,
			   err.message);
	else
		drover_log(DROVER_LOG_INFO, "%s was read again: %zu %s", p->path, p->count, p->kind->noun);
}

const struct principal *principals_find(const struct principals *p, const char *id)
{
	return p->count ? bsearch(id, p->items, p->count, sizeof(*p->items), compare_id) : NULL;
}
