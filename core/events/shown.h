/*
 * shown.h - what hosts have printed, on its way from the event loop to those who watch: a bounded queue.
 * What it has no room for is left out. Not thread-safe.
 */
#ifndef EVENTS_SHOWN_H
#define EVENTS_SHOWN_H

#include <stddef.h>
#include <stdint.h>

#define SHOWN_BYTES (4u << 20) /* that wait, at most */

struct shown_item {
	struct shown_item *next;
	int stream;
	int64_t offset;
	size_t size;
	char *host; /* within the item, as `data` */
	char *data; /* with a NUL behind it */
	char task[];
};

struct shown {
	struct shown_item *first, *last;
	size_t bytes;
};

/* Copies all of it. */
void shown_add(struct shown *shown, const char *task, const char *host, int stream, int64_t offset, const void *data,
	       size_t size);
/* The oldest; owned by the caller, who frees it. NULL: none. */
struct shown_item *shown_take(struct shown *shown);
void shown_dispose(struct shown *shown);

#endif
