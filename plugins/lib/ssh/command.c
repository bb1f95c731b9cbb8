/*
 * command.c - the command: a channel, its start, its input and output, its end.
 */
#include <stdio.h>
#include <string.h>

#include "ssh/internal.h"

#define INPUT_PART 65536 /* handed to libssh at once, which buffers what the socket does not take */

static int on_data(ssh_session session, ssh_channel channel, void *data, uint32_t size, int is_stderr, void *context)
{
	struct host *h = context;

	(void)session;
	(void)channel;
	(void)capture_add(is_stderr ? &h->err : &h->out, data, size);
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

enum host_state command_starting(struct host *h)
{
	int code = ssh_channel_request_exec(h->channel, h->fanout->config.command);

	if (code == SSH_AGAIN && !host_disconnected(h))
		return HOST_STARTING;
	if (code == SSH_OK)
		return HOST_RUNNING;
	if (host_disconnected(h))
		return lost(h);
	return host_end(h, FANOUT_REFUSED, "%s refused to run the command: %s", h->where, host_reason(h));
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
