/* event_json.h - events as JSON, one line each: docs/events.md. */
#ifndef EVENTS_EVENT_JSON_H
#define EVENTS_EVENT_JSON_H

#include <drover/source.h>

#include "events/shown.h"
#include "util/buf.h"

void event_json_host(const struct drover_result_row *row, struct buf *out);
void event_json_task(const struct drover_task *task, struct buf *out);
void event_json_output(const struct shown_item *item, struct buf *out);
void event_json_unit(const char *task, int64_t unit, const char *state, int attempt, const char *node, struct buf *out);

/* A line of the audit log. What is not there is left out. */
void event_json_audit(const struct drover_audit *line, int64_t seq, const char *node, struct buf *out);

#endif
