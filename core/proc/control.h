/*
 * control.h - a child's end of its connection to the supervisor (SOCK_SEQPACKET, JSON messages and
 * descriptors).
 *
 * Every child of droverd has one as the descriptor that its command line names. When it closes, the
 * supervisor is gone and the child ends itself.
 */
#ifndef PROC_CONTROL_H
#define PROC_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <drover/monitor.h>
#include <drover/source.h>

struct control;
struct sd_event;

struct control_events {
	/* Core only: a connection to a part that has been started: role "executor" or "sink". Owned. */
	void (*peer)(void *context, const char *role, const char *name, int fd);
	/* Core only: the parts as they are now (they were started, died, …). Borrowed. */
	void (*parts)(void *context, const struct drover_part *parts, size_t count);
	/* SIGHUP: the slice of the new configuration, as JSON text. Borrowed. */
	void (*reload)(void *context, const char *slice);
	/* SIGTERM: finish what was begun until `deadline` (CLOCK_BOOTTIME ms), then exit. */
	void (*drain)(void *context, int64_t deadline);
	/* Monitor only. */
	void (*health)(void *context, const struct drover_health *health);
	/* The supervisor is gone. NULL: the process exits at once. */
	void (*closed)(void *context);
};

/* What the core tells the supervisor at least once a second: that it lives, and how it is. */
struct control_pulse {
	bool store_ok;
	int64_t running_hosts, running_units, ready_units;
};

int control_new(struct sd_event *event, int fd, const struct control_events *events, void *context,
		struct control **control, struct drover_error *err);
void control_free(struct control *control);
/* Core: how units are kept apart: "cgroup" or "subreaper"; "" before the first `parts`. Borrowed. */
const char *control_isolation(const struct control *control);

/* The child is ready to work. The supervisor says READY=1 to systemd when all are. */
void control_ready(struct control *control);
/* It cannot, and is about to exit: its death is told as that, without its secrets. Without a connection nobody hears it. */
void control_failed(struct control *control, const char *why);
void control_pulse(struct control *control, const struct control_pulse *pulse);
/* Core only: nothing is left to do; the node's idle_exit has passed: end the whole node. */
void control_idle(struct control *control);
/* Core only: another node has this one's name: end the whole node, with the exit code of a wrong configuration. */
void control_replaced(struct control *control);
/* Around a call that a plugin could hang in: after `timeout` ms without control_left the supervisor
 * kills the process and records "hung in WHAT for N s". */
void control_entered(struct control *control, const char *what, int64_t timeout);
void control_left(struct control *control);

#endif
