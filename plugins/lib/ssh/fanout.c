#include "ssh/fanout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ssh/internal.h"

int64_t fanout_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void advance_all(struct fanout *f, enum host_state state)
{
	for (size_t i = 0; i < f->next; i++)
		if (f->hosts[i].state == state)
			host_advance(&f->hosts[i]);
}

static void names_resolved(void *context)
{
	advance_all(context, HOST_RESOLVING);
}

static void agent_settled(void *context)
{
	advance_all(context, HOST_AUTHENTICATING);
}

void fanout_prepare(void)
{
	unsigned char byte;

	if (!ssh_init())
		(void)ssh_get_random(&byte, sizeof(byte), 0);
}

int fanout_new(struct fanout **fanout, sd_event *event, const struct fanout_config *config,
	       const struct fanout_target *targets, size_t count)
{
	struct fanout *f = calloc(1, sizeof(*f));
	char *end = remote_end_make(config->limits.term);
	int code = -ENOMEM;

	if (!f || !end) {
		free(f);
		free(end);
		return code;
	}
	f->config = *config;
	f->event = event;
	f->hosts = calloc(count, sizeof(*f->hosts));
	if (!f->hosts || ssh_init() < 0)
		goto fail;
	ssh_set_log_level(SSH_LOG_NOLOG);
	if ((code = become_make(&f->become, config, end)) < 0 ||
	    (code = config_load(&f->ssh_config, config->ssh_config, config->ssh_config_count, config->home)) < 0 ||
	    (code = resolver_new(&f->resolver, event, names_resolved, f)) < 0)
		goto fail;
	for (size_t i = 0; i < count; i++)
		host_init(&f->hosts[i], f, i, &targets[i]);
	f->count = f->left = count;
	free(end);
	*fanout = f;
	return 0;
fail:
	free(end);
	fanout_free(f);
	return code;
}

struct agent *fanout_agent(struct fanout *f, const char *path)
{
	struct agent *a = f->agents;

	while (a && strcmp(a->path, path) != 0)
		a = a->another;
	if (a)
		return a;
	a = calloc(1, sizeof(*a));
	if (!a || agent_ask(a, f->event, path, f->config.limits.agent, agent_settled, f) < 0) {
		free(a);
		return NULL;
	}
	a->another = f->agents;
	f->agents = a;
	return a;
}

struct hostkeys *fanout_hostkeys(struct fanout *f, const char *const *paths, size_t count)
{
	struct hostkeys *found = hostkeys_find(f->hostkeys, paths, count);

	if (found || hostkeys_load(&found, paths, count, f->hostkeys) < 0)
		return found;
	f->hostkeys = found;
	return found;
}

static enum fanout_leave may_begin(struct fanout *f)
{
	return f->config.leave ? f->config.leave(f->config.context, f->next) : FANOUT_GO;
}

/* Hosts may end while they are begun; a loop, since recursion could go as deep as there are hosts. */
static void begin_more(struct fanout *f)
{
	enum fanout_leave leave;

	if (f->beginning)
		return;
	f->beginning = true;
	while (!f->stopped && f->next < f->count && f->running < f->config.width &&
	       (leave = may_begin(f)) != FANOUT_WAIT) {
		if (leave == FANOUT_GO) {
			f->running++;
			host_begin(&f->hosts[f->next++]);
		} else {
			f->hosts[f->next++].state = HOST_DONE; /* it is somebody else's to tell */
			f->left--;
		}
	}
	f->beginning = false;
}

void fanout_ended(struct fanout *f)
{
	f->left--;
	if (f->running)
		f->running--;
	if (!f->stopped)
		begin_more(f);
}

void fanout_start(struct fanout *f)
{
	begin_more(f);
}

void fanout_continue(struct fanout *f)
{
	if (!f->stopped)
		begin_more(f);
}

size_t fanout_next(const struct fanout *f)
{
	return f->next;
}

size_t fanout_room(const struct fanout *f)
{
	return f->running < f->config.width ? f->config.width - f->running : 0;
}

size_t fanout_head(const struct fanout *f, size_t target, int stream, const void **data)
{
	const struct host *h = &f->hosts[target];

	if (h->state != HOST_BECOMING && h->state != HOST_RUNNING && h->state != HOST_ENDING)
		return 0;
	return capture_head(stream == 1 ? &h->out : &h->err, data);
}

void fanout_stop(struct fanout *f)
{
	f->stopped = true;
	for (size_t i = 0; i < f->count; i++)
		host_stop(&f->hosts[i]);
}

size_t fanout_left(const struct fanout *f)
{
	return f->left;
}

void fanout_free(struct fanout *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->count; i++)
		host_dispose(&f->hosts[i]);
	free(f->hosts);
	while (f->agents) {
		struct agent *a = f->agents;

		f->agents = a->another;
		agent_dispose(a);
		free(a);
	}
	resolver_free(f->resolver);
	hostkeys_free(f->hostkeys);
	identities_dispose(&f->identities);
	config_free(f->ssh_config);
	become_dispose(&f->become);
	free(f);
}
