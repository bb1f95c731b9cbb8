/*
 * capture.h - what is kept of a stream: its first and its last bytes, up to a limit.
 *
 * Memory grows with what arrives and never beyond the limit, however much a host prints. Bytes of
 * any kind.
 */
#ifndef LIB_SSH_CAPTURE_H
#define LIB_SSH_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

struct capture {
	char *data;     /* owned; the head, then the tail as a ring */
	size_t size;    /* bytes kept */
	size_t room;    /* bytes allocated */
	size_t limit;   /* bytes kept at most */
	size_t at;      /* of the tail's oldest byte, once the limit is reached */
	uint64_t total; /* bytes that came by */
};

void capture_init(struct capture *c, size_t limit);
void capture_dispose(struct capture *c);
/* Returns 0 or -ENOMEM; the total counts in any case. */
int capture_add(struct capture *c, const void *data, size_t size);
/* The begin of what came by, in one piece: at most half of the limit. Borrowed until something is added. */
size_t capture_head(const struct capture *c, const void **data);
/* Puts the tail in order; `data` and `size` are then what was kept. Nothing may be added later. */
void capture_finish(struct capture *c);

#endif
