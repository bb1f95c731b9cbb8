/*
 * distribution.h - how tasks get from the node that accepts them to those that execute them: the core's part of the
 * outbox (a node with a dispatcher) and of the offers (a node with executors and keys to verify by, on a shared store).
 */
#ifndef DAEMON_DISTRIBUTION_H
#define DAEMON_DISTRIBUTION_H

#include "daemon/core.h"

/* After the dispatcher, before the sources. */
int distribution_open(struct core *core, struct drover_error *err);
/* Ends the threads: after the sources, before the dispatcher and the writer. */
void distribution_stop(struct core *core);
/* After the writer and the engine. */
void distribution_free(struct core *core);

/* Services of drover/source.h. */
int distribution_offer_unit(void *core, const void *envelope, size_t size, struct drover_error *err);
void distribution_await_room(void *context, void (*room)(void *room_context), void *room_context);
bool distribution_takes_units(void *context);

#endif
