/*
 * show.h - tasks, units and results as JSON objects, as docs/api.md and docs/events.md list them.
 */
#ifndef SHOW_H
#define SHOW_H

#include <drover/source.h>

#include "writer.h"

/* The members of an object that the caller has opened. */
void show_task(struct writer *w, const struct drover_task *task);

/* Whole objects. */
void show_unit(struct writer *w, const struct drover_unit_row *unit);
void show_result(struct writer *w, const struct drover_result_row *row, bool with_task, bool outputs);

/* The members of an object that the caller has opened. `stream` 0: both outputs; 1, 2: one of them. */
void show_group(struct writer *w, const struct drover_group *group, int stream, bool outputs);

/* The object of ten counts under `key`. */
void show_counts(struct writer *w, const char *key, const int64_t counts[DROVER_STATUS_COUNT]);

/* A task as the event of its last change: with the members that the core's own events have. */
void show_task_event(struct writer *w, const struct drover_task *task);

/* A final host row as the event of it, as it is sent when the event itself was missed. */
void show_host_event(struct writer *w, const struct drover_result_row *row);

#endif
