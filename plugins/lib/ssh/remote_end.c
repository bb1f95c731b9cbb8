/*
 * remote_end.c - the end of a remote command whose time is over.
 *
 * Without a terminal a remote command lives on when its client goes away. So a second channel of
 * the same connection runs a small script: it finds the session that sshd started for the command
 * (its leader has the same parent as the script itself), sends TERM to all of it, after 0.7 s KILL,
 * and says whether all of it is gone. The command itself is sent unchanged. It works where the
 * remote host has /proc; elsewhere, and where a second channel is refused, the channel's `signal`
 * request ends the process group, and the exit status or signal that follows is the proof.
 *
 * What cannot be ended: what has left the session (setsid, a daemon), or belongs to another user.
 */
#include <string.h>

#include "ssh/internal.h"

/* For any shell: in single quotes, so without any of its own; dash's and busybox's grammar. */
static const char end_script[] =
	"exec /bin/sh -c '"
	"each() { k=; for f in /proc/[0-9]*/stat; do { read -r l <$f; } 2>/dev/null || continue; "
	"p=${f#/proc/}; p=${p%/stat}; set -- ${l##*\")\"}; "
	"if [ -z \"$s\" ]; then [ \"$2\" = $PPID ] && [ $p != $$ ] && [ \"$4\" = $p ] && k=\"$k $p\"; "
	"elif [ \"$1\" != Z ]; then case \" $s \" in *\" $4 \"*) k=\"$k $p\";; esac; fi; done; }; "
	"[ -r /proc/$$/stat ] || { echo unknown; exit; }; "
	"s=; each; s=$k; [ -n \"$s\" ] || { echo none; exit; }; "
	"n=0; while each; [ -n \"$k\" ]; do "
	"case $n in 0) kill -TERM $k; kill -CONT $k;; [1-6]) ;; 40) echo alive; exit;; *) kill -KILL $k;; esac; "
	"n=$((n+1)); sleep 0.1 || sleep 1; done 2>/dev/null; echo gone'";

static int on_answer(ssh_session session, ssh_channel channel, void *data, uint32_t size, int is_stderr, void *context)
{
	struct host *h = context;
	size_t part = sizeof(h->answer) - 1 - h->answer_size;

	(void)session;
	(void)channel;
	if (is_stderr)
		return (int)size;
	if (part > size)
		part = size;
	memcpy(h->answer + h->answer_size, data, part);
	h->answer_size += part;
	return (int)size;
}

static void on_end_closed(ssh_session session, ssh_channel channel, void *context)
{
	struct host *h = context;

	(void)session;
	(void)channel;
	h->end_closed = true;
}

enum host_state remote_end_begin(struct host *h)
{
	h->remote = FANOUT_REMOTE_UNKNOWN;
	h->exited_before_end = h->exited;
	h->end_step = END_OPENING;
	h->end_channel = ssh_channel_new(h->session);
	h->end_callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = h,
		.channel_data_function = on_answer,
		.channel_close_function = on_end_closed,
	};
	ssh_callbacks_init(&h->end_callbacks);
	if (!h->end_channel || ssh_set_channel_callbacks(h->end_channel, &h->end_callbacks) != SSH_OK)
		return HOST_DONE;
	return HOST_ENDING;
}

/* The other way: OpenSSH gives the signal to the command's process group. */
static void signal_group(struct host *h)
{
	h->end_step = END_SIGNALLED;
	if (h->exited)
		return;
	(void)ssh_channel_request_send_signal(h->channel, "TERM");
	(void)ssh_channel_request_send_signal(h->channel, "KILL");
}

static enum host_state ended(struct host *h, enum fanout_remote remote)
{
	h->remote = remote;
	return HOST_DONE;
}

static enum host_state judge(struct host *h)
{
	if (!strncmp(h->answer, "gone", 4))
		return ended(h, FANOUT_REMOTE_DEAD);
	if (!strncmp(h->answer, "alive", 5))
		return ended(h, FANOUT_REMOTE_UNKNOWN);
	/* `none`: its leader has ended meanwhile, or it had before and something that it left is about. */
	if (!strncmp(h->answer, "none", 4) && h->exited_before_end)
		return ended(h, FANOUT_REMOTE_UNKNOWN);
	signal_group(h);
	return HOST_ENDING;
}

static void advance(struct host *h)
{
	int code;

	if (h->end_step == END_OPENING) {
		code = ssh_channel_open_session(h->end_channel);
		if (code == SSH_OK)
			h->end_step = END_ASKING;
		else if (code == SSH_ERROR)
			signal_group(h);
	}
	if (h->end_step == END_ASKING) {
		code = ssh_channel_request_exec(h->end_channel, end_script);
		if (code == SSH_OK)
			h->end_step = END_WATCHING;
		else if (code == SSH_ERROR)
			signal_group(h);
	}
}

enum host_state remote_end_step(struct host *h)
{
	bool alive = ssh_event_dopoll(h->poll, 0) != SSH_ERROR;

	/* After the polling, which may have taken in the very answer that this waits for. */
	if (alive && h->end_step <= END_ASKING)
		advance(h);
	if (!alive || host_disconnected(h))
		return ended(h, h->exited && !h->exited_before_end ? FANOUT_REMOTE_DEAD : FANOUT_REMOTE_UNKNOWN);
	if (h->end_step == END_WATCHING && (h->end_closed || memchr(h->answer, '\n', h->answer_size))) {
		enum host_state next = judge(h);

		if (next == HOST_DONE)
			return next;
	}
	if (h->end_step == END_SIGNALLED && h->exited)
		return ended(h, h->exited_before_end ? FANOUT_REMOTE_UNKNOWN : FANOUT_REMOTE_DEAD);
	return HOST_ENDING;
}

enum host_state remote_end_late(struct host *h)
{
	return ended(h, h->exited && !h->exited_before_end ? FANOUT_REMOTE_DEAD : FANOUT_REMOTE_UNKNOWN);
}
