/*
 * cluster.h - what a core does because others share its store: its lease, and what they have changed.
 */
#ifndef DAEMON_CLUSTER_H
#define DAEMON_CLUSTER_H

#include "daemon/core.h"

/*
 * In the transaction that begins the incarnation, so that others never see one of an engine that seems to serve
 * nothing: they would refuse what it is for.
 */
int cluster_introduce(struct core *core, struct drover_error *err);
/* Where the store is shared: from now on the lease is renewed. After the writer and the engine. */
int cluster_open(struct core *core, struct drover_error *err);
/* Looks from now on for what others change. After the hub has started. */
int cluster_watch(struct core *core, struct drover_error *err);
/* Before writer_free: ends the threads. */
void cluster_stop(struct core *core);
/* After it. */
void cluster_free(struct core *core);

/* elsewhere.c: the thread that looks for what others have changed, from the change number `since` on. */
struct elsewhere;

int elsewhere_new(struct core *core, int64_t interval, int64_t since, struct elsewhere **elsewhere,
		  struct drover_error *err);
void elsewhere_stop(struct elsewhere *elsewhere);
void elsewhere_free(struct elsewhere *elsewhere);

#endif
