#define _GNU_SOURCE

#include "ssh/resolve.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct resolver {
	sd_event_source *source;
	int wake;
	bool abandoned; /* some thread may still write to `wake` */
	void (*woken)(void *context);
	void *context;
};

struct resolver_request {
	struct resolver *resolver;
	struct gaicb gai;
	struct addrinfo hints;
	char *name;
	char service[8];
};

static void prepare_hints(struct addrinfo *hints, int flags)
{
	*hints = (struct addrinfo){ .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags };
}

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct resolver *r = context;
	uint64_t count;

	(void)source;
	(void)events;
	(void)!read(fd, &count, sizeof(count));
	r->woken(r->context);
	return 0;
}

int resolver_new(struct resolver **resolver, sd_event *event, void (*woken)(void *context), void *context)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return -ENOMEM;
	r->woken = woken;
	r->context = context;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = r->wake < 0 ? -errno : sd_event_add_io(event, &r->source, r->wake, EPOLLIN, on_wake, r);
	if (code < 0) {
		resolver_free(r);
		return code;
	}
	*resolver = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	sd_event_source_disable_unref(r->source);
	if (r->wake >= 0 && !r->abandoned)
		close(r->wake);
	free(r);
}

int resolver_numeric(const char *name, int port, struct addrinfo **addresses)
{
	struct addrinfo hints;
	char service[8];

	prepare_hints(&hints, AI_NUMERICHOST | AI_NUMERICSERV);
	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(name, service, &hints, addresses);
}

/* In a thread of glibc's. */
static void on_resolved(union sigval value)
{
	const uint64_t one = 1;

	(void)!write(value.sival_int, &one, sizeof(one));
}

int resolver_start(struct resolver *resolver, const char *name, int port, struct resolver_request **request)
{
	struct resolver_request *r = calloc(1, sizeof(*r));
	struct sigevent when = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_resolved };
	struct gaicb *list[1];

	if (!r)
		return -ENOMEM;
	r->resolver = resolver;
	r->name = strdup(name);
	snprintf(r->service, sizeof(r->service), "%d", port);
	prepare_hints(&r->hints, AI_NUMERICSERV);
	r->gai = (struct gaicb){ .ar_name = r->name, .ar_service = r->service, .ar_request = &r->hints };
	when.sigev_value.sival_int = resolver->wake;
	list[0] = &r->gai;
	if (!r->name || getaddrinfo_a(GAI_NOWAIT, list, 1, &when) != 0) {
		free(r->name);
		free(r);
		return -ENOMEM;
	}
	*request = r;
	return 0;
}

int resolver_result(struct resolver_request *r, struct addrinfo **addresses)
{
	int code = gai_error(&r->gai);

	if (code)
		return code;
	*addresses = r->gai.ar_result;
	r->gai.ar_result = NULL;
	return 0;
}

void resolver_request_free(struct resolver_request *r)
{
	if (!r)
		return;
	if (gai_error(&r->gai) == EAI_INPROGRESS && gai_cancel(&r->gai) != EAI_ALLDONE &&
	    gai_error(&r->gai) == EAI_INPROGRESS) {
		r->resolver->abandoned = true;
		return;
	}
	if (r->gai.ar_result)
		freeaddrinfo(r->gai.ar_result);
	free(r->name);
	free(r);
}
