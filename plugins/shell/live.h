/*
 * live.h - what the unit's hosts print, shown to those who watch the task: as it comes, and to those who come
 * later what there was before.
 *
 * Thread: the event loop's.
 */
#ifndef SHELL_LIVE_H
#define SHELL_LIVE_H

#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

struct drover_unit;

struct live {
	struct drover_unit *unit;
	/* The begin of what the host has printed so far; 0: nothing, or it has ended. */
	size_t (*head)(void *context, size_t number, int stream, const void **data);
	void *context;
	sd_event_source *timer;
	unsigned seen; /* drover_unit_watched at the last look */
};

/* `live` is filled but for its last two members. Returns 0 or a negative errno. */
int live_open(struct live *live, sd_event *event);
void live_close(struct live *live);
/* The host with that number in the unit has printed this, at `offset` of the stream; `head` has not got it yet. */
void live_show(struct live *live, size_t number, int stream, uint64_t offset, const void *data, size_t size);

#endif
