/* sink_events.c - see sink_events.h. */
#include "conf/sink_events.h"

#include <stdio.h>
#include <string.h>

#include <drover/sink.h>

#include "conf/conf.h"

#define AUDIT (1u << DROVER_EVENT_AUDIT)

/* 0: no kind that a sink can have. Events of units are told as they happen and kept by nobody. */
static unsigned kind_of(const char *word)
{
	if (!strcmp(word, "task"))
		return 1u << DROVER_EVENT_TASK;
	if (!strcmp(word, "host"))
		return 1u << DROVER_EVENT_HOST;
	return !strcmp(word, "audit") ? AUDIT : 0;
}

unsigned sink_events(const struct drover_list *words)
{
	unsigned kinds = 0;

	for (size_t i = 0; i < words->count; i++)
		kinds |= kind_of(words->items[i]);
	return kinds ? kinds : 1u << DROVER_EVENT_TASK | 1u << DROVER_EVENT_HOST;
}

void sink_events_check(struct conf *c)
{
	const struct conf_instances *sinks = conf_list(c, SCHEMA_SINKS);

	for (size_t i = 0; i < sinks->count; i++) {
		const struct conf_applied *common = &sinks->items[i].common;
		const struct drover_list *words = &((const struct schema_sink *)common->self)->events;
		char path[160];

		snprintf(path, sizeof(path), "%s.events", common->path);
		for (size_t w = 0; w < words->count; w++)
			if (!kind_of(words->items[w]))
				errors_add(
					c->errors, section_place(c, common, "events"), path,
					"\"%.80s\" is no kind of event that a sink can have: write task, host or audit",
					words->items[w]);
		if (sink_events(words) & AUDIT && sink_events(words) != AUDIT)
			errors_add(c->errors, section_place(c, common, "events"), path,
				   "audit events have a sink of their own: write `events: [audit]`, and another sink "
				   "for the others");
	}
}
