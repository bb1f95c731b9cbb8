/*
 * access.h - what a principal (drover/source.h) may touch: the hosts of its node set, its own tasks, the credentials
 * that allow it. Sources know who asks; whether that one may is decided here, for all of them alike.
 *
 * Thread: any, but for access_configure.
 */
#ifndef DAEMON_ACCESS_H
#define DAEMON_ACCESS_H

#include <pthread.h>

#include <drover/source.h>

struct core;
struct json_object;
struct submission;
struct access_set;
struct access_verdict;

struct access {
	pthread_mutex_t lock;            /* of what follows */
	struct json_object *credentials; /* owned: {NAME: {"allow": [token name] or null}} */
	struct access_set *sets;         /* a uthash by text: node sets that tokens have lately had */
	struct access_verdict *verdicts; /* a uthash by task and node set: a task's hosts never change */
};

/* `credentials` of the core's slice; at the start and at a reload. Copies. */
void access_configure(struct access *access, struct json_object *credentials);
void access_dispose(struct access *access);

/*
 * Whether `by` (NULL: anything goes) may submit this: each host is in its node set, and the credential that the task
 * names allows it. Submissions of all kinds come through here, a retry's too. DROVER_EDENIED names what is not allowed.
 */
int access_check_submission(struct core *core, const struct drover_principal *by, const struct submission *submission,
			    struct drover_error *err);

/* Whether it may touch certain hosts only. */
bool access_is_confined(const struct drover_principal *by);

/* The service of drover/source.h. */
int access_permit(void *core, const struct drover_principal *by, const char *task, const char *host,
		  struct drover_error *err);

#endif
