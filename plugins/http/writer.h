/*
 * writer.h - writes JSON text into memory.
 *
 * A page of results is the hot path: up to 32 MB of other people's bytes. They are escaped into the
 * response in one pass, without a tree of objects, and the size is known after every row. What is
 * written is always valid JSON: text that is not UTF-8 gets U+FFFD for what is wrong in it.
 *
 * Not thread-safe. Out of memory sets `failed`, and the writer ignores everything from then on; it is
 * asked once, at the end.
 */
#ifndef WRITER_H
#define WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct writer {
	char *data; /* owned; not NUL-terminated */
	size_t size;
	size_t room;
	bool separate; /* a comma is due before the next member */
	bool failed;
};

void writer_dispose(struct writer *w);

/* Gives the bytes to the caller, who frees them; the writer is empty again. May be NULL. */
char *writer_take(struct writer *w, size_t *size);

/* Bytes as they are, for what is not JSON. */
void writer_append(struct writer *w, const void *data, size_t size);
void __attribute__((format(printf, 2, 3))) writer_printf(struct writer *w, const char *format, ...);

/* `key` is NULL within an array and at the top. NULL texts become null. */
void writer_object(struct writer *w, const char *key);
void writer_object_end(struct writer *w);
void writer_array(struct writer *w, const char *key);
void writer_array_end(struct writer *w);
void writer_null(struct writer *w, const char *key);
void writer_bool(struct writer *w, const char *key, bool value);
void writer_int(struct writer *w, const char *key, int64_t value);
void writer_string(struct writer *w, const char *key, const char *text);
void writer_text(struct writer *w, const char *key, const void *text, size_t size);
void writer_base64(struct writer *w, const char *key, const void *data, size_t size);
/* Milliseconds since 1970 as RFC 3339; 0 becomes null. */
void writer_time(struct writer *w, const char *key, int64_t utc_ms);
/* Milliseconds as seconds, with a fraction only where there is one. */
void writer_seconds(struct writer *w, const char *key, int64_t ms);
/* A JSON value that came as text; where it is not valid JSON, it becomes a string. */
void writer_value(struct writer *w, const char *key, const char *json);
/* The members of an object, JSON as text, as members of the one that is being written. */
void writer_members(struct writer *w, const char *json);

#endif
