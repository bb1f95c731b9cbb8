/* dispatcher.h - the plugin's dispatcher: a unit's envelope becomes a message in its pool's topic. */
#ifndef KAFKA_DISPATCHER_H
#define KAFKA_DISPATCHER_H

#include <drover/dispatcher.h>

extern const struct drover_dispatcher kafka_dispatcher;

#endif
