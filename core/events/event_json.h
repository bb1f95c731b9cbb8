/* event_json.h - events as JSON, one line each: docs/events.md. */
#ifndef EVENTS_EVENT_JSON_H
#define EVENTS_EVENT_JSON_H

#include <drover/store.h>

#include "util/buf.h"

void event_json_host(const struct drover_result_row *row, struct buf *out);
void event_json_task(const struct drover_task *task, struct buf *out);
void event_json_unit(const char *task, int64_t unit, const char *state, int attempt, const char *node, struct buf *out);

#endif
