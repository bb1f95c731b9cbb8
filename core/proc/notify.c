/* notify.c - readiness, state and watchdog, as sd_notify(3) has them. Without systemd nothing happens. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <systemd/sd-daemon.h>

#include "proc/supervisor.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

/* A core that is silent for longer does not feed the watchdog. */
#define FRESH_MS 10000

/* A broken executor must not keep the whole node from being ready: it counts once it has failed. */
static bool is_ready(const struct supervisor *s)
{
	for (const struct child *c = s->children; c; c = c->next) {
		if (c->role == CHILD_CORE && c->state != CHILD_UP)
			return false;
		if (c->role == CHILD_EXECUTOR && !c->removed && c->state != CHILD_UP && !c->failed_once)
			return false;
	}
	return true;
}

void notify_state(struct supervisor *s)
{
	struct buf status = BUF_INIT;
	int parts = 0, up = 0;

	if (s->stopping || !s->started)
		return;
	for (const struct child *c = s->children; c; c = c->next) {
		parts++;
		up += c->state == CHILD_UP;
	}
	buf_printf(&status, "STATUS=%d of %d parts up", up, parts);
	for (const struct child *c = s->children; c; c = c->next)
		if (c->state != CHILD_UP && c->last_death[0] && c->failed_once)
			buf_printf(&status, "; %s: %s", c->title, c->last_death);
	if (is_ready(s) && !s->told_ready) {
		s->told_ready = true;
		log_info("ready: %s", status.data + 7);
		buf_string(&status, "\nREADY=1");
	}
	if (!s->status || strcmp(s->status, status.data))
		sd_notify(0, status.data);
	free(s->status);
	s->status = buf_take(&status);
}

void notify_stopping(struct supervisor *s)
{
	(void)s;
	sd_notify(0, "STOPPING=1\nSTATUS=stopping");
}

void notify_reloading(struct supervisor *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	s->told_ready = false;
	free(s->status); /* READY=1 is due again, even if nothing else changes */
	s->status = NULL;
}

void notify_watchdog(struct supervisor *s)
{
	const struct child *core = child_core(s);

	/* While the core is being started again the supervisor does its work: that is life, too. */
	if (!core || core->state != CHILD_UP || clock_boot_ms() - core->pulse_at < FRESH_MS)
		sd_notify(0, "WATCHDOG=1");
}
