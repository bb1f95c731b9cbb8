/*
 * retry.h - which hosts of a task that has ended are to be done again, and the task that does it.
 *
 * The child is written as a user would write it, and goes the way of any submission. Thread: any.
 */
#ifndef TASK_RETRY_H
#define TASK_RETRY_H

#include <drover/store.h>

#include "task/limits.h"
#include "task/problems.h"
#include "util/buf.h"
#include "util/nameset.h"

struct json_object;

struct retry {
	const char *id;        /* of the child, or NULL */
	int64_t life;          /* ms that the child may wait for an engine at most; 0: for ever. Set after retry_read */
	bool by_status, named; /* the request says so */
	unsigned statuses;     /* bits 1 << enum drover_status */
	struct nameset names;  /* hosts that were not met yet */

	/* owned */
	struct json_object *root, *body, *hosts;
	struct buf indexes; /* of the selected hosts */
};

/* Reads a request: {"id"?, "status"?, "hosts"?}, or nothing. Dispose of it in any case. DROVER_EINVALID. */
int retry_read(struct retry *retry, const void *json, size_t size, const struct task_limits *limits,
	       struct problems *problems, struct drover_error *err);
void retry_dispose(struct retry *retry);

/* The child's members, all but its hosts; then each host of the parent, which may not be selected. */
void retry_begin(struct retry *retry, const struct drover_task *parent);
void retry_offer(struct retry *retry, int64_t index, enum drover_status status, enum drover_remote remote,
		 const struct drover_host_spec *host);
/* When all were offered: the child as JSON text, borrowed. DROVER_EINVALID: nothing is selected, or a host is not there. */
int retry_finish(struct retry *retry, const struct drover_task *parent, const char **json, size_t *size,
		 struct problems *problems, struct drover_error *err);

#endif
