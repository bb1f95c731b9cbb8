/*
 * auth.c - logging in: each key once, then the agent's.
 */
#include <stdio.h>
#include <string.h>

#include "ssh/internal.h"

static const char *user_of(const struct host *h)
{
	return h->target->user ? h->target->user : h->fanout->config.user;
}

/* "tried: /root/.ssh/id_rsa (refused), …" */
static void list_tried(const struct host *h, char *text, size_t size)
{
	const struct fanout *f = h->fanout;

	*text = '\0';
	for (size_t i = 0; i < f->keys.count; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s%s (%s)", i ? ", " : "", f->keys.items[i].path,
			 f->keys.items[i].problem ? f->keys.items[i].problem
			 : i < h->key             ? "refused"
						  : "not tried");
	if (!f->config.agent)
		return;
	snprintf(text + strlen(text), size - strlen(text), "%sagent (", *text ? ", " : "");
	if (f->agent.problem)
		snprintf(text + strlen(text), size - strlen(text), "%s)", f->agent.problem);
	else
		snprintf(text + strlen(text), size - strlen(text), "%u %s %s)", f->agent.keys,
			 f->agent.keys == 1 ? "key" : "keys", h->agent_tried ? "refused" : "not tried");
}

static enum host_state refused(struct host *h, const char *why)
{
	char tried[320];

	list_tried(h, tried, sizeof(tried));
	return host_end(h, FANOUT_UNREACHABLE, "%s does not let %s log in: %s; keys: %s", h->where, user_of(h), why,
			*tried ? tried : "none was given and no agent is used");
}

static enum host_state failed(struct host *h, int code)
{
	if (code == SSH_AUTH_PARTIAL)
		return refused(h, "it wants more than a key");
	return refused(h, host_reason(h));
}

/* One key. With several, the server is asked first whether it would take it: signatures cost. */
static int try_key(struct host *h)
{
	ssh_key key = h->fanout->keys.items[h->key].private;
	int code;

	if (!key)
		return SSH_AUTH_DENIED;
	if (!h->signing && (h->fanout->keys.count > 1 || h->fanout->agent.state != AGENT_NONE)) {
		code = ssh_userauth_try_publickey(h->session, NULL, key);
		if (code != SSH_AUTH_SUCCESS)
			return code;
		h->signing = true;
	}
	return ssh_userauth_publickey(h->session, NULL, key);
}

enum host_state auth_step(struct host *h)
{
	struct fanout *f = h->fanout;
	int code;

	while (h->key < f->keys.count) {
		code = try_key(h);
		if (code == SSH_AUTH_AGAIN && !host_disconnected(h))
			return HOST_AUTHENTICATING;
		if (code == SSH_AUTH_SUCCESS)
			return HOST_OPENING;
		if (code != SSH_AUTH_DENIED || host_disconnected(h))
			return failed(h, code);
		h->key++;
		h->signing = false;
	}
	if (f->agent.state == AGENT_ASKED) {
		/* What the server sends meanwhile is taken in, or the loop would spin on it. */
		if (ssh_event_dopoll(h->poll, 0) == SSH_ERROR || host_disconnected(h))
			return failed(h, SSH_AUTH_ERROR);
		return HOST_AUTHENTICATING;
	}
	if (f->agent.state != AGENT_READY)
		return refused(h, "no key was accepted");
	code = ssh_userauth_agent(h->session, NULL);
	if (code == SSH_AUTH_AGAIN && !host_disconnected(h))
		return HOST_AUTHENTICATING;
	if (code == SSH_AUTH_SUCCESS)
		return HOST_OPENING;
	h->agent_tried = true;
	if (code != SSH_AUTH_DENIED || host_disconnected(h))
		return failed(h, code);
	return refused(h, "no key was accepted");
}
