/* plugin.c - kafka: units go to engines, and tasks come in, by topics of Kafka. */
#include "dispatcher.h"
#include "source.h"

DROVER_MODULE(.source = &kafka_source, .dispatcher = &kafka_dispatcher);
