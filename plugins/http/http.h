/*
 * http.h - the options of one instance of the source `http`, and what hangs on an instance.
 */
#ifndef HTTP_H
#define HTTP_H

#include <drover/source.h>

struct allow_list;
struct server;
struct zone;

/* Zeroed, filled from the option table of plugin.c and freed by the host; read-only here but for `server`. */
struct http {
	char *listen;
	int64_t workers;
	int64_t body_limit;
	int64_t body_memory;
	int64_t connection_limit;
	int64_t connection_timeout; /* ms */
	int64_t event_clients;
	int64_t event_buffer;
	int64_t event_memory;
	int64_t page_size;
	int64_t hosts_limit;
	int64_t wait_limit, heartbeat; /* ms */
	char *port_file;
	struct drover_list hosts;
	struct drover_map tls; /* cert, key */
	char *tokens;
	struct drover_map first_generation; /* listen, allow_from, port_file */
	char *timezone;                     /* NULL: the machine's */

	/* from open to close */
	struct server *server;
	struct zone *zone;              /* of the first generation's times */
	struct http *plain;             /* the listener for the first generation's clients alone, or NULL */
	const struct allow_list *allow; /* set there: who may connect; NULL: tokens say who may do what */
};

#endif
