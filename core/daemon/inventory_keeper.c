/* inventory_keeper.c - see inventory_keeper.h. */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "daemon/inventory_keeper.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <drover/error.h>

#include "daemon/inventory_files.h"
#include "daemon/inventory_run.h"
#include "proc/slice.h"
#include "task/inventory.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/worker.h"

#define LOOK_MS 1000   /* how often files are looked at */
#define AGAIN_MS 30000 /* after a failure, where `refresh` is longer */

struct keeper {
	struct worker worker;
	char *folder;

	/* under its lock */
	pthread_cond_t settled;      /* a reading has ended, or is not waited for any more */
	struct json_object *section; /* NULL: nothing is configured */
	bool wanted;                 /* to be read now */
	unsigned configured;         /* how often it was */
	struct inventory *current;
	struct keeper_state state;
	struct inventory_run *run; /* the reading that is under way, or NULL */

	/* the thread's own */
	int64_t due; /* CLOCK_BOOTTIME ms */
	unsigned char mark[INVENTORY_MARK_SIZE];
	char *said; /* notes that were logged */
};

/* ------------------------------------------------------------------------- one reading's outcome */

/* What an operator should know is said again only when it has become something else. */
static void log_notes(struct keeper *k, struct json_object *notes)
{
	const char *text = json_object_to_json_string_ext(notes, JSON_C_TO_STRING_PLAIN);

	if (k->said && !strcmp(k->said, text))
		return;
	free(k->said);
	k->said = xstrdup(text);
	for (size_t i = 0; i < json_object_array_length(notes); i++)
		log_warning("inventory: %s", json_object_get_string(json_object_array_get_idx(notes, i)));
}

static void log_good(struct keeper *k, const struct inventory *fresh)
{
	size_t hosts = inventory_host_count(fresh), groups = inventory_group_count(fresh);

	if (k->current && !*k->state.message && hosts == inventory_host_count(k->current) &&
	    groups == inventory_group_count(k->current))
		return;
	log_info("inventory: %zu hosts in %zu groups", hosts, groups);
}

/* Under the lock. */
static void settle(struct keeper *k, struct inventory *fresh, const struct drover_error *err)
{
	k->state.tried_at = clock_utc_ms();
	if (fresh) {
		log_good(k, fresh);
		inventory_unref(k->current);
		k->current = fresh;
		k->state.state = "ok";
		k->state.read_at = k->state.tried_at;
		*k->state.message = '\0';
	} else {
		if (strcmp(k->state.message, err->message))
			log_error("inventory: it cannot be read%s: %s", k->current ? ", and stays as it was" : "",
				  err->message);
		snprintf(k->state.message, sizeof(k->state.message), "%s", err->message);
		k->state.state = k->current ? "stale" : "failed";
	}
	pthread_cond_broadcast(&k->settled);
}

/* Under the lock, which is given back meanwhile. */
static void read_once(struct keeper *k, struct json_object *section)
{
	struct inventory_run run;
	struct inventory *fresh = NULL;
	struct json_object *notes = NULL;
	struct drover_error err = { 0 };
	int64_t refresh = slice_int(section, "refresh", 300000);
	unsigned configured = k->configured;
	int code;

	k->wanted = false;
	code = inventory_run_start(&run, section, k->folder, &err);
	if (!code) {
		k->run = &run;
		worker_unlock(&k->worker);
		code = inventory_run_finish(&run, &fresh, &notes, &err);
		worker_lock(&k->worker);
		k->run = NULL;
		inventory_run_close(&run);
	}
	k->due = clock_boot_ms() + (code && refresh > AGAIN_MS ? AGAIN_MS : refresh);
	/* Broken off, or of a configuration that is no more: it says nothing. */
	if (k->worker.stop || configured != k->configured) {
		inventory_unref(fresh);
	} else {
		settle(k, fresh, &err);
		if (notes)
			log_notes(k, notes);
	}
	json_object_put(notes);
}

/* Looks at the files without the lock: they may be on a slow disk. True: they have changed. */
static bool has_changed(struct keeper *k, struct json_object *section)
{
	unsigned char mark[INVENTORY_MARK_SIZE];
	bool changed;

	worker_unlock(&k->worker);
	inventory_files_mark(slice_get(section, "sources"), mark);
	worker_lock(&k->worker);
	changed = memcmp(mark, k->mark, sizeof(mark)) != 0;
	memcpy(k->mark, mark, sizeof(mark));
	return changed;
}

static void keep(void *context)
{
	struct keeper *k = context;

	worker_lock(&k->worker);
	while (!k->worker.stop) {
		struct json_object *section = NULL;
		unsigned configured = k->configured;
		bool changed;

		if (!k->section) {
			worker_wait(&k->worker, WORKER_FOREVER);
			continue;
		}
		/* Its own: json-c's counts of references are not for several threads. */
		json_object_deep_copy(k->section, &section, NULL);
		/* The mark is taken before the reading: a change during it is seen next time. */
		changed = has_changed(k, section);
		if (k->worker.stop || configured != k->configured)
			; /* that came meanwhile */
		else if (changed || k->wanted || clock_boot_ms() >= k->due)
			read_once(k, section);
		else
			worker_wait(&k->worker, clock_boot_ms() + LOOK_MS);
		json_object_put(section);
	}
	worker_unlock(&k->worker);
}

/* --------------------------------------------------------------------------------- its owner */

struct keeper *keeper_new(const char *folder)
{
	struct keeper *k = xcalloc(1, sizeof(*k));

	worker_init(&k->worker);
	pthread_cond_init(&k->settled, NULL);
	k->folder = xstrdup(folder);
	k->state.state = "none";
	return k;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	worker_lock(&k->worker);
	worker_end(&k->worker);
	if (k->run)
		shutdown(k->run->fd, SHUT_RDWR);
	pthread_cond_broadcast(&k->settled);
	worker_unlock(&k->worker);
	worker_stop(&k->worker);
	inventory_unref(k->current);
	json_object_put(k->section);
	pthread_cond_destroy(&k->settled);
	worker_dispose(&k->worker);
	free(k->folder);
	free(k->said);
	free(k);
}

/* Under the lock, for which the thread waits. */
static void start_thread(struct keeper *k)
{
	struct drover_error err = { 0 };

	if (k->worker.runs || !worker_start(&k->worker, "inventory", keep, k, &err))
		return;
	k->state.state = "failed";
	snprintf(k->state.message, sizeof(k->state.message), "%s", err.message);
	log_error("inventory: %s", k->state.message);
}

void keeper_configure(struct keeper *k, struct json_object *section)
{
	worker_lock(&k->worker);
	json_object_put(k->section);
	k->section = NULL;
	if (section)
		json_object_deep_copy(section, &k->section, NULL);
	k->wanted = section != NULL;
	k->configured++;
	if (k->run)
		shutdown(k->run->fd, SHUT_RDWR);
	if (!section) {
		inventory_unref(k->current);
		k->current = NULL;
		k->state = (struct keeper_state){ .state = "none" };
	} else if (!k->current) {
		k->state = (struct keeper_state){ .state = "reading" };
	}
	if (section)
		start_thread(k);
	worker_wake(&k->worker);
	pthread_cond_broadcast(&k->settled);
	worker_unlock(&k->worker);
}

struct inventory *keeper_take(struct keeper *k, int64_t wait, struct keeper_state *state)
{
	struct timespec until = clock_monotonic_in(wait);
	struct inventory *taken;
	int code = 0;

	worker_lock(&k->worker);
	while (!strcmp(k->state.state, "reading") && !k->worker.stop && code != ETIMEDOUT)
		code = pthread_cond_clockwait(&k->settled, &k->worker.lock, CLOCK_MONOTONIC, &until);
	taken = inventory_ref(k->current);
	*state = k->state;
	worker_unlock(&k->worker);
	return taken;
}

char *keeper_sources(struct keeper *k)
{
	struct buf text = BUF_INIT;
	struct json_object *sources;

	buf_append(&text, "", 0);
	worker_lock(&k->worker);
	sources = k->section ? slice_get(k->section, "sources") : NULL;
	for (size_t i = 0; sources && i < json_object_array_length(sources); i++)
		buf_printf(&text, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(sources, i)));
	worker_unlock(&k->worker);
	return buf_take(&text);
}
