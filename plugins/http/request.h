/*
 * request.h - one request, from its headers to its response.
 *
 * Threads: it belongs to the connection's thread until it is parked, then to the worker that runs it,
 * and to the connection's thread again when it was resumed; never to two at once.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <microhttpd.h>

#include <drover/source.h>

#include "access.h"
#include "problem.h"
#include "route.h"
#include "server.h"
#include "workers.h"
#include "writer.h"

#define REQUEST_PARAMETERS 16
#define REQUEST_HEADERS 6
#define REQUEST_DISCARD_LIMIT (1 << 20) /* bodies that are refused are read up to here, so that the answer arrives */

enum request_admission {
	ADMISSION_NONE = 0, /* not needed, or over */
	ADMISSION_ASKED,    /* a worker finds out; the connection is parked */
	ADMISSION_TOLD      /* what it found is in the problem; the library has not called since */
};

struct request_parameter {
	char *name; /* owned, decoded */
	char *value;
};

struct request_header {
	const char *name; /* static */
	char *value;      /* owned */
};

struct request {
	struct server *server;             /* borrowed */
	struct MHD_Connection *connection; /* borrowed */
	struct parked parked;
	struct job job;

	/* who asks, and whether the core is asked about that before the body is read */
	struct access access;
	enum request_admission admission;

	/* what is asked */
	const struct route *route;
	bool head;
	char *arguments[ROUTE_ARGUMENTS]; /* owned, decoded */
	struct request_parameter parameters[REQUEST_PARAMETERS];
	size_t parameter_count;
	char *body; /* owned */
	size_t body_size, body_room;
	int64_t body_deadline; /* workers_now() */
	bool discard;          /* the body is read and thrown away */
	size_t discarded;
	bool hang_up; /* the rest of it is not even read */

	/* what a handler keeps over ROUTE_LATER */
	void *waiting;

	/* the answer */
	struct problem problem;
	struct writer out;
	const char *content_type; /* static */
	bool validated;           /* it has an entity tag: clients may keep it and ask whether it still holds */
	struct request_header headers[REQUEST_HEADERS];
	size_t header_count;
	struct MHD_Response *response;
	int status;
};

/* NULL: no memory. Checks all that can be checked before the body comes; what is wrong is in `problem`. */
struct request *request_new(struct server *server, struct MHD_Connection *connection, const char *method,
			    const char *url, const char *version);
void request_free(struct request *r);

/* If it was refused with 401 or 403: none of its body is read, and it is noted for the audit log. */
void request_refused(struct request *r, const char *method, const char *url);

/*
 * A part of the body. False: the connection is to be dropped, since it is slow, or a refused body goes on and
 * on; the library cannot answer in the middle of one.
 */
bool request_collect(struct request *r, const void *data, size_t size);

/* Calls the handler. False: it answers later. */
bool request_handle(struct request *r);

/* Makes `response` of what the handler has left, unless it made it itself. */
void request_respond(struct request *r);

/* -- for handlers --------------------------------------------------------------------------- */

/* A header of the response; the value is copied. */
void __attribute__((format(printf, 3, 4)))
request_add_header(struct request *r, const char *name, const char *format, ...);

/* A header of the request, or NULL. Borrowed. */
const char *request_header(const struct request *r, const char *name);

#endif
