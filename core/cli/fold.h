/*
 * fold.h - hosts with the same result shown as one: rows go in one by one, and only what differs is kept.
 */
#ifndef CLI_FOLD_H
#define CLI_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "util/buf.h"

struct json_object;

#define FOLD_KEY_SIZE 32

/* What the hosts of a group have in common. */
struct fold_group {
	unsigned char key[FOLD_KEY_SIZE];
	char *status, *phase, *message, *signal, *remote; /* owned; "" where there is none */
	bool has_rc;
	int64_t rc;
	struct buf out, err;
	bool cut;       /* the outputs' rest was dropped: too much differs */
	bool truncated; /* the daemon kept head and tail only */
	char **names;   /* owned */
	size_t count, room;
	UT_hash_handle hh;
};

struct fold {
	struct fold_group *groups;
	size_t kept;    /* bytes of output that are held */
	bool no_output; /* set by the caller: outputs do not count, only how hosts ended */
};

#define FOLD_INIT                                                                                                      \
	{                                                                                                              \
		0                                                                                                      \
	}

void fold_add(struct fold *fold, struct json_object *row);
/*
 * The groups in the order in which they are shown: hosts that are ok first, then the others; the largest first.
 * The array is owned by the caller, the groups stay the fold's.
 */
struct fold_group **fold_sorted(struct fold *fold, size_t *count);
void fold_dispose(struct fold *fold);

#endif
