/*
 * auth.c - logging in: each key once, then the agent's, then the password, once.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ssh/internal.h"

/* ----------------------------------------------------------------------------- why it was refused */

static void __attribute__((format(printf, 3, 4))) append(char *text, size_t size, const char *format, ...)
{
	size_t length = strlen(text);
	va_list args;

	va_start(args, format);
	vsnprintf(text + length, size - length, format, args);
	va_end(args);
}

/* "/root/.ssh/id_rsa (refused), the agent (2 keys refused), …" */
static void list_tried(const struct host *h, char *text, size_t size)
{
	const struct settings *s = &h->settings;
	const struct agent *agent = s->agent;

	*text = '\0';
	for (size_t i = 0; i < s->identity_count; i++)
		append(text, size, "%s%s (%s)", *text ? ", " : "", s->identities[i]->label,
		       s->identities[i]->problem ? s->identities[i]->problem
		       : i < h->key              ? "refused"
						 : "not tried");
	if (agent && agent->problem)
		append(text, size, "%sthe agent (%s)", *text ? ", " : "", agent->problem);
	else if (agent)
		append(text, size, "%sthe agent (%u %s %s)", *text ? ", " : "", agent->keys,
		       agent->keys == 1 ? "key" : "keys", h->agent_tried ? "refused" : "not tried");
	if (s->password)
		append(text, size, "%sthe password (%s)", *text ? ", " : "",
		       h->password_tried ? "refused" : "not asked for");
}

static enum host_state refused(struct host *h, const char *why)
{
	char tried[320];

	list_tried(h, tried, sizeof(tried));
	return host_end(h, FANOUT_UNREACHABLE, "%s does not let %s log in: %s; tried: %s", h->where, host_user(h), why,
			*tried ? tried : "nothing, since no key was given and no agent is used");
}

/* Everything that we have was tried. */
static enum host_state exhausted(struct host *h)
{
	char why[160];
	int wanted = ssh_userauth_list(h->session, NULL);

	if (*h->asked)
		snprintf(why, sizeof(why), "it asks \"%s\", for which there is no answer", h->asked);
	else if (h->more_wanted)
		snprintf(why, sizeof(why), "it wants more than that%s%s%s",
			 wanted & SSH_AUTH_METHOD_PUBLICKEY ? ", a key" : "",
			 wanted & SSH_AUTH_METHOD_PASSWORD ? ", a password" : "",
			 wanted & SSH_AUTH_METHOD_INTERACTIVE ? ", answers to questions" : "");
	else
		snprintf(why, sizeof(why),
			 h->settings.password ? "neither key nor password was accepted" : "no key was accepted");
	return refused(h, why);
}

/* ---------------------------------------------------------------------------------------- methods */

/* One key. With several, the server is asked first whether it would take it: signatures cost. */
static int try_key(struct host *h)
{
	const struct identity *identity = h->settings.identities[h->key];
	int code;

	if (!identity->private)
		return SSH_AUTH_DENIED;
	if (!h->signing && (h->settings.identity_count > 1 || h->settings.agent)) {
		code = ssh_userauth_try_publickey(h->session, NULL,
						  identity->certificate ? identity->certificate : identity->private);
		if (code != SSH_AUTH_SUCCESS)
			return code;
		h->signing = true;
	}
	return ssh_userauth_publickey(h->session, NULL, identity->private);
}

static int try_keys(struct host *h)
{
	while (h->key < h->settings.identity_count) {
		int code = try_key(h);

		if (code != SSH_AUTH_DENIED || host_disconnected(h))
			return code;
		h->key++;
		h->signing = false;
	}
	return SSH_AUTH_DENIED;
}

static int try_agent(struct host *h)
{
	struct agent *agent = h->settings.agent;
	int code;

	if (!agent || h->agent_tried)
		return SSH_AUTH_DENIED;
	if (agent->state == AGENT_ASKED) {
		/* What the server sends meanwhile is taken in, or the loop would spin on it. */
		return ssh_event_dopoll(h->poll, 0) == SSH_ERROR ? SSH_AUTH_ERROR : SSH_AUTH_AGAIN;
	}
	if (agent->state != AGENT_READY)
		return SSH_AUTH_DENIED;
	code = ssh_userauth_agent(h->session, NULL);
	h->agent_tried = code != SSH_AUTH_AGAIN;
	return code;
}

/* False where the server has already said that it does not take this. */
static bool offered(struct host *h, int method)
{
	int all = ssh_userauth_list(h->session, NULL);

	return !all || all & method;
}

static int try_password(struct host *h)
{
	int code;

	if (h->password_tried || !offered(h, SSH_AUTH_METHOD_PASSWORD))
		return SSH_AUTH_DENIED;
	code = ssh_userauth_password(h->session, NULL, h->settings.password);
	/* A server that does not take passwords has not heard it as one: it may ask for it. */
	if (code == SSH_AUTH_DENIED)
		h->password_tried = offered(h, SSH_AUTH_METHOD_PASSWORD);
	return code;
}

/* The one hidden question is for the password; of others we know nothing. */
static bool answer(struct host *h)
{
	char echo = 1;
	const char *prompt = ssh_userauth_kbdint_getprompt(h->session, 0, &echo);
	size_t size = 0;

	if (ssh_userauth_kbdint_getnprompts(h->session) == 1 && !echo && !h->password_tried) {
		h->password_tried = true;
		return ssh_userauth_kbdint_setanswer(h->session, 0, h->settings.password) >= 0;
	}
	for (; prompt && *prompt && size < sizeof(h->asked) - 1; prompt++)
		h->asked[size++] = (unsigned char)*prompt < ' ' || *prompt == 127 ? ' ' : *prompt;
	h->asked[size] = '\0';
	return false;
}

static int try_keyboard(struct host *h)
{
	if ((h->password_tried && !h->signing) || !offered(h, SSH_AUTH_METHOD_INTERACTIVE))
		return SSH_AUTH_DENIED;
	h->signing = true; /* the questions go on */
	for (int rounds = 0; rounds < 8; rounds++) {
		int code = ssh_userauth_kbdint(h->session, NULL, NULL);

		if (code != SSH_AUTH_INFO)
			return code;
		if (ssh_userauth_kbdint_getnprompts(h->session) > 0 && !answer(h))
			return SSH_AUTH_DENIED;
	}
	return SSH_AUTH_DENIED;
}

static int try_method(struct host *h)
{
	int code;

	switch (h->settings.methods[h->method]) {
	case AUTH_PUBLIC_KEY:
		code = try_keys(h);
		return code == SSH_AUTH_DENIED && !host_disconnected(h) ? try_agent(h) : code;
	case AUTH_PASSWORD:
		return try_password(h);
	case AUTH_KEYBOARD:
		return try_keyboard(h);
	case AUTH_METHOD_COUNT:
		break;
	}
	return SSH_AUTH_DENIED;
}

enum host_state auth_step(struct host *h)
{
	for (; h->method < h->settings.method_count; h->method++, h->signing = false) {
		int code = try_method(h);

		if (code == SSH_AUTH_AGAIN && !host_disconnected(h))
			return HOST_AUTHENTICATING;
		if (code == SSH_AUTH_SUCCESS)
			return HOST_OPENING;
		if ((code != SSH_AUTH_DENIED && code != SSH_AUTH_PARTIAL) || host_disconnected(h))
			return refused(h, host_reason(h));
		h->more_wanted |= code == SSH_AUTH_PARTIAL;
		if (*h->asked)
			break;
	}
	return exhausted(h);
}
