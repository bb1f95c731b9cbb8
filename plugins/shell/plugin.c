/*
 * plugin.c - the executor `shell`: a command, words or a script on each host of the unit, over ssh
 * or, where it is allowed, on this machine; all hosts at once in one event loop.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "live.h"
#include "local.h"
#include "payload.h"
#include "reach.h"
#include "shell.h"

#define WIDTH_MOST 256 /* an sshd's backlog is 128: more at once from one place are refused */
#define OUTPUT_LIMIT_DEFAULT (1024 * 1024)

static const char *const transports[] = { "auto", "local", "ssh", NULL };
static const char *const host_keys[] = { "auto", "strict", "accept-new", NULL };

static const char *const become_words[] = { "sudo", "su", "doas", NULL };

static const struct drover_option options[] = {
	DROVER_OPT_CHOICE(struct shell, transport, transports, "auto",
			  "how hosts are reached; auto: `localhost` on this machine, all others by ssh"),
	DROVER_OPT_BOOL(struct shell, allow_localhost, "false", "whether commands may run on this machine"),
	DROVER_OPT_STRING(struct shell, shell, "/bin/sh", "runs commands on this machine"),
	DROVER_OPT_STRING(struct shell, user, NULL,
			  "to log in as; without it the credential's, ssh_config's, or the daemon's own user"),
	DROVER_OPT_STRING(struct shell, credential, NULL,
			  "a name under `credentials`, to log in with where the task names none"),
	DROVER_OPT_INT(struct shell, port, NULL, "1", "65535", "the ssh servers' port; without it ssh_config's, or 22"),
	DROVER_OPT_LIST(
		struct shell, key,
		"private key files; without them ssh_config's, or those of id_ed25519, id_ecdsa, id_rsa in ~/.ssh"),
	DROVER_OPT_BOOL(struct shell, agent, "true",
			"whether the keys of the agent are tried too, that of $SSH_AUTH_SOCK or ssh_config's"),
	DROVER_OPT_LIST(
		struct shell, known_hosts,
		"files of host keys; without them ssh_config's, or ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"),
	DROVER_OPT_LIST(struct shell, ssh_config,
			"files as ssh has them, or `none`; without them ~/.ssh/config and /etc/ssh/ssh_config"),
	DROVER_OPT_CHOICE(
		struct shell, host_keys, host_keys, "auto",
		"an unknown host key is an error (strict), or written to the first known_hosts file (accept-new); "
		"auto: as ssh_config says, else strict"),
	DROVER_OPT_CHOICE(struct shell, become_method, become_words, "sudo",
			  "by which a task's command becomes another user where the task does not say"),
	DROVER_OPT_DURATION(struct shell, connect_timeout, "10s", "100ms", "1h", "for the name and the TCP connection"),
	DROVER_OPT_DURATION(struct shell, banner_timeout, "10s", "100ms", "1h", "for the server's first line"),
	DROVER_OPT_DURATION(struct shell, kex_timeout, "10s", "100ms", "1h", "for the key exchange"),
	DROVER_OPT_DURATION(struct shell, auth_timeout, "10s", "100ms", "1h", "for the authentication"),
	DROVER_OPT_DURATION(struct shell, channel_timeout, "10s", "100ms", "1h",
			    "for the server to accept the command"),
	DROVER_OPT_DURATION(struct shell, become_timeout, "10s", "100ms", "1h",
			    "for sudo, su or doas to let the command begin"),
	DROVER_OPT_DURATION(struct shell, agent_timeout, "2s", "100ms", "1h",
			    "for the agent to list its keys; one that is later is not used"),
	DROVER_OPT_DURATION(struct shell, end_timeout, "3s", "200ms", "10m",
			    "for the end of a host's command after its `host_timeout`, by ssh; then it is given up"),
	DROVER_OPT_DURATION(struct shell, end_timeout_become, "6s", "200ms", "10m",
			    "the same where the command became another user"),
	DROVER_OPT_DURATION(struct shell, stop_timeout, "1700ms", "200ms", "1900ms",
			    "the same where the unit is stopped, whose process is killed after 2 s"),
	DROVER_OPT_DURATION(struct shell, term_grace, "700ms", "100ms", "1800ms",
			    "between TERM and KILL of a command that is ended; by ssh counted in tenths of a second"),
	DROVER_OPT_DURATION(struct shell, kill_grace, "900ms", "100ms", "1800ms",
			    "for the end of a command on this machine after KILL; with `term_grace` at most 1900ms"),
	DROVER_OPT_DURATION(
		struct shell, keepalive, "15s", "0s", "1h",
		"a server silent for so long is asked whether it is there; after three such times it is given up; "
		"0: never"),
	DROVER_OPT_INT(struct shell, fanout, "0", "0", "256", "hosts at once in a unit; 0: all of it, up to 256"),
	DROVER_OPT_END
};

/* One unit's work. */
struct work {
	struct drover_unit *unit;
	const struct shell *self;
	const struct drover_unit_info *info;
	struct payload payload;
	struct payload_remote remote;
	struct live live;
	sd_event *event;
	struct fanout *fanout;
	struct fanout_target *targets; /* of the ssh hosts */
	size_t *numbers;               /* of each ssh host: its number in the unit */
	size_t ssh_count;
	struct local **locals; /* by number in the unit; NULL: none, or ended */
	size_t local_next;     /* hosts below it were begun, if they are local */
	size_t local_running;
	bool stopped;
	bool beginning;
	struct reach reach;
};

static void ssh_done(void *context, size_t target, const struct fanout_result *result)
{
	struct work *w = context;

	report_result(w->unit, w->numbers[target], "ssh", result);
}

static void begin_locals(struct work *w);

static void local_done(void *context, size_t target, const struct fanout_result *result)
{
	struct work *w = context;

	w->locals[target] = NULL;
	w->local_running--;
	report_result(w->unit, target, "local", result);
	begin_locals(w);
}

/* ----------------------------------------------------------------------------- what is printed */

static void local_output(void *context, size_t target, int stream, uint64_t offset, const void *data, size_t size)
{
	struct work *w = context;

	live_show(&w->live, target, stream, offset, data, size);
}

static void ssh_output(void *context, size_t target, int stream, uint64_t offset, const void *data, size_t size)
{
	struct work *w = context;

	live_show(&w->live, w->numbers[target], stream, offset, data, size);
}

static int compare_numbers(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static size_t head(void *context, size_t number, int stream, const void **data)
{
	struct work *w = context;
	const size_t *at =
		w->fanout ? bsearch(&number, w->numbers, w->ssh_count, sizeof(number), compare_numbers) : NULL;

	if (w->locals[number])
		return local_head(w->locals[number], stream, data);
	return at ? fanout_head(w->fanout, (size_t)(at - w->numbers), stream, data) : 0;
}

static int on_stop(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct work *w = context;

	(void)fd;
	(void)events;
	(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
	w->stopped = true;
	begin_locals(w);
	for (size_t i = 0; w->locals && i < w->info->count; i++)
		if (w->locals[i])
			local_stop(w->locals[i]);
	if (w->fanout)
		fanout_stop(w->fanout);
	return 0;
}

/* --------------------------------------------------------------------------------------- the unit */

static bool is_local(const struct work *w, const struct drover_target *target)
{
	return w->self->transport == TRANSPORT_LOCAL ||
	       (w->self->transport == TRANSPORT_AUTO && !strcmp(target->name, "localhost"));
}

static size_t output_limit(const struct drover_unit_info *info)
{
	return info->output_limit > 0 ? (size_t)info->output_limit : OUTPUT_LIMIT_DEFAULT;
}

static enum drover_grant leave_for(struct work *w, size_t number, size_t more);

static void start_local(struct work *w, size_t number)
{
	static const struct fanout_result refused = {
		.outcome = FANOUT_REFUSED,
		.phase = FANOUT_EXECUTION,
		.message =
			"commands may not run on this engine itself: set allow_localhost: true for the shell executor "
			"to allow it, or transport: ssh to reach localhost by ssh",
	};
	const struct local_config config = {
		.shell = w->self->shell,
		.payload = &w->payload,
		.timeout = w->info->host_timeout,
		.term_grace = w->self->term_grace,
		.kill_grace = w->self->kill_grace,
		.output_limit = output_limit(w->info),
		.done = local_done,
		.output = local_output,
		.context = w,
		.target = number,
	};
	static const struct fanout_result no_become = {
		.outcome = FANOUT_REFUSED,
		.phase = FANOUT_EXECUTION,
		.message = "on the engine itself a command runs as the daemon's user and becomes nobody else; reach "
			   "the engine by ssh for that (transport: ssh, or another name of it)",
	};
	struct local *local;

	w->local_running++;
	if (!w->self->allow_localhost || w->payload.become_user) {
		local_done(w, number, w->self->allow_localhost ? &no_become : &refused);
		return;
	}
	local_start(&local, w->event, &config);
	if (local)
		w->locals[number] = local;
}

static size_t width(const struct work *w)
{
	int64_t most = w->info->fanout ? w->info->fanout : w->self->fanout;

	return most && most < WIDTH_MOST ? (size_t)most : WIDTH_MOST;
}

/* As many as may run at once; after a stop the others are only told. */
static void begin_locals(struct work *w)
{
	static const struct fanout_result stopped = { .outcome = FANOUT_STOPPED,
						      .phase = FANOUT_WAITING,
						      .message = "waiting for its turn" };

	if (w->beginning)
		return;
	w->beginning = true;
	while (w->local_next < w->info->count && (w->stopped || w->local_running < width(w))) {
		size_t number = w->local_next;
		enum drover_grant grant;

		if (is_local(w, &w->info->targets[number]) && w->stopped) {
			report_result(w->unit, number, "local", &stopped);
		} else if (is_local(w, &w->info->targets[number])) {
			grant = leave_for(w, number, 0);
			if (grant == DROVER_GRANT_NONE || grant == DROVER_GRANT_WAITING)
				break;
			if (grant == DROVER_GRANT_GIVEN)
				start_local(w, number);
		}
		w->local_next++;
	}
	w->beginning = false;
}

/* ------------------------------------------------------------------------------------- who may begin */

/* May that host be touched? Asks for it, and with it for the `more` next ones, where nobody has. */
static enum drover_grant leave_for(struct work *w, size_t number, size_t more)
{
	enum drover_grant grant = drover_unit_grant(w->unit, number);

	if (grant == DROVER_GRANT_NONE && drover_unit_want(w->unit, number, 1 + more, NULL) == 0)
		grant = drover_unit_grant(w->unit, number);
	return grant;
}

static enum fanout_leave ssh_leave(void *context, size_t target)
{
	struct work *w = context;
	size_t more = 0, room = fanout_room(w->fanout);

	/* Neighbours are asked for at once; between them may be hosts that are not ssh's. */
	while (more + 1 < room && target + more + 1 < w->ssh_count &&
	       w->numbers[target + more + 1] == w->numbers[target] + more + 1)
		more++;
	switch (leave_for(w, w->numbers[target], more)) {
	case DROVER_GRANT_GIVEN:
		return FANOUT_GO;
	case DROVER_GRANT_REFUSED:
		return FANOUT_NEVER;
	case DROVER_GRANT_NONE:
	case DROVER_GRANT_WAITING:
		break;
	}
	return FANOUT_WAIT;
}

static int on_granted(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct work *w = context;

	(void)source;
	(void)fd;
	(void)events;
	if (drover_unit_stopping(w->unit))
		return 0; /* on_stop comes for that */
	begin_locals(w);
	if (w->fanout)
		fanout_continue(w->fanout);
	return 0;
}

/* ------------------------------------------------------------------------------------------- the unit */

static int make_fanout(struct work *w, struct drover_error *err)
{
	struct fanout_config *config = &w->reach.config;
	int code = reach_make(&w->reach, w->unit, &w->payload, err);

	if (code < 0)
		return code;
	config->output_limit = output_limit(w->info);
	config->command = w->remote.command;
	config->input = w->remote.input;
	config->input_size = w->remote.input_size;
	config->width = width(w);
	config->leave = ssh_leave;
	config->output = ssh_output;
	config->done = ssh_done;
	config->context = w;
	code = fanout_new(&w->fanout, w->event, config, w->targets, w->ssh_count);
	if (code < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot prepare the ssh connections: %s", strerror(-code));
	return 0;
}

static int prepare(struct work *w, struct drover_error *err)
{
	const struct drover_unit_info *info = w->info;
	int result, code;

	if ((result = payload_parse(&w->payload, info->payload, err)) < 0 ||
	    (result = payload_remote(&w->payload, &w->remote, err)) < 0)
		return result;
	w->targets = calloc(info->count, sizeof(*w->targets));
	w->numbers = calloc(info->count, sizeof(*w->numbers));
	w->locals = calloc(info->count, sizeof(struct local *));
	if (!w->targets || !w->numbers || !w->locals)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for %zu hosts", info->count);
	for (size_t i = 0; i < info->count; i++) {
		const struct drover_target *t = &info->targets[i];

		if (is_local(w, t))
			continue;
		w->targets[w->ssh_count] = (struct fanout_target){ t->name, t->address, t->user, t->port };
		w->numbers[w->ssh_count++] = i;
	}
	code = sd_event_new(&w->event);
	if (code >= 0)
		code = sd_event_add_io(w->event, NULL, drover_unit_stop_fd(w->unit), EPOLLIN, on_stop, w);
	if (code >= 0)
		code = sd_event_add_io(w->event, NULL, drover_unit_event_fd(w->unit), EPOLLIN, on_granted, w);
	w->live = (struct live){ .unit = w->unit, .head = head, .context = w };
	if (code >= 0)
		code = live_open(&w->live, w->event);
	if (code < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make an event loop: %s", strerror(-code));
	return w->ssh_count ? make_fanout(w, err) : 0;
}

static void dispose(struct work *w)
{
	fanout_free(w->fanout);
	live_close(&w->live);
	sd_event_unref(w->event);
	payload_dispose(&w->payload);
	payload_remote_dispose(&w->remote);
	free(w->targets);
	free(w->numbers);
	free(w->locals);
	reach_dispose(&w->reach);
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct work w = { .unit = unit, .self = drover_unit_self(unit), .info = drover_unit_info(unit) };
	sigset_t child;
	int result;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	result = prepare(&w, err);
	if (result < 0)
		goto out;
	if (drover_unit_stopping(unit)) {
		report_never_begun(unit, 0);
		goto out;
	}
	begin_locals(&w);
	if (w.fanout)
		fanout_start(w.fanout);
	while (w.local_running || w.local_next < w.info->count || (w.fanout && fanout_left(w.fanout))) {
		int code = sd_event_run(w.event, UINT64_MAX);

		if (code < 0) {
			result = drover_error_set(err, DROVER_EFAULT, "the event loop failed: %s", strerror(-code));
			break;
		}
	}
out:
	dispose(&w);
	return result;
}

/* What a unit that is stopped has for all of its ends: at 2 s its process is killed, and something is left to report. */
#define STOP_MOST 1900

static int too_long(const struct shell *self, const char *other, int64_t limit, struct drover_error *err)
{
	return drover_error_set(err, DROVER_EINVALID,
				"term_grace: %" PRId64 " ms must be shorter than %s (%" PRId64
				" ms): KILL would come when nobody waits for the end any more",
				self->term_grace, other, limit);
}

static int check(const void *context, struct drover_error *err)
{
	const struct shell *self = context;

	if (self->term_grace + self->kill_grace > STOP_MOST)
		return drover_error_set(
			err, DROVER_EINVALID,
			"term_grace: %" PRId64 " ms and kill_grace (%" PRId64
			" ms) together must be at most %d ms: a unit that is stopped is killed after 2 s",
			self->term_grace, self->kill_grace, STOP_MOST);
	if (self->term_grace >= self->stop_timeout)
		return too_long(self, "stop_timeout", self->stop_timeout, err);
	if (self->term_grace >= self->end_timeout)
		return too_long(self, "end_timeout", self->end_timeout, err);
	if (self->term_grace >= self->end_timeout_become)
		return too_long(self, "end_timeout_become", self->end_timeout_become, err);
	return 0;
}

/* In the executor's own process: its units are forked from it. */
static int prepare_units(void *self, struct drover_error *err)
{
	(void)self;
	(void)err;
	fanout_prepare();
	return 0;
}

DROVER_EXECUTOR(.name = "shell", .version = "1.0.0", .types = "shell",
		.summary = "runs a command, words or a script on each host, by ssh or on this machine",
		.self_size = sizeof(struct shell), .options = options, .payload = payload_fields, .check = check,
		.open = prepare_units, .run = run);
