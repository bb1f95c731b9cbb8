/*
 * plugin.c - the executor `shell`: a command, words or a script on each host of the unit, over ssh
 * or, where it is allowed, on this machine; all hosts at once in one event loop.
 */
#define _GNU_SOURCE

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "live.h"
#include "local.h"
#include "payload.h"
#include "shell.h"

#define WIDTH_MOST 256 /* an sshd's backlog is 128: more at once from one place are refused */
#define OUTPUT_LIMIT_DEFAULT (1024 * 1024)

static const char *const transports[] = { "auto", "local", "ssh", NULL };
static const char *const host_keys[] = { "strict", "accept-new", NULL };

static const struct drover_option options[] = {
	DROVER_OPT_CHOICE(struct shell, transport, transports, "auto",
			  "how hosts are reached; auto: `localhost` on this machine, all others by ssh"),
	DROVER_OPT_BOOL(struct shell, allow_localhost, "false", "whether commands may run on this machine"),
	DROVER_OPT_STRING(struct shell, shell, "/bin/sh", "runs commands on this machine"),
	DROVER_OPT_STRING(struct shell, user, NULL, "to log in as; by default the daemon's own user"),
	DROVER_OPT_INT(struct shell, port, "22", "1", "65535", "the ssh servers' port"),
	DROVER_OPT_LIST(struct shell, key,
			"private key files; by default those of id_ed25519, id_ecdsa, id_rsa in ~/.ssh that exist"),
	DROVER_OPT_BOOL(struct shell, agent, "true", "whether the keys of the agent at $SSH_AUTH_SOCK are tried too"),
	DROVER_OPT_LIST(struct shell, known_hosts,
			"files of host keys; by default ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts"),
	DROVER_OPT_CHOICE(
		struct shell, host_keys, host_keys, "strict",
		"what an unknown host key is: an error, or accepted and written to the first known_hosts file"),
	DROVER_OPT_DURATION(struct shell, connect_timeout, "10s", "100ms", "1h", "for the name and the TCP connection"),
	DROVER_OPT_DURATION(struct shell, banner_timeout, "10s", "100ms", "1h", "for the server's first line"),
	DROVER_OPT_DURATION(struct shell, kex_timeout, "10s", "100ms", "1h", "for the key exchange"),
	DROVER_OPT_DURATION(struct shell, auth_timeout, "10s", "100ms", "1h", "for the authentication"),
	DROVER_OPT_DURATION(struct shell, channel_timeout, "10s", "100ms", "1h",
			    "for the server to accept the command"),
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
	char **paths; /* of keys and known hosts, ended by NULL */
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

static size_t head(void *context, size_t number, int stream, const void **data)
{
	struct work *w = context;

	return w->locals[number] ? local_head(w->locals[number], stream, data) : 0;
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

/* ------------------------------------------------------------------------------- paths, defaults */

static const char *home(void)
{
	const char *path = getenv("HOME");
	const struct passwd *user;

	if (path && *path)
		return path;
	user = getpwuid(geteuid());
	return user ? user->pw_dir : "/";
}

static int add_path(struct work *w, size_t *count, const char *path)
{
	char **paths = reallocarray(w->paths, *count + 2, sizeof(*paths));

	if (!paths)
		return DROVER_ENOMEM;
	w->paths = paths;
	paths[*count + 1] = NULL;
	if (path[0] == '~' && path[1] == '/') {
		if (asprintf(&paths[*count], "%s%s", home(), path + 1) < 0)
			paths[*count] = NULL;
	} else {
		paths[*count] = strdup(path);
	}
	return paths[(*count)++] ? 0 : DROVER_ENOMEM;
}

/* Adds the list's paths, or the defaults where it is empty; says how many in `*added`. */
static int add_paths(struct work *w, const struct drover_list *list, const char *const *defaults, size_t *added)
{
	size_t before = 0, count;
	int result = 0;

	while (w->paths && w->paths[before])
		before++;
	count = before;
	for (size_t i = 0; i < list->count && !result; i++)
		result = add_path(w, &count, list->items[i]);
	for (size_t i = 0; !list->count && defaults[i] && !result; i++)
		result = add_path(w, &count, defaults[i]);
	*added = count - before;
	return result;
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
		.output_limit = output_limit(w->info),
		.done = local_done,
		.output = local_output,
		.context = w,
		.target = number,
	};
	struct local *local;

	w->local_running++;
	if (!w->self->allow_localhost) {
		local_done(w, number, &refused);
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
		size_t number = w->local_next++;

		if (!is_local(w, &w->info->targets[number]))
			continue;
		if (w->stopped)
			report_result(w->unit, number, "local", &stopped);
		else
			start_local(w, number);
	}
	w->beginning = false;
}

static int make_fanout(struct work *w, struct drover_error *err)
{
	static const char *const default_keys[] = { "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa", NULL };
	static const char *const default_hosts[] = { "~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts", NULL };
	const struct shell *self = w->self;
	const struct drover_unit_info *info = w->info;
	const struct passwd *me = getpwuid(geteuid());
	struct fanout_config config = {
		.user = self->user ? self->user
			: me       ? me->pw_name
				   : "root",
		.port = (int)self->port,
		.keys_optional = !self->key.count,
		.agent = self->agent,
		.accept_new = self->host_keys == HOST_KEYS_ACCEPT_NEW,
		.limits = { .connect = info->connect_timeout ? info->connect_timeout : self->connect_timeout,
			    .banner = self->banner_timeout,
			    .key_exchange = self->kex_timeout,
			    .authentication = self->auth_timeout,
			    .channel = self->channel_timeout,
			    .total = info->host_timeout },
		.output_limit = output_limit(info),
		.command = w->remote.command,
		.input = w->remote.input,
		.input_size = w->remote.input_size,
		.done = ssh_done,
		.context = w,
	};
	int code;

	if (add_paths(w, &self->key, default_keys, &config.key_count) < 0 ||
	    add_paths(w, &self->known_hosts, default_hosts, &config.known_hosts_count) < 0)
		return drover_error_set(err, DROVER_ENOMEM, "no memory for the paths of keys");
	config.keys = (const char *const *)w->paths;
	config.known_hosts = config.keys + config.key_count;
	config.width = width(w);
	code = fanout_new(&w->fanout, w->event, &config, w->targets, w->ssh_count);
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
	for (size_t i = 0; w->paths && w->paths[i]; i++)
		free(w->paths[i]);
	free(w->paths);
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
	if (drover_unit_begin(unit, 0, w.info->count, NULL) == DROVER_ECANCELLED) {
		report_never_begun(unit, 0);
		goto out;
	}
	begin_locals(&w);
	if (w.fanout)
		fanout_start(w.fanout);
	while (w.local_running || (w.fanout && fanout_left(w.fanout))) {
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

DROVER_EXECUTOR(.name = "shell", .version = "1.0.0", .types = "shell",
		.summary = "runs a command, words or a script on each host, by ssh or on this machine",
		.self_size = sizeof(struct shell), .options = options, .payload = payload_fields, .run = run);
