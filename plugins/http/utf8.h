/*
 * utf8.h - tells valid UTF-8 (RFC 3629: no surrogates, no overlong forms) from other bytes.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the valid sequence that `text` begins with (1 to 4), or 0 where there is none. */
size_t utf8_length(const unsigned char *text, size_t size);

/* True where all of it is UTF-8 without a NUL: what can be shown as text. */
bool utf8_is_text(const void *data, size_t size);

#endif
