/*
 * remote_end.c - the end of a remote command whose time is over.
 *
 * Without a terminal a remote command lives on when its client goes away. So a second channel of
 * the same connection runs a small script: it finds the session that sshd started for the command
 * (its leader has the same parent as the leader of the script's own), and with it all that descends
 * from it, sends TERM to all of that, some time later KILL, and says whether all is gone. Where the command
 * became another user, the script does too. It works where the remote host has /proc; elsewhere, and
 * where a second channel is refused, the channel's `signal` request ends the process group, and the
 * exit status or signal that follows is the proof.
 *
 * What cannot be ended: what has left the session and has no parent there (setsid, a daemon), or
 * belongs to a user that is neither.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "ssh/internal.h"

/*
 * dash's and busybox's grammar. d: the sshd that is the parent of both; x: the script's own line of
 * parents, up to d; s: sessions, t: processes that belong to the command; k: those that live now; n: tenths of a second
 * since TERM; g: when KILL comes, which has 3.3 s to act.
 */
static const char script[] =
	"d=${D:-$PPID}; x=\" \"; p=$$; "
	"while [ \"$p\" -gt 1 ] && [ \"$p\" != $d ]; do x=\"$x$p \"; "
	"{ read -r l </proc/$p/stat; } 2>/dev/null || break; set -- ${l##*\")\"}; p=$2; done; "
	"each() { k=; for f in /proc/[0-9]*/stat; do { read -r l <$f; } 2>/dev/null || continue; "
	"p=${f#/proc/}; p=${p%/stat}; case \"$x\" in *\" $p \"*) continue;; esac; set -- ${l##*\")\"}; "
	"if [ \"$first\" ]; then [ \"$2\" = $d ] && [ \"$4\" = $p ] && s=\"$s$p \"; continue; fi; "
	"[ \"$1\" != Z ] || continue; "
	"case \"$s\" in *\" $4 \"*) ;; *) case \"$t\" in *\" $2 \"*) s=\"$s$4 \";; *) continue;; esac;; esac; "
	"k=\"$k $p\"; case \"$t\" in *\" $p \"*) ;; *) t=\"$t$p \";; esac; done; }; "
	"[ -r /proc/$$/stat ] || { echo unknown; exit; }; "
	"s=\" \"; t=\" \"; first=1; each; first=; [ \"$s\" != \" \" ] || { echo none; exit; }; "
	"o=; while [ \"$o\" != \"$t\" ]; do o=$t; each; done; "
	"n=0; while [ -n \"$k\" ]; do "
	"if [ $n = 0 ]; then kill -TERM $k; kill -CONT $k; elif [ $n -ge $((g+33)) ]; then echo alive; exit; "
	"elif [ $n -ge $g ]; then kill -KILL $k; fi; "
	"n=$((n+1)); sleep 0.1 || sleep 1; each; done 2>/dev/null; echo gone";

char *remote_end_make(int64_t grace)
{
	char *text;

	return asprintf(&text, "g=%d; %s", (int)((grace + 99) / 100), script) < 0 ? NULL : text;
}

static int on_answer(ssh_session session, ssh_channel channel, void *data, uint32_t size, int is_stderr, void *context)
{
	struct host *h = context;
	size_t part = sizeof(h->answer) - 1 - h->answer_size, new = size;

	(void)session;
	(void)channel;
	if (!h->end_gate.open && (is_stderr || h->fanout->become.terminal))
		new = gate_feed(&h->end_gate, data, size);
	if (is_stderr)
		return (int)size;
	if (part > new)
		part = new;
	memcpy(h->answer + h->answer_size, (const char *)data + size - new, part);
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
	if (h->end_step == END_ASKING && h->fanout->become.terminal && !h->end_terminal) {
		code = ssh_channel_request_pty_size(h->end_channel, "dumb", 80, 24);
		h->end_terminal = code == SSH_OK;
		if (code == SSH_ERROR)
			signal_group(h);
		if (code != SSH_OK)
			return;
	}
	if (h->end_step == END_ASKING) {
		code = ssh_channel_request_exec(h->end_channel, h->fanout->become.end);
		if (code == SSH_OK)
			h->end_step = END_WATCHING;
		else if (code == SSH_ERROR)
			signal_group(h);
	}
}

enum host_state remote_end_step(struct host *h)
{
	bool alive = ssh_event_dopoll(h->poll, 0) != SSH_ERROR;
	const char *why;

	/* After the polling, which may have taken in the very answer that this waits for. */
	if (alive && h->end_step <= END_ASKING)
		advance(h);
	if (!alive || host_disconnected(h))
		return ended(h, h->exited && !h->exited_before_end ? FANOUT_REMOTE_DEAD : FANOUT_REMOTE_UNKNOWN);
	if (h->end_step == END_WATCHING && !h->end_gate.open && !command_answer(&h->end_gate, h->end_channel, &why))
		signal_group(h);
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
