/*
 * quote.h - words for a POSIX shell.
 */
#ifndef LIB_SSH_QUOTE_H
#define LIB_SSH_QUOTE_H

#include <stddef.h>

/*
 * Joins `count` words so that a POSIX shell reads exactly these words again, whatever bytes (but
 * NUL) they hold. Returns memory that the caller frees, or NULL: no memory.
 */
char *quote_words(const char *const *words, size_t count);

#endif
