/*
 * listen.h - the address that is listened on: what may be configured, and the socket.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <drover/error.h>

#define LISTEN_TEXT_SIZE 160

struct listen_address {
	union {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
		struct sockaddr_un local;
	};
	socklen_t size;
	bool reachable; /* from other machines */
};

struct listener {
	int fd;                                                 /* -1: none */
	bool local;                                             /* a unix socket */
	char text[LISTEN_TEXT_SIZE];                            /* what it is bound to, as it could be configured */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the socket file */
	dev_t device; /* of the socket file as it was made, so that another's is not removed */
	ino_t inode;
};

/*
 * `127.0.0.1:8007`, `[::1]:8007`, `localhost:8007` (127.0.0.1) or `unix:PATH`. No side effects.
 * Other addresses are `reachable`. Errors: DROVER_EINVALID: it is no address and port.
 */
int listen_parse(const char *text, struct listen_address *address, struct drover_error *err);

/*
 * Binds and listens; `text` is the address as configured, for messages. A unix socket gets mode 0600; a
 * socket file that nobody answers on is replaced.
 * Errors: DROVER_ECONFLICT: somebody answers there; DROVER_EFAULT.
 */
int listen_open(struct listener *listener, const struct listen_address *address, const char *text,
		struct drover_error *err);

/* Removes the socket file, if it is still the one that was made. The descriptor must be closed already. */
void listen_remove(struct listener *listener);

/* Writes the bound address and a line end to `path`, at once or not at all. */
int listen_write_address(const struct listener *listener, const char *path, struct drover_error *err);

#endif
