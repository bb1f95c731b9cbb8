/*
 * credentials.h - the credentials that an executor host was given, for the units that it forks.
 *
 * They come with its slice, by descriptor. Units have a copy of the memory; nothing is passed by
 * arguments or environment. Single-threaded.
 */
#ifndef PROC_CREDENTIALS_H
#define PROC_CREDENTIALS_H

#include <drover/executor.h>

struct json_object;

struct credentials {
	bool taken;                      /* the executor has an option `credential` */
	char *named;                     /* owned: what that option says, or NULL */
	struct drover_credential *items; /* owned, with their strings */
	size_t count;
};

/* From the slice. The secrets are made known to the log, so that it redacts them. */
void credentials_read(struct credentials *c, struct json_object *slice);
/* Overwrites and frees. */
void credentials_dispose(struct credentials *c);
/*
 * What a unit logs in with: the credential that the task names, else the executor's own. `*found` is
 * NULL where neither says. DROVER_ENOTFOUND: the task names one that this executor has not.
 */
int credentials_find(const struct credentials *c, const char *name, const struct drover_credential **found,
		     struct drover_error *err);

#endif
