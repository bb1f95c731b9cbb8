#include "ssh/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define THREADS_MOST 16
#define STACK_SIZE (1024 * 1024)

/* Shared with the threads; the last one to leave frees it. */
struct resolver {
	pthread_mutex_t lock; /* of all below but the loop's own */
	int holders;          /* the loop and each thread */
	int threads;
	struct resolver_request *first, **last; /* that no thread has taken */
	int wake;
	/* the loop's own */
	sd_event_source *source;
	void (*woken)(void *context);
	void *context;
};

struct resolver_request {
	struct resolver *resolver;
	struct resolver_request *next;
	bool done;
	bool abandoned; /* the loop has lost interest: the thread frees it */
	int code;
	struct addrinfo *addresses;
	char *name;
	int port, family;
};

static int look_up(const char *name, int port, int family, int flags, struct addrinfo **addresses)
{
	const struct addrinfo hints = { .ai_family = family,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = flags | AI_NUMERICSERV };
	char service[8];

	snprintf(service, sizeof(service), "%d", port);
	return getaddrinfo(name, service, &hints, addresses);
}

int resolver_numeric(const char *name, int port, int family, struct addrinfo **addresses)
{
	return look_up(name, port, family, AI_NUMERICHOST, addresses);
}

static void destroy_request(struct resolver_request *r)
{
	if (r->addresses)
		freeaddrinfo(r->addresses);
	free(r->name);
	free(r);
}

/* Unlocks, and frees what nobody holds any more. */
static void leave(struct resolver *resolver)
{
	bool last = !--resolver->holders;

	pthread_mutex_unlock(&resolver->lock);
	if (!last)
		return;
	if (resolver->wake >= 0)
		close(resolver->wake);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

/* --------------------------------------------------------------------------------------- threads */

static void work(struct resolver *resolver, struct resolver_request *r)
{
	static const uint64_t one = 1;

	if (!r->abandoned) {
		pthread_mutex_unlock(&resolver->lock);
		r->code = look_up(r->name, r->port, r->family, 0, &r->addresses);
		pthread_mutex_lock(&resolver->lock);
	}
	r->done = true;
	if (r->abandoned)
		destroy_request(r);
	else
		(void)!write(resolver->wake, &one, sizeof(one));
}

static void *run(void *context)
{
	struct resolver *resolver = context;

	pthread_mutex_lock(&resolver->lock);
	while (resolver->first) {
		struct resolver_request *r = resolver->first;

		resolver->first = r->next;
		if (!resolver->first)
			resolver->last = &resolver->first;
		work(resolver, r);
	}
	resolver->threads--;
	leave(resolver);
	return NULL;
}

/* With the lock held. Signals are the main thread's. */
static int add_thread(struct resolver *resolver)
{
	sigset_t all, old;
	pthread_attr_t attributes;
	pthread_t thread;
	int code;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	code = pthread_create(&thread, &attributes, run, resolver);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	if (!code) {
		resolver->threads++;
		resolver->holders++;
	}
	return -code;
}

/* -------------------------------------------------------------------------------------- the loop's */

static int on_wake(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct resolver *resolver = context;
	uint64_t count;

	(void)source;
	(void)events;
	(void)!read(fd, &count, sizeof(count));
	resolver->woken(resolver->context);
	return 0;
}

int resolver_new(struct resolver **resolver, sd_event *event, void (*woken)(void *context), void *context)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int code;

	if (!r)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->holders = 1;
	r->last = &r->first;
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
	pthread_mutex_lock(&r->lock);
	leave(r);
}

int resolver_start(struct resolver *resolver, const char *name, int port, int family, struct resolver_request **request)
{
	struct resolver_request *r = calloc(1, sizeof(*r));
	int code = 0;

	if (!r)
		return -ENOMEM;
	r->resolver = resolver;
	r->port = port;
	r->family = family;
	r->name = strdup(name);
	if (!r->name) {
		free(r);
		return -ENOMEM;
	}
	pthread_mutex_lock(&resolver->lock);
	if (resolver->threads < THREADS_MOST)
		code = add_thread(resolver);
	if (!resolver->threads) {
		pthread_mutex_unlock(&resolver->lock);
		destroy_request(r);
		return code;
	}
	*resolver->last = r;
	resolver->last = &r->next;
	pthread_mutex_unlock(&resolver->lock);
	*request = r;
	return 0;
}

bool resolver_result(struct resolver_request *r, int *code, struct addrinfo **addresses)
{
	bool done;

	pthread_mutex_lock(&r->resolver->lock);
	done = r->done;
	pthread_mutex_unlock(&r->resolver->lock);
	if (!done)
		return false;
	*code = r->code;
	*addresses = r->addresses;
	r->addresses = NULL;
	return true;
}

void resolver_request_free(struct resolver_request *r)
{
	struct resolver *resolver;
	bool done;

	if (!r)
		return;
	resolver = r->resolver;
	pthread_mutex_lock(&resolver->lock);
	done = r->done;
	r->abandoned = true;
	pthread_mutex_unlock(&resolver->lock);
	if (done)
		destroy_request(r);
}
