/*
 * refusals.h - refused requests on their way to the audit log and the log, folded: whoever is refused a thousand
 * times a second leaves two lines a minute, and all of them together no more than REFUSALS_KEPT.
 */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "access.h"
#include "workers.h"

#define REFUSALS_KEPT 64

/* Those of one reason from one place. */
struct refusal {
	char place[ACCESS_FROM_SIZE];   /* an address without its port */
	char from[ACCESS_FROM_SIZE];    /* the first one */
	char name[PRINCIPAL_NAME_SIZE]; /* the token's, where it is known; or "" */
	char token[PRINCIPAL_ID_SIZE];
	char detail[200];
	int status;
	int64_t times;  /* not written yet */
	int64_t silent; /* workers_now() until which nothing more is written */
};

struct refusals {
	struct server *server; /* borrowed */
	struct job job;
	pthread_mutex_t lock; /* of what follows */
	struct refusal items[REFUSALS_KEPT];
	size_t count;
	bool closing;
};

void refusals_init(struct refusals *refusals, struct server *server);
/* Writes what is left; before the workers are stopped. */
void refusals_finish(struct refusals *refusals);
void refusals_dispose(struct refusals *refusals);
/* A request was refused with 401 or 403, as its problem says. Does not block. */
void refusals_note(struct refusals *refusals, struct request *r, const char *method, const char *path);

#endif
