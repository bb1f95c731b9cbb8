/* rows.h - the results of a task, row by row, however many there are: fetched page by page. */
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "cli/session.h"
#include "util/buf.h"

struct drover_error;

/* Non-zero ends it, and is returned. `row` is borrowed for the call. */
typedef int rows_fn(void *context, struct json_object *row);

/* `query`: more parameters ("status=ok&host=a"), escaped, or "". 0, an error of the client, or what `fn` returned. */
int rows_each(struct session *session, const char *id, const char *query, rows_fn *fn, void *context,
	      struct drover_error *err);
/*
 * A row's `stdout` or `stderr` as its bytes: base64 is undone, said by `stdout_encoding`, or as an event has it,
 * `data_base64` instead of `data`. Owned by the caller.
 */
struct buf rows_bytes(struct json_object *row, const char *stream);
/* The reverse: adds `member` and `member_encoding`, as results have them. */
void rows_add_bytes(struct json_object *object, const char *member, const char *data, size_t size);

#endif
