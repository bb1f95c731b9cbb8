/*
 * command.c - the command: a channel, its start, its input and output, its end.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libssh/server.h> /* ssh_send_keepalive */

#include "ssh/internal.h"

#define INPUT_PART 65536 /* handed to libssh at once, which buffers what the socket does not take */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t size, int is_stderr, void *context)
{
	struct host *h = context;
	const struct fanout_config *config = &h->fanout->config;
	struct capture *capture = is_stderr ? &h->err : &h->out;
	const char *bytes = data;
	size_t part = size;

	(void)session;
	(void)channel;
	/* On a terminal, what is said while becoming another user comes with the output. */
	if (!h->gate.open && (is_stderr || h->fanout->become.terminal))
		part = gate_feed(&h->gate, bytes, size);
	bytes += size - part;
	if (config->output && part)
		config->output(config->context, h->number, is_stderr ? 2 : 1, capture->total, bytes, part);
	(void)capture_add(capture, bytes, part);
	return (int)size;
}

static void on_exit_status(ssh_session session, ssh_channel channel, int status, void *context)
{
	struct host *h = context;

	(void)session;
	(void)channel;
	h->exited = true;
	h->has_rc = true;
	h->rc = status;
}

static void on_exit_signal(ssh_session session, ssh_channel channel, const char *name, int core, const char *text,
			   const char *language, void *context)
{
	struct host *h = context;

	(void)session;
	(void)channel;
	(void)core;
	(void)text;
	(void)language;
	h->exited = true;
	snprintf(h->signal, sizeof(h->signal), "%s", name && *name ? name : "?");
	/* It comes from the other side and goes into messages. */
	for (char *c = h->signal; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void on_close(ssh_session session, ssh_channel channel, void *context)
{
	struct host *h = context;

	(void)session;
	(void)channel;
	h->closed = true;
}

enum host_state command_opening(struct host *h)
{
	int code;

	if (!h->channel) {
		h->channel = ssh_channel_new(h->session);
		h->callbacks = (struct ssh_channel_callbacks_struct){
			.userdata = h,
			.channel_data_function = on_data,
			.channel_exit_status_function = on_exit_status,
			.channel_exit_signal_function = on_exit_signal,
			.channel_close_function = on_close,
		};
		ssh_callbacks_init(&h->callbacks);
		if (!h->channel || ssh_set_channel_callbacks(h->channel, &h->callbacks) != SSH_OK)
			return host_end(h, FANOUT_REFUSED, "no memory for a channel");
	}
	code = ssh_channel_open_session(h->channel);
	if (code == SSH_AGAIN && !host_disconnected(h))
		return HOST_OPENING;
	if (code == SSH_OK)
		return HOST_STARTING;
	if (host_disconnected(h))
		return host_end(h, FANOUT_UNREACHABLE, "%s closed the connection before the command was sent: %s",
				h->where, host_reason(h));
	return host_end(h, FANOUT_REFUSED, "%s refused to open a session: %s", h->where, host_reason(h));
}

/* What happened to the command is not known: it may have run, run half, or not have begun. */
static enum host_state lost(struct host *h)
{
	h->remote = FANOUT_REMOTE_UNKNOWN;
	return host_end(h, FANOUT_LOST,
			"the connection to %s was lost while the command ran; its outcome is unknown: %s", h->where,
			host_reason(h));
}

/* One line of ssh_config's SetEnv. A server takes those of its AcceptEnv and refuses others; ssh goes on too. */
static int set_env(struct host *h, const struct config_line *line)
{
	for (; h->env_word < line->count; h->env_word++) {
		const char *word = line->words[h->env_word], *value = strchr(word, '=');
		char name[128];
		int code;

		if (!value)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(value - word), word);
		code = ssh_channel_request_env(h->channel, name, value + 1);
		if (code == SSH_AGAIN || host_disconnected(h))
			return code;
	}
	h->env_word = 0;
	return SSH_OK;
}

/* What comes before the command: a terminal where one is needed, the environment. SSH_OK: nothing is left. */
static int prepare(struct host *h)
{
	int code;

	if (h->fanout->become.terminal && !h->terminal_asked) {
		code = ssh_channel_request_pty_size(h->channel, "dumb", 80, 24);
		if (code != SSH_OK)
			return code;
		h->terminal_asked = true;
	}
	while (h->env_sent < h->settings.answer.all[CONFIG_SET_ENV].count) {
		code = set_env(h, h->settings.answer.all[CONFIG_SET_ENV].lines[h->env_sent]);
		if (code != SSH_OK)
			return code;
		h->env_sent++;
	}
	return SSH_OK;
}

enum host_state command_starting(struct host *h)
{
	int code = prepare(h);

	if (code == SSH_OK)
		code = ssh_channel_request_exec(h->channel, h->fanout->become.command);
	if (code == SSH_AGAIN && !host_disconnected(h))
		return HOST_STARTING;
	if (code == SSH_OK)
		return h->gate.open ? HOST_RUNNING : HOST_BECOMING;
	if (host_disconnected(h))
		return lost(h);
	return host_end(h, FANOUT_REFUSED, "%s refused to run the command: %s", h->where, host_reason(h));
}

/* ----------------------------------------------------------------------------- another user there */

static enum host_state not_become(struct host *h, const char *why)
{
	const char *said = gate_said(&h->gate);

	h->remote = FANOUT_REMOTE_NONE;
	h->has_rc = false; /* it would not be the command's */
	return host_end(h, FANOUT_REFUSED, "%s did not make %s into %s: %s%s%s", become_name(&h->fanout->become),
			host_user(h), h->fanout->become.user, why, *said ? "; it said: " : "", said);
}

bool command_answer(struct gate *g, ssh_channel channel, const char **why)
{
	enum gate_wish wish = g->wish;

	g->wish = GATE_NOTHING;
	switch (wish) {
	case GATE_PASSWORD:
		(void)ssh_channel_write(channel, g->become->password, (uint32_t)strlen(g->become->password));
		(void)ssh_channel_write(channel, "\n", 1);
		return true;
	case GATE_WRONG:
		*why = "the become_password is wrong";
		return false;
	case GATE_NO_PASSWORD:
		*why = "it asks for a password, and there is no become_password to give";
		return false;
	case GATE_NOTHING:
		break;
	}
	return true;
}

enum host_state command_becoming(struct host *h)
{
	bool alive = ssh_event_dopoll(h->poll, 0) != SSH_ERROR && !host_disconnected(h);
	const char *why;

	if (h->gate.open)
		return HOST_RUNNING;
	if (h->closed && h->gate.given)
		return not_become(h, "it ended, perhaps since the become_password is wrong");
	if (h->closed)
		return not_become(h, h->fanout->become.password ? "it ended" : "it ended, asked without a password");
	if (!alive)
		return lost(h);
	if (!command_answer(&h->gate, h->channel, &why))
		return not_become(h, why);
	return HOST_BECOMING;
}

enum host_state command_becoming_late(struct host *h)
{
	const char *said = gate_said(&h->gate);

	h->remote = FANOUT_REMOTE_UNKNOWN;
	return host_end(h, FANOUT_TIMEOUT, "%s: %s has not made %s into %s after %s%s%s", h->where,
			become_name(&h->fanout->become), host_user(h), h->fanout->become.user, host_limit(h),
			*said ? "; it said: " : "", said);
}

/* ---------------------------------------------------------------------------------- while it runs */

/* By what came in and not by the descriptor's events: libssh reads also while it is asked to send. */
static void note_traffic(struct host *h, int64_t now)
{
	if (h->traffic.in_bytes == h->seen)
		return;
	h->seen = h->traffic.in_bytes;
	h->heard = now;
}

enum host_state command_silent(struct host *h)
{
	const int64_t now = fanout_now();
	int64_t silent;

	if (now >= h->total_deadline)
		return host_command_late(h);
	note_traffic(h, now);
	silent = now - h->heard;
	if (silent >= h->settings.keepalive * h->settings.keepalive_count) {
		h->remote = FANOUT_REMOTE_UNKNOWN;
		return host_end(h, FANOUT_TIMEOUT, "%s: no answer for %g s while the command ran (keepalive)", h->where,
				(double)silent / 1000);
	}
	/* The first call takes the answer to the last question, if it has come; the second asks, and may have it at once. */
	if (silent >= h->settings.keepalive) {
		(void)ssh_send_keepalive(h->session);
		(void)ssh_send_keepalive(h->session);
		note_traffic(h, now);
	}
	h->phase_deadline = (silent >= h->settings.keepalive ? now : h->heard) + h->settings.keepalive;
	return HOST_RUNNING;
}

/* As much of the input as the other side takes now. */
static void send_input(struct host *h)
{
	const struct fanout_config *config = &h->fanout->config;

	while (h->input_sent < config->input_size && ssh_channel_window_size(h->channel) &&
	       !(ssh_get_status(h->session) & SSH_WRITE_PENDING)) {
		size_t part = config->input_size - h->input_sent;
		int sent;

		if (part > INPUT_PART)
			part = INPUT_PART;
		if (part > ssh_channel_window_size(h->channel))
			part = ssh_channel_window_size(h->channel);
		sent = ssh_channel_write(h->channel, (const char *)config->input + h->input_sent, (uint32_t)part);
		if (sent <= 0)
			return;
		h->input_sent += (size_t)sent;
	}
	if (h->input_sent == config->input_size) {
		(void)ssh_channel_send_eof(h->channel);
		h->input_ended = true;
	}
}

/* Its exit status or signal came; the outcome is known, also where the connection broke afterwards. */
static enum host_state exited(struct host *h)
{
	const char *but =
		h->closed ? "" : "the connection was lost after the command's end; some of its output may be missing";
	const char *comma = *but ? "; " : "";

	h->remote = FANOUT_REMOTE_NONE;
	if (*h->signal)
		return host_end(h, FANOUT_SIGNALLED, "ended by signal %s%s%s", h->signal, comma, but);
	if (!h->rc)
		return host_end(h, FANOUT_EXITED, "%s", but);
	return host_end(h, FANOUT_EXITED, "exit code %d%s%s", h->rc, comma, but);
}

enum host_state command_running(struct host *h)
{
	bool alive = ssh_event_dopoll(h->poll, 0) != SSH_ERROR && !host_disconnected(h);

	/* libssh takes in what has come while it sends, too: so all that is judged afterwards. */
	if (alive && !h->closed && !h->input_ended)
		send_input(h);
	if (h->closed || !alive || host_disconnected(h))
		return h->exited ? exited(h) : lost(h);
	return HOST_RUNNING;
}
