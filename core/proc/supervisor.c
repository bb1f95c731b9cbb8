/* supervisor.c - see supervisor.h: the start, the loop, signals, the end. */
#define _GNU_SOURCE
#include "proc/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/cgroup.h"
#include "proc/leftovers.h"
#include "proc/plan_loader.h"
#include "proc/slice.h"
#include "proc/subreaper.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* What the core has after the drain's end to say so itself. */
#define AFTER_DRAIN_MS 5000
#define STOP_NOW_MS 3000
#define TICK_US 1000000

/* -------------------------------------------------------------------------------------- the end */

void supervisor_stop(struct supervisor *s, const char *why)
{
	struct child *core = child_core(s);
	int64_t drain = s->drain;

	if (s->stopping)
		drain = 0; /* the second time: now */
	else
		log_info("stopping: %s", why);
	s->stopping = true;
	notify_stopping(s);
	if (!s->started) {
		sd_event_exit(s->event, s->exit_code);
		return;
	}
	if (core && core->state >= CHILD_STARTING && core->state <= CHILD_ENDING) {
		peers_send_drain(core, clock_boot_ms() + drain);
		child_end(core, drain ? drain + AFTER_DRAIN_MS : STOP_NOW_MS);
	}
	child_settle_all(s);
}

/* -------------------------------------------------------------------------------------- signals */

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct supervisor *s = context;
	int status;
	pid_t pid;

	(void)source;
	(void)info;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = s->children;

		while (c && c->pid != pid)
			c = c->next;
		if (c) /* else the configuration's reader, or something that a dead child left */
			child_exited(c, status);
	}
	return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	(void)source;
	supervisor_stop(context, info->ssi_signo == SIGINT ? "interrupted" : "told to end");
	return 0;
}

static void read_again(struct supervisor *s);

static void on_new_plan(void *context, struct json_object *plan, struct json_object *errors)
{
	struct supervisor *s = context;
	struct drover_error error = { 0 };

	s->loader = NULL;
	if (s->stopping) {
		json_object_put(plan);
		return;
	}
	if (!plan) {
		log_error("the new configuration is wrong; the old one stays:");
		for (size_t i = 0; i < json_object_array_length(errors); i++)
			log_error("%s", json_object_get_string(json_object_array_get_idx(errors, i)));
	} else if (apply_plan(s, plan, &error)) {
		log_error("the new configuration is not used: %s", error.message);
	} else {
		log_info("the new configuration is used");
	}
	if (s->reload_again)
		read_again(s);
	else
		notify_state(s);
}

static void read_again(struct supervisor *s)
{
	struct drover_error error = { 0 };

	s->reload_again = false;
	if (!plan_loader_start(s->event, s->options->program, s->options->config_file, on_new_plan, s, &s->loader,
			       &error))
		return;
	log_error("cannot read the configuration again: %s", error.message);
	notify_state(s);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
	struct supervisor *s = context;

	(void)source;
	(void)info;
	if (s->stopping || !s->started)
		return 0;
	if (s->loader) {
		s->reload_again = true; /* what is being read may be older than the signal */
		return 0;
	}
	notify_reloading(s);
	read_again(s);
	return 0;
}

/* Once a second, and what must follow each turn. */
static int on_tick(sd_event_source *source, uint64_t usec, void *context)
{
	struct supervisor *s = context;
	struct child *core = child_core(s);

	(void)usec;
	if (core && core->state == CHILD_UP && clock_boot_ms() - core->pulse_at > s->core_silence)
		child_kill(core, "no sign of life for %" PRId64 " s (node.core_silence)", s->core_silence / 1000);
	if (s->started) {
		peers_send_health(s);
		notify_watchdog(s);
	}
	sd_event_source_set_time_relative(source, TICK_US);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	return 0;
}

static int on_turn(sd_event_source *source, void *context)
{
	struct supervisor *s = context;

	(void)source;
	if (s->parts_dirty && s->started)
		peers_send_parts(s);
	return 0;
}

static int watch(struct supervisor *s, struct drover_error *err)
{
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGHUP);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	rc = sd_event_new(&s->event);
	if (rc >= 0)
		rc = sd_event_add_signal(s->event, NULL, SIGCHLD, on_child, s);
	if (rc >= 0)
		rc = sd_event_add_signal(s->event, NULL, SIGTERM, on_terminate, s);
	if (rc >= 0)
		rc = sd_event_add_signal(s->event, NULL, SIGINT, on_terminate, s);
	if (rc >= 0)
		rc = sd_event_add_signal(s->event, NULL, SIGHUP, on_reload, s);
	if (rc >= 0)
		rc = sd_event_add_time_relative(s->event, NULL, CLOCK_BOOTTIME, TICK_US, 0, on_tick, s);
	if (rc >= 0)
		rc = sd_event_add_post(s->event, NULL, on_turn, s);
	if (rc < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot make an event loop: %s", strerror(-rc));
	return 0;
}

/* ------------------------------------------------------------------------------------- the start */

/* Where all children's cgroups are made: below our own; it is only ours, so no delegation is disturbed. */
static int choose_isolation(struct supervisor *s, const char *wanted, struct drover_error *err)
{
	char *own = strcmp(wanted, "subreaper") ? cgroup_own() : NULL;
	struct buf path = BUF_INIT;

	if (own && cgroup_usable(own)) {
		buf_printf(&path, "%s/drover-%s", own, s->run);
		s->tree = buf_take(&path);
	}
	free(own);
	if (!s->tree && !strcmp(wanted, "cgroup"))
		return drover_error_set(err, DROVER_EINVALID,
					"isolation: cgroup is configured, and this process may not make cgroups "
					"(in a systemd unit: Delegate=yes)");
	return 0;
}

static uid_t core_owner(struct json_object *plan)
{
	const char *user = slice_text(plan, "node.user", NULL);
	const struct passwd *entry = user && !geteuid() ? getpwnam(user) : NULL;

	return entry ? entry->pw_uid : (uid_t)-1;
}

/* Only whoever holds the lock writes it, and removes it. */
static int write_pid_file(struct supervisor *s, struct drover_error *err)
{
	const char *path = s->options->pid_file;
	FILE *f = path ? fopen(path, "we") : NULL;

	if (!path)
		return 0;
	s->pid_file_written = f != NULL;
	if (!f || fprintf(f, "%d\n", (int)getpid()) < 0 || fclose(f))
		return drover_error_set(err, DROVER_EFAULT, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int begin(struct supervisor *s, struct json_object *plan, struct drover_error *err)
{
	const char *state_dir = slice_text(plan, "node.state_dir", "/var/lib/drover");
	int rc;

	slice_log(plan, "supervisor");
	s->state_dir = xstrdup(state_dir);
	rc = leftovers_folder(state_dir, core_owner(plan), s->run, sizeof(s->run), err);
	if (!rc)
		rc = leftovers_lock(state_dir, &s->lock, err);
	if (!rc)
		rc = write_pid_file(s, err);
	if (!rc)
		rc = choose_isolation(s, slice_text(plan, "node.isolation", "auto"), err);
	if (!rc)
		rc = leftovers_kill(s->run, s->tree, s->lock, err);
	if (!rc && s->tree)
		rc = cgroup_make(s->tree, (uid_t)-1, err);
	if (rc) {
		json_object_put(plan);
		return rc;
	}
	log_info("droverd %s, pid %d, state in %s, units by %s", DROVER_VERSION, (int)getpid(), s->state_dir,
		 s->tree ? "cgroup" : "subreaper");
	return apply_plan(s, plan, err);
}

static void on_first_plan(void *context, struct json_object *plan, struct json_object *errors)
{
	struct supervisor *s = context;
	struct drover_error error = { 0 };

	s->loader = NULL;
	for (size_t i = 0; !plan && i < json_object_array_length(errors); i++)
		fprintf(stderr, "%s\n", json_object_get_string(json_object_array_get_idx(errors, i)));
	if (!plan) {
		sd_event_exit(s->event, EXIT_CONFIG);
		return;
	}
	if (begin(s, plan, &error)) {
		fprintf(stderr, "droverd: %s\n", error.message);
		sd_event_exit(s->event, error.code == DROVER_EINVALID ? EXIT_CONFIG : 1);
	}
}

static void dispose(struct supervisor *s)
{
	while (s->children)
		child_free(s->children);
	plan_loader_free(s->loader);
	json_object_put(s->plan);
	if (s->tree)
		cgroup_clear(s->tree);
	if (s->lock >= 0)
		close(s->lock);
	sd_event_unref(s->event);
	free(s->state_dir);
	free(s->status);
	free(s->tree);
}

/* The terminal is let go of; a file or pipe that the log was sent to is kept. */
static int detach(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || daemon(1, 1))
		return -1;
	for (int fd = 0; fd < 3; fd++)
		if (isatty(fd))
			dup2(null, fd);
	close(null);
	return 0;
}

int supervisor_main(const struct supervisor_options *options)
{
	struct supervisor s = { .options = options, .lock = -1, .started_boot = clock_boot_ms() };
	struct drover_error error = { 0 };
	int rc = 1;

	log_open("supervisor", NULL);
	if (options->daemonize && detach()) {
		fprintf(stderr, "droverd: cannot detach: %s\n", strerror(errno));
		return 1;
	}
	subreaper_become();
	if (watch(&s, &error) ||
	    plan_loader_start(s.event, options->program, options->config_file, on_first_plan, &s, &s.loader, &error))
		fprintf(stderr, "droverd: %s\n", error.message);
	else
		rc = sd_event_loop(s.event);
	dispose(&s);
	if (s.pid_file_written)
		unlink(options->pid_file);
	return rc < 0 ? 1 : rc;
}
