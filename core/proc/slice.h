/* slice.h - a child's part of the configuration, as the supervisor hands it over. */
#ifndef PROC_SLICE_H
#define PROC_SLICE_H

#include <stdint.h>

struct drover_error;
struct json_object;

/* Reads the descriptor, which is closed. The object is the caller's. */
int slice_read(int fd, struct json_object **slice, struct drover_error *err);
/* A member's text, or `otherwise`. Borrowed. `key` may be a path of two: "node.name". */
const char *slice_text(struct json_object *slice, const char *key, const char *otherwise);
int64_t slice_int(struct json_object *slice, const char *key, int64_t otherwise);
/* The member, or NULL. Borrowed. */
struct json_object *slice_get(struct json_object *slice, const char *key);
/* Opens the log as the slice's "log" says. */
void slice_log(struct json_object *slice, const char *who);

#endif
