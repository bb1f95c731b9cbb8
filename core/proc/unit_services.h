/* unit_services.h - a unit as the plugin's run sees it, and the services that it may call. */
#ifndef PROC_UNIT_SERVICES_H
#define PROC_UNIT_SERVICES_H

#include <stdbool.h>
#include <stdint.h>

#include <drover/executor.h>

#include "proc/exec_link.h"
#include "proc/live.h"
#include "proc/permit.h"
#include "util/buf.h"

/* Marks of a host, by position. */
enum unit_mark {
	UNIT_BEGUN = 1 << 0,
	UNIT_REPORTED = 1 << 1,
	UNIT_ASKED = 1 << 2,
	UNIT_REFUSED = 1 << 3,
	UNIT_TAKEN = 1 << 4
};

struct drover_unit {
	const void *self;
	struct exec_unit *unit;
	const struct drover_credential *credential; /* or NULL */
	int window;
	int socket;
	uint8_t *marks;
	const struct permit *permit;
	size_t next;       /* position that drover_unit_next gives next */
	uint32_t *names;   /* hash table: position + 1; made at the first report */
	size_t name_slots; /* a power of two */
	uint64_t seed;
	struct buf out; /* frames that wait for the cork to be drawn, or to be written whole */
	bool corked;
	bool stopped;  /* seen */
	int stop_fd;   /* made when it is first asked for; 0: not yet */
	struct buf in; /* of the other side's frames */
	struct live live;
	const char *folder; /* its cgroup, or NULL */
	char mark[64];      /* what unit_mark gives */
};

extern const struct drover_executor_services unit_services;
/* The table that executor plugins are loaded with. */
extern const struct drover_host unit_host;

/* unit_adopt.c: the two services for processes that the helper has made. */
const char *unit_mark(struct drover_unit *unit);
int unit_adopt(struct drover_unit *unit, int pid, struct drover_error *err);

/* Writes what waits. Ends the process when the other side is gone. */
void unit_flush(struct drover_unit *unit);

#endif
