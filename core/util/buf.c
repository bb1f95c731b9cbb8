/* buf.c - see buf.h. */
#include "util/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void __attribute__((noreturn)) out_of_memory(size_t size)
{
	fprintf(stderr, "out of memory: %zu bytes asked for\n", size);
	abort();
}

void *xmalloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);

	if (!p)
		out_of_memory(count * size);
	return p;
}

void *xrealloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

char *xstrdup(const char *text)
{
	size_t size;

	if (!text)
		return NULL;
	size = strlen(text) + 1;
	return memcpy(xmalloc(size), text, size);
}

void buf_dispose(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t need = b->size + more + 1;

	if (need <= b->room)
		return;
	if (need < b->room * 2)
		need = b->room * 2;
	if (need < 64)
		need = 64;
	b->data = xrealloc(b->data, need);
	b->room = need;
}

void buf_append(struct buf *b, const void *data, size_t size)
{
	buf_reserve(b, size);
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = '\0';
}

void buf_string(struct buf *b, const char *text)
{
	buf_append(b, text, strlen(text));
}

void buf_char(struct buf *b, char c)
{
	buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
	va_list again;
	int size;

	va_copy(again, args);
	buf_reserve(b, 64);
	size = vsnprintf(b->data + b->size, b->room - b->size, format, args);
	if (size >= 0 && (size_t)size >= b->room - b->size) {
		buf_reserve(b, (size_t)size);
		size = vsnprintf(b->data + b->size, b->room - b->size, format, again);
	}
	if (size > 0)
		b->size += (size_t)size;
	va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	buf_vprintf(b, format, args);
	va_end(args);
}

void buf_consume(struct buf *b, size_t size)
{
	if (size >= b->size) {
		b->size = 0;
	} else {
		memmove(b->data, b->data + size, b->size - size);
		b->size -= size;
	}
	if (b->data)
		b->data[b->size] = '\0';
}

char *buf_take(struct buf *b)
{
	char *data;

	buf_append(b, "", 0);
	data = b->data;
	*b = (struct buf)BUF_INIT;
	return data;
}
