/*
 * event.h - an event as a spool's record: what the core appends and a sink's process hands to its
 * plugin.
 *
 * Layout, in the machine's own order: kind (1 byte), whether there is a host (1 byte), seq (8
 * bytes), length of the JSON (4 bytes), then task, host (where there is one) and JSON, each ended
 * by a NUL that is not counted in the length, so that a reader can point into the record.
 */
#ifndef SPOOL_EVENT_H
#define SPOOL_EVENT_H

#include <stddef.h>

#include <drover/sink.h>

#include "util/buf.h"

/* Appends the record to `out`. `task` and `json` must not be NULL. */
void event_encode(const struct drover_event *event, struct buf *out);

/*
 * Fills `event` with pointers into `data`, which must stay while they are used. DROVER_EINVALID:
 * these bytes are no event.
 */
int event_decode(const char *data, size_t size, struct drover_event *event);

#endif
