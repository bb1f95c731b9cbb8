/* live.c - see live.h. */
#include "live.h"

#include <errno.h>

#include <drover/executor.h>

#define LOOK_US 500000  /* between two looks whether somebody has come to watch */
#define HEAD_SIZE 32768 /* shown of what there was before, of each stream */

static void show(const struct live *live, size_t number, int stream, int64_t offset, const void *data, size_t size)
{
	drover_output_at(live->unit, drover_unit_info(live->unit)->targets[number].name, stream, offset, data, size);
}

/* Somebody has come: what there was before comes first. */
static void look(struct live *live)
{
	unsigned watched = drover_unit_watched(live->unit);

	for (size_t i = 0; watched && watched != live->seen && i < drover_unit_info(live->unit)->count; i++) {
		for (int stream = 1; stream <= 2; stream++) {
			const void *data;
			size_t size = live->head(live->context, i, stream, &data);

			if (size)
				show(live, i, stream, 0, data, size < HEAD_SIZE ? size : HEAD_SIZE);
		}
	}
	live->seen = watched;
}

void live_show(struct live *live, size_t number, int stream, uint64_t offset, const void *data, size_t size)
{
	look(live);
	if (live->seen)
		show(live, number, stream, (int64_t)offset, data, size);
}

static int on_look(sd_event_source *source, uint64_t usec, void *context)
{
	(void)usec;
	look(context);
	(void)sd_event_source_set_time_relative(source, LOOK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int live_open(struct live *live, sd_event *event)
{
	/* Those who watch from the begin see everything as it comes. */
	live->seen = drover_unit_watched(live->unit);
	return sd_event_add_time_relative(event, &live->timer, CLOCK_BOOTTIME, LOOK_US, LOOK_US / 2, on_look, live);
}

void live_close(struct live *live)
{
	sd_event_source_disable_unref(live->timer);
	live->timer = NULL;
}
