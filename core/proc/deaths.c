/* deaths.c - what the parts of this node have died of, kept in state_dir/deaths.json. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proc/control_io.h"
#include "proc/slice.h"
#include "proc/supervisor.h"
#include "util/buf.h"
#include "util/log.h"

#define FILE_MAX (1u << 20)

static char *file_name(const struct supervisor *s, const char *file)
{
	struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", s->state_dir, file);
	return buf_take(&path);
}

static struct json_object *read_all(struct supervisor *s)
{
	char *path = file_name(s, "deaths.json"), *text = NULL;
	struct json_object *all;
	size_t size;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd >= 0) {
		text = control_io_read_all(fd, FILE_MAX, &size);
		close(fd);
	}
	all = text ? json_tokener_parse(text) : NULL;
	if (!json_object_is_type(all, json_type_object)) {
		json_object_put(all);
		all = json_object_new_object();
	}
	free(text);
	free(path);
	return all;
}

void deaths_load(struct child *c)
{
	struct json_object *all = read_all(c->supervisor), *one = NULL;

	/* Not slice_get: a title may hold dots. */
	if (json_object_object_get_ex(all, c->title, &one) && json_object_is_type(one, json_type_object)) {
		c->restarts = slice_int(one, "restarts", 0);
		c->died_at = slice_int(one, "died_at", 0);
		snprintf(c->last_death, sizeof(c->last_death), "%s", slice_text(one, "last_death", ""));
	}
	json_object_put(all);
}

/* Replaced as a whole: a reader sees the old or the new. Not synced: it explains, nothing depends on it. */
static bool replace(const char *path, const char *fresh, const char *text)
{
	size_t size = strlen(text);
	ssize_t n;
	int fd;

	unlink(fresh);
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false;
	n = write(fd, text, size);
	close(fd);
	return n == (ssize_t)size && !rename(fresh, path);
}

void deaths_save(struct supervisor *s)
{
	struct json_object *all = read_all(s); /* parts that are no longer configured stay */
	char *path = file_name(s, "deaths.json"), *fresh = file_name(s, "deaths.json.new");

	for (const struct child *c = s->children; c; c = c->next) {
		struct json_object *one;

		if (!c->died_at)
			continue;
		one = json_object_new_object();
		json_object_object_add(one, "restarts", json_object_new_int64(c->restarts));
		json_object_object_add(one, "died_at", json_object_new_int64(c->died_at));
		json_object_object_add(one, "last_death", json_object_new_string(c->last_death));
		json_object_object_add(all, c->title, one);
	}
	if (!replace(path, fresh, json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY)))
		log_warning("cannot write %s: %s", path, strerror(errno));
	json_object_put(all);
	free(path);
	free(fresh);
}
