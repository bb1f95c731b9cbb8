/* unit_output.c - see unit_output.h. */
#define _GNU_SOURCE
#include "proc/unit_output.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define LINES_A_SECOND 20
#define LINE_SIZE 500
#define READ_SIZE 32768

static bool may_log(struct unit_output *o, int64_t second)
{
	if (second != o->second) {
		o->second = second;
		o->lines = 0;
	}
	return o->lines < LINES_A_SECOND;
}

static void log_line(struct unit_output *o, const char *label)
{
	const char *text = o->line.data;
	enum log_level level = LOG_LEVEL_INFO;

	o->lines++;
	if (text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
		level = text[1] < '4'    ? LOG_LEVEL_ERROR
			: text[1] == '4' ? LOG_LEVEL_WARNING
			: text[1] == '7' ? LOG_LEVEL_DEBUG
					 : LOG_LEVEL_INFO;
		text += 3;
	}
	log_write(level, "%s: %s", label, text);
}

/* Of a flood only the ends of lines are looked for, the last one: the reader must not be slower than the writer. */
static void drop(struct unit_output *o, const char *data, size_t size)
{
	const char *end = memrchr(data, '\n', size);

	o->dropped += (int64_t)(o->line.size + size);
	o->line.size = 0;
	o->skipping = !end || end + 1 < data + size;
}

static void add_lines(struct unit_output *o, const char *data, size_t size, const char *label)
{
	int64_t second = clock_boot_ms() / 1000;

	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		size_t room = LINE_SIZE - o->line.size;

		if (!may_log(o, second)) {
			drop(o, data, size);
			return;
		}
		if (!o->skipping) /* the rest of a line of which the begin was dropped is no line */
			buf_append(&o->line, data, length < room ? length : room);
		if (end) {
			if (!o->skipping)
				log_line(o, label);
			o->skipping = false;
			o->line.size = 0;
			length++;
		}
		data += length;
		size -= length;
	}
}

static void keep_tail(struct unit_output *o, const char *data, size_t size)
{
	if (size > UNIT_OUTPUT_TAIL) {
		data += size - UNIT_OUTPUT_TAIL;
		size = UNIT_OUTPUT_TAIL;
	}
	buf_append(&o->tail, data, size);
	if (o->tail.size > 2 * UNIT_OUTPUT_TAIL)
		buf_consume(&o->tail, o->tail.size - UNIT_OUTPUT_TAIL);
}

bool unit_output_read(struct unit_output *o, const char *label)
{
	char data[READ_SIZE];
	ssize_t n = read(o->fd, data, sizeof(data));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	add_lines(o, data, (size_t)n, label);
	keep_tail(o, data, (size_t)n);
	return true;
}

const char *unit_output_text(struct unit_output *o)
{
	if (o->tail.size > UNIT_OUTPUT_TAIL)
		buf_consume(&o->tail, o->tail.size - UNIT_OUTPUT_TAIL);
	for (size_t i = 0; i < o->tail.size; i++)
		if (!o->tail.data[i])
			o->tail.data[i] = '?'; /* it is told as a string */
	return o->tail.size ? o->tail.data : NULL;
}

void unit_output_end(struct unit_output *o, const char *label)
{
	if (o->line.size)
		log_line(o, label);
	if (o->dropped)
		log_warning("%s: %" PRId64 " more bytes of its output were not logged", label, o->dropped);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	buf_dispose(&o->tail);
	buf_dispose(&o->line);
}
