/* slice.c - see slice.h. */
#include "proc/slice.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <drover/error.h>

#include "proc/control_io.h"
#include "util/log.h"

#define SLICE_MAX (64u << 20)

int slice_read(int fd, struct json_object **slice, struct drover_error *err)
{
	size_t size;
	char *text = control_io_read_all(fd, SLICE_MAX, &size);
	int saved = errno;

	close(fd);
	if (!text)
		return drover_error_set(err, DROVER_EFAULT, "cannot read the configuration: %s", strerror(saved));
	*slice = json_tokener_parse(text);
	explicit_bzero(text, size);
	free(text);
	if (!json_object_is_type(*slice, json_type_object)) {
		json_object_put(*slice);
		return drover_error_set(err, DROVER_EINVALID, "the configuration that was handed over is no object");
	}
	return 0;
}

struct json_object *slice_get(struct json_object *slice, const char *key)
{
	const char *dot = strchr(key, '.');
	struct json_object *value = NULL;
	char head[64];

	if (!dot)
		return json_object_object_get_ex(slice, key, &value) ? value : NULL;
	snprintf(head, sizeof(head), "%.*s", (int)(dot - key), key);
	if (!json_object_object_get_ex(slice, head, &value) || !json_object_is_type(value, json_type_object))
		return NULL;
	return slice_get(value, dot + 1);
}

const char *slice_text(struct json_object *slice, const char *key, const char *otherwise)
{
	struct json_object *value = slice_get(slice, key);

	return value ? json_object_get_string(value) : otherwise;
}

int64_t slice_int(struct json_object *slice, const char *key, int64_t otherwise)
{
	struct json_object *value = slice_get(slice, key);

	return value ? json_object_get_int64(value) : otherwise;
}

void slice_log(struct json_object *slice, const char *who)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = { { "error", LOG_LEVEL_ERROR },
		       { "warning", LOG_LEVEL_WARNING },
		       { "info", LOG_LEVEL_INFO },
		       { "debug", LOG_LEVEL_DEBUG } };
	const char *word = slice_text(slice, "log.level", "info");
	struct log_options options = { LOG_LEVEL_INFO, !strcmp(slice_text(slice, "log.format", "text"), "json") };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (!strcmp(levels[i].word, word))
			options.level = levels[i].level;
	log_open(who, &options);
}
