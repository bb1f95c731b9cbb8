/*
 * resolve.h - names to addresses without blocking the event loop.
 *
 * glibc's getaddrinfo_a does the waiting in a bounded number of threads of its own; one eventfd
 * wakes the loop when any request has ended.
 */
#ifndef LIB_SSH_RESOLVE_H
#define LIB_SSH_RESOLVE_H

#include <netdb.h>

#include <systemd/sd-event.h>

struct resolver;
struct resolver_request;

/* `woken` is called in the loop when requests have ended; it asks resolver_result of those it has. */
int resolver_new(struct resolver **resolver, sd_event *event, void (*woken)(void *context), void *context);
/* Requests must have been freed before. */
void resolver_free(struct resolver *resolver);

/* Numbers only, at once: 0, or an EAI_ code. */
int resolver_numeric(const char *name, int port, struct addrinfo **addresses);
/* Returns 0 or a negative errno. */
int resolver_start(struct resolver *resolver, const char *name, int port, struct resolver_request **request);
/* EAI_INPROGRESS, 0 with addresses that the caller frees, or another EAI_ code. */
int resolver_result(struct resolver_request *request, struct addrinfo **addresses);
/* One that is in progress is given up; its memory is left to the thread that still uses it. */
void resolver_request_free(struct resolver_request *request);

#endif
