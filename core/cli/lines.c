/* lines.c - see lines.h. */
#include "cli/lines.h"

#include <string.h>

/* A piece of a line that is too long ends before a UTF-8 sequence, not within it. */
static size_t piece_size(const char *data)
{
	size_t size = LINES_LONGEST;

	for (int i = 0; i < 4 && ((unsigned char)data[size] & 0xc0) == 0x80; i++)
		size--;
	return size;
}

int lines_take(struct lines *lines, const char *data, size_t size, lines_fn *fn, void *context)
{
	struct buf *rest = &lines->rest;
	size_t start = 0, seen = rest->size;
	int rc = 0;

	buf_append(rest, data, size);
	while (!rc) {
		const char *from = rest->data + start, *newline;

		newline = memchr(rest->data + seen, '\n', rest->size - seen);
		size = newline ? (size_t)(newline - from) : rest->size - start;
		if (size > LINES_LONGEST) {
			size = piece_size(from);
			rc = fn(context, from, size);
			start += size;
			seen = newline ? start : rest->size;
			if (newline)
				continue;
			if (rest->size - start > LINES_LONGEST)
				continue;
			break;
		}
		if (!newline)
			break;
		rc = fn(context, from, size);
		seen = start += size + 1;
	}
	buf_consume(rest, rc ? rest->size : start);
	return rc;
}

int lines_end(struct lines *lines, lines_fn *fn, void *context)
{
	int rc = lines->rest.size ? fn(context, lines->rest.data, lines->rest.size) : 0;

	lines_dispose(lines);
	return rc;
}

void lines_dispose(struct lines *lines)
{
	buf_dispose(&lines->rest);
}
