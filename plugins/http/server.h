/*
 * server.h - the HTTP server: libmicrohttpd, and the parking of connections whose answer takes time.
 *
 * The library's threads never block: a request is parked (its connection suspended) and a worker
 * runs its handler, then resumes it with its response. The library aborts the process when it is
 * stopped while a connection is suspended, so whatever is suspended is in a list here, and nothing is
 * suspended any more once the server is stopping.
 */
#ifndef SERVER_H
#define SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include <microhttpd.h>

#include "connections.h"
#include "http.h"
#include "listen.h"
#include "refusals.h"
#include "tls.h"
#include "tokens.h"
#include "tally.h"
#include "workers.h"

/* A connection that may be suspended; embedded in a request or an event stream. */
struct parked {
	struct MHD_Connection *connection;
	struct job *job; /* woken when the server stops; NULL: the connection is resumed then */
	bool in;
	TAILQ_ENTRY(parked) entry;
};

struct server {
	const struct http *options; /* borrowed */
	const struct drover_source_services *services;
	void *core;
	struct MHD_Daemon *daemon;
	struct listener listener;
	struct workers workers;
	struct connections connections;
	struct tls *tls;      /* NULL: plain HTTP */
	struct tokens tokens; /* read where options->tokens is set */
	struct refusals refusals;

	pthread_mutex_t lock; /* of the four below */
	pthread_cond_t changed;
	TAILQ_HEAD(parked_list, parked) parked;
	size_t requests; /* under way */

	struct tally *tally; /* of answers */

	atomic_bool stopping;
	atomic_bool draining;
	atomic_llong body_bytes;  /* of all requests under way */
	atomic_llong clients;     /* event streams and waiting requests */
	atomic_llong event_bytes; /* that the readers of event streams have not had */
};

int server_open(struct server **server, const struct http *options, const struct drover_source_services *services,
		void *core, struct drover_error *err);
/* No new tasks from now on. */
void server_drain(struct server *server);
void server_close(struct server *server);

/* Suspends the connection; its own thread only. False: the server is stopping, it was not suspended. */
bool server_park(struct server *server, struct parked *parked);
/* Resumes it, if it is suspended. Any thread; after it the connection's thread may free what it belongs to. */
void server_resume(struct server *server, struct parked *parked);

/* Takes one of the `event_clients`, or says that there is none left. */
bool server_enter_client(struct server *server);
void server_leave_client(struct server *server);

#endif
