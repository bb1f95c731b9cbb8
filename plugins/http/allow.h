/*
 * allow.h - a list of networks, as addresses and CIDR blocks, and whether a peer is in one.
 */
#ifndef ALLOW_H
#define ALLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include <drover/error.h>

struct allow_network {
	unsigned char address[16]; /* IPv4 as ::ffff:a.b.c.d */
	int bits;                  /* of the 128 */
};

struct allow_list {
	struct allow_network *items; /* owned */
	size_t count;
};

/* `10.0.0.0/8,192.0.2.7,fd00::/8`, with blanks as one likes. DROVER_EINVALID: also where it is empty. */
int allow_parse(struct allow_list *list, const char *text, struct drover_error *err);
void allow_dispose(struct allow_list *list);

/* Any thread. */
bool allow_has(const struct allow_list *list, const struct sockaddr *peer);

#endif
