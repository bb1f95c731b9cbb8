/*
 * principals.h - a file of those who may ask or submit, and what each of them may.
 *
 * One JSON object a line: `name`, `role`, `hosts` (a node set; missing or null: any), `expires` (RFC 3339 in UTC; missing
 * or null: never), `created`, which nobody reads, and what a kind of file has besides, by which its principals are
 * recognized. The whole file is right, or nothing of it is taken: what is not understood could be a limit.
 *
 * It is looked at at most twice a second, and read again when it has changed. One that cannot be read, or is wrong
 * anywhere, changes nothing: the principals before it stand, and it is logged, once.
 *
 * Nothing here locks; a file is used by one thread at a time.
 */
#ifndef PRINCIPALS_H
#define PRINCIPALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/source.h>

#include "principals/file_look.h"

struct json_object;

#define PRINCIPAL_ID_SIZE 33   /* with its NUL */
#define PRINCIPAL_NAME_SIZE 65 /* with its NUL */
#define PRINCIPAL_PROOF_SIZE 32

struct principal {
	char id[PRINCIPAL_ID_SIZE]; /* of which there is one in a file */
	char name[PRINCIPAL_NAME_SIZE];
	enum drover_role role;
	char *hosts;     /* owned, or NULL: any */
	int64_t expires; /* UTC ms, 0: never */
	unsigned char proof[PRINCIPAL_PROOF_SIZE];
	int line; /* of the file */
};

/* What differs between files. Static. */
struct principals_kind {
	const char *noun;           /* what the log calls them: "tokens" */
	const char *id_noun;        /* "id" */
	const char *const *members; /* that only this kind has, ended by NULL */
	bool readers;               /* the role `read` is one of theirs */
	bool secret;                /* nobody else may read the file; else nobody else may write it */
	/* Fills id and proof from those members. NULL, or what is wrong. */
	const char *(*read)(struct json_object *line, struct principal *principal);
};

struct principals {
	const struct principals_kind *kind; /* borrowed */
	char *path;                         /* owned; NULL: it is not open */
	struct principal *items;            /* owned, sorted by id */
	size_t count;
	struct file_look look; /* of the file as it was read last, or would have been */
	int64_t next_look;     /* CLOCK_MONOTONIC ms */
};

/* Also sets libsodium up. DROVER_EINVALID with the line, also where others may get at the file. */
int principals_open(struct principals *principals, const struct principals_kind *kind, const char *path,
		    struct drover_error *err);
void principals_close(struct principals *principals);
/* Reads the file again where it has changed. What was found before is gone then. */
void principals_refresh(struct principals *principals);
/* Also one that has expired. Borrowed until the next refresh; or NULL. */
const struct principal *principals_find(const struct principals *principals, const char *id);

bool principal_has_expired(const struct principal *principal);
/* Fills in all but `from`; the strings are the principal's. */
void principal_describe(const struct principal *principal, struct drover_principal *by);
/* False: no memory. */
bool principal_copy(struct principal *to, const struct principal *from);
void principal_dispose(struct principal *principal);
/* For a kind's `read`: a member's text, or NULL where it is none. Borrowed from the line. */
const char *principal_text(struct json_object *line, const char *member);

#endif
