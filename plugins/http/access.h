/*
 * access.h - who asks, and whether they may: by the headers and the path alone, before a body is read.
 *
 * Without `tokens` everybody who can connect may do everything. With it, each request but those of routes for
 * anybody needs a token (401), of the role that the route names (403); a token with a node set is held to it:
 * for a path that names a task here, for hosts in a query by the handlers, for a submission by the core.
 */
#ifndef ACCESS_H
#define ACCESS_H

#include <drover/source.h>

#include "tokens.h"

struct request;

#define ACCESS_FROM_SIZE 80

struct access {
	struct drover_principal by; /* its strings are those below */
	struct principal token;     /* owned; role NONE: there is none */
	char owner[PRINCIPAL_NAME_SIZE];
	char from[ACCESS_FROM_SIZE];
	bool audited; /* an action of this request is in the audit log */
	bool refused; /* it is noted there that it was refused */
};

/* Who asks; what is wrong is in the request's problem. The connection's thread. */
void access_identify(struct request *r);
/* Whether the route's role is theirs. The connection's thread. */
void access_check_role(struct request *r);

/* Whether it takes a question to the store to know that they may have the task that the path names. */
bool access_needs_task(const struct request *r);
/* Asks it; may block. */
void access_check_task(struct request *r);
/* For hosts that a query names; may block. 0, or it is in the problem. */
int access_check_host(struct request *r, const char *host);
/* For a task that a query names; may block. 0, or it is in the problem. */
int access_check_named_task(struct request *r, const char *task);
/* A list of tasks: one with a node set sees its own. `*owner` is the filter. 0, or it is in the problem. */
int access_own_only(struct request *r, const char **owner);

/*
 * Writes down what is about to be done: all that is posted, but what the core writes down itself. False: it
 * cannot be, so it must not be done; it is in the problem. May block.
 */
bool access_audit(struct request *r);
/* It was not done after all. May block. */
void access_audit_failure(struct request *r);

/* Whether the request's token is still good; true where there is none. */
bool access_still(struct request *r);

void access_dispose(struct access *access);

#endif
