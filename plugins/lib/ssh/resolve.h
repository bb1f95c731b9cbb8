/*
 * resolve.h - names to addresses without blocking the event loop.
 *
 * getaddrinfo blocks, for as long as the name servers like. So it is called in threads: as many as
 * names are being looked up, up to a few, each gone when no name is left. One eventfd wakes the
 * loop when any request has ended. (getaddrinfo_a does the same, in threads that sanitizers do not
 * know of.)
 */
#ifndef LIB_SSH_RESOLVE_H
#define LIB_SSH_RESOLVE_H

#include <stdbool.h>

#include <netdb.h>

#include <systemd/sd-event.h>

struct resolver;
struct resolver_request;

/* `woken` is called in the loop when requests have ended; it asks resolver_result of those it has. */
int resolver_new(struct resolver **resolver, sd_event *event, void (*woken)(void *context), void *context);
/* Requests must have been freed before. What threads still use lives until they are done. */
void resolver_free(struct resolver *resolver);

/* Numbers only, at once: 0, or an EAI_ code. */
int resolver_numeric(const char *name, int port, int family, struct addrinfo **addresses);
/* Returns 0 or a negative errno. */
int resolver_start(struct resolver *resolver, const char *name, int port, int family,
		   struct resolver_request **request);
/* False while it is in progress; else `*code` is 0, with addresses that the caller frees, or an EAI_ code. */
bool resolver_result(struct resolver_request *request, int *code, struct addrinfo **addresses);
/* NULL is allowed. One that is in progress is given up. */
void resolver_request_free(struct resolver_request *request);

#endif
