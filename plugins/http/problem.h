/*
 * problem.h - what is wrong with a request, as an RFC 9457 problem document: one kind, and as many errors
 * as were found, each with its place.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include <drover/error.h>

#include "writer.h"

enum problem_kind {
	PROBLEM_NONE = 0,
	PROBLEM_SYNTAX,         /* 400: not JSON */
	PROBLEM_REQUEST,        /* 400: not HTTP as it should be */
	PROBLEM_PARAMETERS,     /* 400: of the query */
	PROBLEM_UNAUTHORIZED,   /* 401, with WWW-Authenticate */
	PROBLEM_FORBIDDEN,      /* 403 */
	PROBLEM_NOT_FOUND,      /* 404 */
	PROBLEM_METHOD,         /* 405 */
	PROBLEM_NOT_ACCEPTABLE, /* 406 */
	PROBLEM_CONFLICT,       /* 409 */
	PROBLEM_TOO_LARGE,      /* 413 */
	PROBLEM_MEDIA_TYPE,     /* 415 */
	PROBLEM_RANGE,          /* 416 */
	PROBLEM_INVALID_TASK,   /* 422 */
	PROBLEM_INVALID,        /* 422: another body */
	PROBLEM_LIMIT,          /* 422: a configured bound */
	PROBLEM_FAULT,          /* 500 */
	PROBLEM_UNAVAILABLE,    /* 503, with Retry-After */
	PROBLEM_KINDS
};

struct problem {
	enum problem_kind kind;
	char detail[DROVER_ERROR_SIZE];
	struct writer errors; /* the members of the array */
	size_t count;         /* of errors told, also those beyond what is kept */
};

void problem_dispose(struct problem *p);

/* Says what is wrong; the first kind said stands. Returns the HTTP status. */
int __attribute__((format(printf, 3, 4)))
problem_set(struct problem *p, enum problem_kind kind, const char *format, ...);

/* What a service answered, as a problem. */
int problem_set_code(struct problem *p, int code, const struct drover_error *err);

/* One error at a place: `where` is "pointer" (RFC 6901) or "parameter". 100 are kept, the others counted. */
void problem_add(struct problem *p, const char *where, const char *place, const char *detail);

/* The status of what was said last by problem_set. */
int problem_status(const struct problem *p);

/* The whole document. */
void problem_write(const struct problem *p, struct writer *w);

#endif
