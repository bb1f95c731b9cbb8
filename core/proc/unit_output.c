/* unit_output.c - see unit_output.h. */
#include "proc/unit_output.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"

#define LINES_A_SECOND 20
#define LINE_SIZE 500
#define READ_SIZE 16384

static void log_line(struct unit_output *o, const char *label, int64_t second)
{
	const char *text = o->line.data;
	enum log_level level = LOG_LEVEL_INFO;

	if (second != o->second) {
		o->second = second;
		o->lines = 0;
	}
	if (o->lines++ >= LINES_A_SECOND) {
		o->dropped++;
		return;
	}
	if (text[0] == '<' && text[1] >= '0' && text[1] <= '7' && text[2] == '>') {
		level = text[1] < '4' ? LOG_LEVEL_ERROR : text[1] == '4' ? LOG_LEVEL_WARNING
							 : text[1] == '7' ? LOG_LEVEL_DEBUG
									  : LOG_LEVEL_INFO;
		text += 3;
	}
	log_write(level, "%s: %s", label, text);
}

static void add_lines(struct unit_output *o, const char *data, size_t size, const char *label)
{
	int64_t second = clock_boot_ms() / 1000;

	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		size_t room = LINE_SIZE - o->line.size;

		buf_append(&o->line, data, length < room ? length : room);
		if (end) {
			log_line(o, label, second);
			o->line.size = 0;
			length++;
		}
		data += length;
		size -= length;
	}
}

bool unit_output_read(struct unit_output *o, const char *label)
{
	char data[READ_SIZE];
	ssize_t n = read(o->fd, data, sizeof(data));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (!data[i])
			data[i] = '?'; /* it is told as a string */
	add_lines(o, data, (size_t)n, label);
	if (n > UNIT_OUTPUT_TAIL)
		buf_append(&o->tail, data + n - UNIT_OUTPUT_TAIL, UNIT_OUTPUT_TAIL);
	else
		buf_append(&o->tail, data, (size_t)n);
	if (o->tail.size > 2 * UNIT_OUTPUT_TAIL)
		buf_consume(&o->tail, o->tail.size - UNIT_OUTPUT_TAIL);
	return true;
}

const char *unit_output_text(struct unit_output *o)
{
	if (o->tail.size > UNIT_OUTPUT_TAIL)
		buf_consume(&o->tail, o->tail.size - UNIT_OUTPUT_TAIL);
	return o->tail.size ? o->tail.data : NULL;
}

void unit_output_end(struct unit_output *o, const char *label)
{
	if (o->line.size)
		log_line(o, label, clock_boot_ms() / 1000);
	if (o->dropped)
		log_warning("%s: %" PRId64 " more lines of its output were dropped", label, o->dropped);
	if (o->fd >= 0)
		close(o->fd);
	o->fd = -1;
	buf_dispose(&o->tail);
	buf_dispose(&o->line);
}
