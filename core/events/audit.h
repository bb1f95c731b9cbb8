/*
 * audit.h - the audit log's way to its sinks: each line is on the disk, in the spool of every sink that asks for
 * audit events, before the call that writes it returns.
 *
 * Lines are not in the store: they are written also while it is away, and nobody who can write to the database can
 * change them. Their numbers are microseconds since 1970 where those grow, so that they grow also when a spool is lost.
 */
#ifndef EVENTS_AUDIT_H
#define EVENTS_AUDIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/source.h>

struct spool_writer;

struct audit {
	pthread_mutex_t lock; /* of what follows, and of the spools */
	pthread_cond_t changed;
	struct spool_writer **spools; /* the array is owned, they are not */
	size_t count;
	int64_t seq;    /* of the last line */
	int64_t synced; /* lines up to it are on the disk */
	int64_t failed; /* … or up to it, a sync failed */
	bool syncing;   /* somebody waits for the disk, for all lines that were there when it began */
};

void audit_init(struct audit *audit);
void audit_dispose(struct audit *audit);
/* Before any line. The spool must be made for audit_write's use alone. */
void audit_add(struct audit *audit, struct spool_writer *spool);
/*
 * Several at once share a wait for the disk. 0 with nobody who asks for them. DROVER_ERETRY: it may not be there
 * after a power failure, or a spool is full; it may come nonetheless. Any thread.
 */
int audit_write(struct audit *audit, const struct drover_audit *line, const char *node, struct drover_error *err);

#endif
