/* sink_events.h - which events a sink asks for: its option `events`. */
#ifndef CONF_SINK_EVENTS_H
#define CONF_SINK_EVENTS_H

#include <drover/option.h>

struct conf;

/* Bits 1 << enum drover_event_kind; without any word those of tasks and hosts. */
unsigned sink_events(const struct drover_list *words);
/* Tells what is wrong with the option of each sink. */
void sink_events_check(struct conf *c);

#endif
