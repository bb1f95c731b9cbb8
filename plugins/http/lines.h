/*
 * lines.h - how a request's header lines were ended, which the library does not tell.
 *
 * libmicrohttpd before 1.0 takes lines that end with a bare LF, lines that are folded (RFC 9112, 5.2, has
 * servers refuse them) and values that a NUL cuts off. Each is read differently by other programs, so that a
 * request can be hidden behind one. From 1.0 on the library refuses them itself, where it is told to be strict.
 *
 * These versions parse in place: in their buffer a header's name, its value and the name of the next one follow
 * each other, with the CR and LF between two lines made NULs. What lies otherwise was written otherwise. Only of
 * the last line before the empty one it cannot be told whether a NUL or nothing stood before its LF.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

#if MHD_VERSION >= 0x01000000
#define LINES_BY_LIBRARY 1
#define LINES_OPTION MHD_OPTION_CLIENT_DISCIPLINE_LVL
#else
#define LINES_BY_LIBRARY 0
#define LINES_OPTION MHD_OPTION_STRICT_FOR_CLIENT
#endif

struct lines {
	const char *next; /* where the next name must be; NULL: none was there yet */
};

/* The request line: whether `version` is ended by CRLF. */
bool lines_take_version(struct lines *lines, const char *version);
/* The next header. False: it is folded, cut off by a NUL, or not ended by CRLF. */
bool lines_take(struct lines *lines, const char *name, size_t name_size, const char *value, size_t value_size);

#endif
