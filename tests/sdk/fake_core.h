/*
 * fake_core.h - the parts of fake_core, a core for the tests of sources: what it keeps, its services over that, its
 * services whose answers never change, and the commands that change it.
 */
#ifndef TESTS_SDK_FAKE_CORE_H
#define TESTS_SDK_FAKE_CORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <drover/source.h>

#define TASKS 64
#define NOW 1700000000123

struct row {
	char host[64];
	enum drover_status status;
	char *out;
	size_t out_size;
	const char *message;
	int64_t seq;
};

struct task {
	char id[161];
	char name[64], owner[64];
	char *body; /* as submitted, or NULL */
	int64_t key, hosts, seq;
	enum drover_task_state state;
	struct row *rows;
};

struct subscription {
	char task[161];
	unsigned kinds;
	drover_subscriber_fn *fn;
	void *context;
	struct subscription *next;
};

/* The one core of this process. */
struct fake_core {
	pthread_mutex_t lock;
	struct task tasks[TASKS];
	int count;
	int64_t seq;
	struct subscription *subscriptions;
	bool away;
	int slow;
	int busy;
};

extern struct fake_core core;

/* Begins a service: true when the store is there; the lock is held then, until `core_leave`, which gives its argument. */
bool core_enter(void);
int core_leave(int code);
/* What a service answers where core_enter is false. */
int core_is_away(struct drover_error *err);

/* A task, or NULL. With the lock held, as the next. */
struct task *core_find(const char *id);
/* A running task of the hosts h0, h1, … */
struct task *core_add(const char *id, int64_t hosts);

/* Services, of fake_core_tasks.c; those that are not here are set in fake_core.c itself. */
void core_set_task_services(struct drover_source_services *services);
/* … and of fake_core_about.c. */
void core_set_about_services(struct drover_source_services *services);

#endif
