/* shown.c - see shown.h. */
#include "events/shown.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

void shown_add(struct shown *shown, const char *task, const char *host, int stream, int64_t offset, const void *data,
	       size_t size)
{
	size_t task_size = strlen(task) + 1, host_size = strlen(host) + 1;
	struct shown_item *item;

	if (shown->bytes + size > SHOWN_BYTES)
		return;
	item = xmalloc(sizeof(*item) + task_size + host_size + size + 1);
	*item = (struct shown_item){ .stream = stream, .offset = offset, .size = size };
	memcpy(item->task, task, task_size);
	item->host = memcpy(item->task + task_size, host, host_size);
	item->data = memcpy(item->host + host_size, data, size);
	item->data[size] = '\0';
	if (shown->last)
		shown->last->next = item;
	else
		shown->first = item;
	shown->last = item;
	shown->bytes += size;
}

struct shown_item *shown_take(struct shown *shown)
{
	struct shown_item *item = shown->first;

	if (!item)
		return NULL;
	shown->first = item->next;
	if (!shown->first)
		shown->last = NULL;
	shown->bytes -= item->size;
	return item;
}

void shown_dispose(struct shown *shown)
{
	struct shown_item *item;

	while ((item = shown_take(shown)))
		free(item);
}
