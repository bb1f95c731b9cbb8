/*
 * route.h - the routes as data: what may be asked, who may, and who answers.
 *
 * Default deny: a route whose role is missing is served to nobody.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct request;

/* What a caller must be allowed. Each includes the ones before it. */
enum route_role {
	ROLE_MISSING = 0, /* nobody has it */
	ROLE_ANYBODY,     /* health checks */
	ROLE_READ,
	ROLE_SUBMIT,
	ROLE_ADMIN
};

/* How a handler is called. */
enum route_place {
	ROUTE_WORKER = 0, /* on a worker's thread: may block */
	ROUTE_DIRECT      /* on the connection's thread: must not block; answers also while all workers are busy */
};

enum route_handled {
	ROUTE_LATER = -1 /* not answered yet: the handler is called again when something has woken the request */
};

/*
 * Fills the request's response and returns its HTTP status, says what is wrong in its problem and returns
 * whatever, or returns ROUTE_LATER. A handler whose route has parameters is called for a wrong query too, so
 * that all its errors are found: it looks for a problem when it has read them, before it does anything.
 */
typedef int route_handler(struct request *request);

#define ROUTE_ARGUMENTS 2

struct route {
	const char *method; /* GET (HEAD comes with it) or POST */
	const char *path;   /* a segment {…} matches any, which becomes an argument; a final `/` may be left out */
	enum route_role role;
	route_handler *handler;
	const char *parameters; /* of the query, separated by blanks; others are refused */
	enum route_place place;
	const char *produces; /* media type of its answers */
};

/* A segment of the path that a pattern captured; not decoded yet. Borrowed. */
struct route_argument {
	const char *text;
	size_t size;
};

/*
 * The route of a path, or NULL. `path_known` says whether it exists with another method, and `allow` then
 * lists the methods, as the header Allow has it.
 */
const struct route *route_find(const char *method, const char *path, struct route_argument arguments[ROUTE_ARGUMENTS],
			       bool *path_known, char allow[32]);

/* Writes the routes as a JSON array: method, path, role, parameters. */
void route_describe(FILE *out);

/* Their number, and one of them. */
size_t route_count(void);
const struct route *route_at(size_t index);

/* Of the first generation: its clients write what they like into Content-Type, Accept and the query. */
bool route_is_first_generation(const struct route *route);

/* Whether a route takes this parameter. */
bool route_takes(const struct route *route, const char *parameter);

#endif
