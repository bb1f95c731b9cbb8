/* lines.h - bytes that come in pieces, given away as whole lines. */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "util/buf.h"

#define LINES_LONGEST ((size_t)65536) /* bytes; a longer line is given away in pieces of this */

struct lines {
	struct buf rest; /* a line whose end has not come */
};

/* A line without its newline; borrowed for the call. Non-zero ends it, and is returned. */
typedef int lines_fn(void *context, const char *line, size_t size);

/* Zeroed is empty. 0, or what `fn` returned; what had not been given away then is dropped. */
int lines_take(struct lines *lines, const char *data, size_t size, lines_fn *fn, void *context);
/* The end has come: what is there is a line, too. Empty afterwards. */
int lines_end(struct lines *lines, lines_fn *fn, void *context);
void lines_dispose(struct lines *lines);

#endif
