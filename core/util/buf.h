/*
 * buf.h - a growable run of bytes, always followed by a NUL that is not counted.
 *
 * Not thread-safe. Running out of memory ends the process (a daemon that cannot get a few bytes
 * is restarted by its supervisor; carrying on half-done would be worse).
 */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* owned; never NULL after the first append */
	size_t size;
	size_t room;
};

#define BUF_INIT                                                                                                       \
	{                                                                                                              \
		NULL, 0, 0                                                                                             \
	}

void buf_dispose(struct buf *b);
void buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *data, size_t size);
void buf_string(struct buf *b, const char *text);
void buf_char(struct buf *b, char c);
void __attribute__((format(printf, 2, 3))) buf_printf(struct buf *b, const char *format, ...);
void buf_vprintf(struct buf *b, const char *format, va_list args);
/* Drops the first `size` bytes. */
void buf_consume(struct buf *b, size_t size);
/* Gives the bytes away: the caller frees them. Never NULL. */
char *buf_take(struct buf *b);

/* malloc, calloc, realloc, strdup that end the process instead of returning NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *text); /* NULL gives NULL */

#endif
