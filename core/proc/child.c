/*
 * child.c - one child's life as a table: what happens in which state, and what comes next.
 *
 * The core depends on nobody. Executors and sinks live with one core: when it dies they end
 * themselves (their links close) within a bounded time, and the next core starts only when all of
 * them and all that they had started are gone.
 */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-event.h>

#include "proc/supervisor.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS 30000
/* After so long a life a death is a new one, not the continuation of the one before. */
#define BACKOFF_RESET_MS 60000
/* What depends on the core has this long to end after it. */
#define ORPHAN_MS 3000
#define SINK_DRAIN_MS 10000

enum child_event { EVENT_SPAWNED, EVENT_READY, EVENT_END, EVENT_KILL, EVENT_EXITED, EVENT_CLEAN, EVENT_STOP, EVENTS };

#define NO (-1)

/* clang-format off */
static const int table[][EVENTS] = {
	/*                    SPAWNED         READY         END           KILL          EXITED          CLEAN       STOP */
	[CHILD_DOWN]     = { CHILD_STARTING, NO,           NO,           NO,           NO,             NO,         CHILD_STOPPED },
	[CHILD_STARTING] = { NO,             CHILD_UP,     CHILD_ENDING, CHILD_KILLED, CHILD_CLEANING, NO,         NO },
	[CHILD_UP]       = { NO,             CHILD_UP,     CHILD_ENDING, CHILD_KILLED, CHILD_CLEANING, NO,         NO },
	[CHILD_ENDING]   = { NO,             CHILD_ENDING, CHILD_ENDING, CHILD_KILLED, CHILD_CLEANING, NO,         NO },
	[CHILD_KILLED]   = { NO,             CHILD_KILLED, CHILD_KILLED, CHILD_KILLED, CHILD_CLEANING, NO,         NO },
	[CHILD_CLEANING] = { NO,             NO,           NO,           NO,           NO,             CHILD_DOWN, NO },
	[CHILD_STOPPED]  = { NO,             NO,           NO,           NO,           NO,             NO,         CHILD_STOPPED },
};
/* clang-format on */

static void happen(struct child *c, enum child_event event)
{
	int next = table[c->state][event];

	assert(next != NO);
	c->state = (enum child_state)next;
	c->supervisor->parts_dirty = true;
}

static bool has_process(const struct child *c)
{
	return c->state >= CHILD_STARTING && c->state <= CHILD_KILLED;
}

static void set_timer(struct child *c, int64_t ms)
{
	sd_event_source_set_time_relative(c->timer, (uint64_t)ms * 1000);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* ------------------------------------------------------------------------------- life and death */

static void describe(const struct child *c, int status, char *text, size_t size)
{
	if (c->cause[0])
		snprintf(text, size, "%s", c->cause);
	else if (WIFSIGNALED(status))
		snprintf(text, size, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (c->failure[0])
		snprintf(text, size, "cannot start: %s", c->failure);
	else
		snprintf(text, size, "exit code %d", WEXITSTATUS(status));
}

static void record_death(struct child *c, int status)
{
	int64_t lived = clock_boot_ms() - c->started_boot;

	if (lived > BACKOFF_RESET_MS)
		c->backoff = 0;
	c->backoff = !c->backoff                        ? BACKOFF_FIRST_MS
		     : c->backoff * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS
							: c->backoff * 2;
	describe(c, status, c->last_death, sizeof(c->last_death));
	c->died_at = clock_utc_ms();
	c->restarts++;
	c->supervisor->restarts++;
	if (!c->was_ready)
		c->failed_once = true;
	log_error("%s (pid %d) died after %" PRId64 " ms: %s; it is started again in %" PRId64 " ms", c->title,
		  (int)c->pid, lived, c->last_death, c->backoff);
	deaths_save(c->supervisor);
}

/* Links have closed: those who had one are on their way out. */
static void end_dependents(struct supervisor *s)
{
	for (struct child *c = s->children; c; c = c->next)
		if ((c->role == CHILD_EXECUTOR || c->role == CHILD_SINK) && has_process(c))
			child_end(c, c->role == CHILD_SINK && s->stopping ? SINK_DRAIN_MS : ORPHAN_MS);
}

static void clean(struct child *c)
{
	if (!cleanup_child(c)) {
		set_timer(c, 5);
		return;
	}
	happen(c, EVENT_CLEAN);
	c->killed_at = clock_boot_ms();
	child_settle_all(c->supervisor);
}

void child_exited(struct child *c, int status)
{
	bool linked = c->role == CHILD_EXECUTOR || c->role == CHILD_SINK;
	/* Who has a link ends well when that closes, and may be reaped before the core is. */
	bool expected = !c->cause[0] && (c->expected || (linked && !status));

	sd_event_source_set_enabled(c->call, SD_EVENT_OFF);
	c->control_source = sd_event_source_disable_unref(c->control_source);
	if (c->control >= 0)
		close(c->control);
	c->control = -1;
	if (expected || (c->supervisor->stopping && c->role == CHILD_CORE && !status))
		c->backoff = 0;
	else
		record_death(c, status);
	happen(c, EVENT_EXITED);
	c->pid = 0;
	c->pulse_at = 0;
	memset(&c->pulse, 0, sizeof(c->pulse));
	if (c->role == CHILD_CORE)
		end_dependents(c->supervisor);
	notify_state(c->supervisor);
	clean(c);
}

static bool dependents_gone(const struct supervisor *s)
{
	for (const struct child *c = s->children; c; c = c->next)
		if ((c->role == CHILD_EXECUTOR || c->role == CHILD_SINK) && c->state != CHILD_DOWN &&
		    c->state != CHILD_STOPPED)
			return false;
	return true;
}

static bool may_start(const struct child *c)
{
	const struct child *core = child_core(c->supervisor);

	switch (c->role) {
	case CHILD_CORE:
		return dependents_gone(c->supervisor);
	case CHILD_EXECUTOR:
	case CHILD_SINK:
		return core && (core->state == CHILD_STARTING || core->state == CHILD_UP);
	case CHILD_MONITOR:
		break;
	}
	return true;
}

void child_start(struct child *c)
{
	struct drover_error error = { 0 };
	int64_t wait = c->killed_at + c->backoff - clock_boot_ms();

	if (c->state != CHILD_DOWN || !may_start(c))
		return;
	if (c->backoff && wait > 0) {
		set_timer(c, wait);
		return;
	}
	c->cause[0] = c->failure[0] = '\0';
	c->was_ready = c->expected = false;
	c->started_boot = clock_boot_ms();
	c->started_at = clock_utc_ms();
	if (spawn_child(c, &error)) {
		log_error("cannot start %s: %s", c->title, error.message);
		snprintf(c->last_death, sizeof(c->last_death), "not started: %.200s", error.message);
		c->died_at = c->started_at;
		c->failed_once = true;
		c->backoff = c->backoff ? (c->backoff * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : c->backoff * 2)
					: BACKOFF_FIRST_MS;
		c->killed_at = clock_boot_ms();
		c->supervisor->parts_dirty = true;
		set_timer(c, c->backoff);
		return;
	}
	sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	happen(c, EVENT_SPAWNED);
	log_debug("%s started as pid %d", c->title, (int)c->pid);
}

void child_ready(struct child *c)
{
	if (c->state == CHILD_CLEANING)
		return;
	happen(c, EVENT_READY);
	if (!c->was_ready)
		log_info("%s is up (pid %d)", c->title, (int)c->pid);
	c->was_ready = true;
	if (c->role == CHILD_CORE)
		c->pulse_at = clock_boot_ms();
	notify_state(c->supervisor);
}

void child_failed(struct child *c, const char *why)
{
	snprintf(c->failure, sizeof(c->failure), "%s", why ? why : "");
	for (char *at = c->failure; *at; at++)
		if ((unsigned char)*at < ' ')
			*at = ' '; /* it goes into lines */
}

void child_end(struct child *c, int64_t patience)
{
	bool again = c->state == CHILD_ENDING;

	if (!has_process(c) || c->state == CHILD_KILLED)
		return;
	happen(c, EVENT_END);
	c->expected = true;
	/* A sink or executor with a link ends when that closes; the others are told by signal. */
	if (!again && c->role == CHILD_MONITOR)
		kill(c->pid, SIGTERM);
	set_timer(c, patience);
}

void child_kill(struct child *c, const char *cause, ...)
{
	va_list args;

	if (!has_process(c))
		return;
	va_start(args, cause);
	if (!c->cause[0])
		vsnprintf(c->cause, sizeof(c->cause), cause, args);
	va_end(args);
	happen(c, EVENT_KILL);
	kill(c->pid, SIGKILL);
}

void child_remove(struct child *c, int64_t patience)
{
	c->removed = true;
	if (has_process(c))
		child_end(c, patience);
	else if (c->state == CHILD_DOWN)
		happen(c, EVENT_STOP);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *context)
{
	struct child *c = context;

	(void)source;
	(void)usec;
	if (c->state == CHILD_DOWN) {
		child_settle_all(c->supervisor);
	} else if (c->state == CHILD_ENDING) {
		log_warning("%s (pid %d) has not ended in time and is killed", c->title, (int)c->pid);
		happen(c, EVENT_KILL);
		kill(c->pid, SIGKILL);
	} else if (c->state == CHILD_CLEANING) {
		clean(c);
	}
	return 0;
}

/* ---------------------------------------------------------------------------- calls that may hang */

static int on_call(sd_event_source *source, uint64_t usec, void *context)
{
	struct child *c = context;

	(void)source;
	(void)usec;
	child_kill(c, "hung in %s for %" PRId64 " s (call_timeout)", c->call_what, (c->call_timeout + 999) / 1000);
	return 0;
}

void child_entered(struct child *c, const char *what, int64_t timeout)
{
	snprintf(c->call_what, sizeof(c->call_what), "%s", what ? what : "a call");
	c->call_timeout = timeout > 0 ? timeout : 1;
	sd_event_source_set_time_relative(c->call, (uint64_t)c->call_timeout * 1000);
	sd_event_source_set_enabled(c->call, SD_EVENT_ONESHOT);
}

void child_left(struct child *c)
{
	sd_event_source_set_enabled(c->call, SD_EVENT_OFF);
}

/* --------------------------------------------------------------------------------------- the list */

struct child *child_new(struct supervisor *s, enum child_role role, const char *name)
{
	static const char *const words[] = { "core", "executor", "sink", "monitor" };
	struct child *c = xcalloc(1, sizeof(*c)), **at = &s->children;
	struct buf title = BUF_INIT;

	c->supervisor = s;
	c->role = role;
	c->name = xstrdup(name);
	if (role == CHILD_CORE || role == CHILD_MONITOR)
		buf_string(&title, words[role]);
	else
		buf_printf(&title, "%s: %s", words[role], name);
	c->title = buf_take(&title);
	c->control = -1;
	if (sd_event_add_time(s->event, &c->timer, CLOCK_BOOTTIME, 0, 1000, on_timer, c) < 0 ||
	    sd_event_add_time(s->event, &c->call, CLOCK_BOOTTIME, 0, 1000, on_call, c) < 0)
		abort(); /* no memory */
	sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(c->call, SD_EVENT_OFF);
	deaths_load(c);
	while (*at && (*at)->role <= role)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
	return c;
}

void child_free(struct child *c)
{
	struct child **at = &c->supervisor->children;

	while (*at && *at != c)
		at = &(*at)->next;
	if (*at)
		*at = c->next;
	sd_event_source_disable_unref(c->timer);
	sd_event_source_disable_unref(c->call);
	sd_event_source_disable_unref(c->control_source);
	if (c->control >= 0)
		close(c->control);
	free(c->name);
	free(c->title);
	free(c->user);
	if (c->slice)
		explicit_bzero(c->slice, strlen(c->slice));
	free(c->slice);
	free(c->cgroup);
	free(c);
}

struct child *child_find(struct supervisor *s, enum child_role role, const char *name)
{
	for (struct child *c = s->children; c; c = c->next)
		if (c->role == role && !c->removed && !strcmp(c->name, name))
			return c;
	return NULL;
}

struct child *child_core(struct supervisor *s)
{
	return s->children && s->children->role == CHILD_CORE ? s->children : NULL;
}

/* A stopping node starts nothing; the monitor goes last, since it tells of the others. */
static void settle_stopping(struct supervisor *s)
{
	bool others = false;

	for (struct child *c = s->children; c; c = c->next) {
		if (c->state == CHILD_DOWN)
			happen(c, EVENT_STOP);
		if (c->role != CHILD_MONITOR && c->state != CHILD_STOPPED)
			others = true;
	}
	for (struct child *c = s->children; c && !others; c = c->next) {
		if (c->state == CHILD_STARTING || c->state == CHILD_UP)
			child_end(c, ORPHAN_MS);
		others |= c->state != CHILD_STOPPED;
	}
	if (!others)
		sd_event_exit(s->event, s->exit_code);
}

void child_settle_all(struct supervisor *s)
{
	struct child *next;

	if (s->stopping) {
		settle_stopping(s);
		return;
	}
	for (struct child *c = s->children; c; c = next) {
		next = c->next;
		if (c->removed && c->state == CHILD_DOWN)
			happen(c, EVENT_STOP);
		if (c->removed && c->state == CHILD_STOPPED)
			child_free(c);
		else
			child_start(c);
	}
	notify_state(s);
}
