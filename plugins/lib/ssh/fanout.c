#include "ssh/fanout.h"

#include <errno.h>
#include <stdlib.h>
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

int fanout_new(struct fanout **fanout, sd_event *event, const struct fanout_config *config,
	       const struct fanout_target *targets, size_t count)
{
	struct fanout *f = calloc(1, sizeof(*f));
	int code = -ENOMEM;

	if (!f)
		return code;
	f->config = *config;
	f->event = event;
	f->agent.fd = -1;
	f->hosts = calloc(count, sizeof(*f->hosts));
	if (!f->hosts || ssh_init() < 0)
		goto fail;
	ssh_set_log_level(SSH_LOG_NOLOG);
	for (size_t i = 0; i < count; i++)
		host_init(&f->hosts[i], f, i, &targets[i]);
	f->count = f->left = count;
	if ((code = keys_load(&f->keys, config->keys, config->key_count, config->keys_optional)) < 0 ||
	    (code = hostkeys_load(&f->hostkeys, config->known_hosts, config->known_hosts_count, config->accept_new)) <
		    0 ||
	    (code = resolver_new(&f->resolver, event, names_resolved, f)) < 0)
		goto fail;
	*fanout = f;
	return 0;
fail:
	fanout_free(f);
	return code;
}

/* Hosts may end while they are begun; a loop, since recursion could go as deep as there are hosts. */
static void begin_more(struct fanout *f)
{
	if (f->beginning)
		return;
	f->beginning = true;
	while (!f->stopped && f->next < f->count && f->running < f->config.width) {
		f->running++;
		host_begin(&f->hosts[f->next++]);
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
	if (f->config.agent)
		agent_ask(&f->agent, f->event, agent_settled, f);
	begin_more(f);
}

void fanout_stop(struct fanout *f)
{
	f->stopped = true;
	for (size_t i = 0; i < f->count; i++)
		host_stop(&f->hosts[i]);
}

int64_t fanout_stop_limit(void)
{
	return STOP_LIMIT_MS;
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
	agent_dispose(&f->agent);
	resolver_free(f->resolver);
	hostkeys_free(f->hostkeys);
	keys_dispose(&f->keys);
	free(f);
}
