/*
 * connections.h - the connections that are open, and which of them wait for a request.
 *
 * The library closes a connection that is silent for too long. That leaves those that send a byte now and
 * then, and those that are opened in such numbers that nobody else gets in. So a connection has a deadline for
 * the headers of its next request, and when few places are left the one that has waited longest gives up its
 * own. Connections whose request is under way are left alone.
 */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <microhttpd.h>

#include "workers.h"

struct connection;
TAILQ_HEAD(connection_list, connection);

struct connections {
	pthread_mutex_t lock;
	struct connection_list waiting; /* by the time since when */
	size_t count;                   /* of all */
	size_t crowded;                 /* above so many the longest waiting ones are closed */
	int64_t deadline;               /* ms for a request's headers */
	int64_t closed;                 /* how many were closed here */
	struct workers *workers;        /* borrowed */
	struct job sweep;
};

void connections_init(struct connections *c, struct workers *workers, size_t limit, int64_t deadline);
void connections_dispose(struct connections *c);

/* MHD_OPTION_NOTIFY_CONNECTION; `context` is the struct connections. */
void connections_notify(void *context, struct MHD_Connection *connection, void **state,
			enum MHD_ConnectionNotificationCode code);
/* A request's headers are there; it has been answered. The connection's thread. */
void connections_begin(struct connections *c, struct MHD_Connection *connection);
void connections_end(struct connections *c, struct MHD_Connection *connection);

struct connections_state {
	size_t open;
	int64_t closed; /* since they waited too long, or to make room */
};

/* Any thread. */
struct connections_state connections_look(struct connections *c);

#endif
