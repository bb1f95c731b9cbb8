/*
 * messages.h - what the larger frames hold: a unit, a host's result, a unit's end.
 *
 * One function to write and one to read each, so that the two sides cannot differ. The readers check
 * every field; what they give is borrowed from the frame.
 */
#ifndef PROC_MESSAGES_H
#define PROC_MESSAGES_H

#include "proc/exec_link.h"
#include "proc/wire.h"

/* Hosts of a unit, as the core's options allow at most. */
#define MESSAGE_HOSTS_MAX 1000000

/* A frame's place in `b` is known to the caller: these write the payload only. */
void message_put_unit(struct buf *b, const struct exec_unit *unit);
void message_put_result(struct buf *b, size_t position, enum drover_status status, const struct drover_report *report);
void message_put_ended(struct buf *b, const struct exec_ended *ended);
void message_put_output(struct buf *b, const struct exec_output *output);

/* A unit's head: everything but its targets, `info.count` of which follow in the frame. False: no such frame. */
bool message_get_unit(struct wire_reader *r, struct exec_unit *unit);
/* Its targets, and their indexes; arrays with room for all. False: no such frame. */
bool message_get_targets(struct wire_reader *r, size_t count, struct drover_target *targets, int64_t *indexes);
bool message_get_result(struct wire_reader *r, size_t *position, enum drover_status *status,
			struct drover_report *report);
bool message_get_ended(struct wire_reader *r, struct exec_ended *ended);
bool message_get_output(struct wire_reader *r, struct exec_output *output);

#endif
