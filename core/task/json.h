/*
 * json.h - JSON that comes from outside, read strictly, and written canonically.
 *
 * json-c does the parsing; what it lets through even in strict mode (single quotes, control characters and
 * overlong UTF-8 in strings, a key twice in an object) is refused here.
 */
#ifndef TASK_JSON_H
#define TASK_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

struct json_object;
struct drover_error;

#define JSON_DEPTH_MAX 32

/* RFC 8259, nothing else. Owned by the caller. Errors: DROVER_EINVALID with the byte at which it fails. */
int json_read(const void *text, size_t size, struct json_object **value, struct drover_error *err);

/* Writes the value with keys in order and no blanks: equal values give equal bytes. */
void json_canonical(struct json_object *value, struct buf *out);

/* Whether it is UTF-8 without a NUL. */
bool json_is_text(const void *data, size_t size);

/* Appends `text` as a JSON string; what is not UTF-8 becomes U+FFFD. */
void json_quote(struct buf *out, const char *text);

#endif
