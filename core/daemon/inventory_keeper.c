/* inventory_keeper.c - see inventory_keeper.h. */
#include "daemon/inventory_keeper.h"

#include <json-c/json.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <drover/error.h>

#include "daemon/inventory_files.h"
#include "daemon/inventory_run.h"
#include "proc/slice.h"
#include "task/inventory.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/log.h"

#define LOOK_MS 1000   /* how often files are looked at */
#define AGAIN_MS 30000 /* after a failure, where `refresh` is longer */

struct keeper {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* by CLOCK_MONOTONIC */
	pthread_t thread;
	bool has_thread, stop;
	char *folder;

	/* under the lock */
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

static void wait_ms(struct keeper *k, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&k->changed, &k->lock, &until);
}

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
	pthread_cond_broadcast(&k->changed);
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
		pthread_mutex_unlock(&k->lock);
		code = inventory_run_finish(&run, &fresh, &notes, &err);
		pthread_mutex_lock(&k->lock);
		k->run = NULL;
		inventory_run_close(&run);
	}
	k->due = clock_boot_ms() + (code && refresh > AGAIN_MS ? AGAIN_MS : refresh);
	/* Broken off, or of a configuration that is no more: it says nothing. */
	if (k->stop || configured != k->configured) {
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

	pthread_mutex_unlock(&k->lock);
	inventory_files_mark(slice_get(section, "sources"), mark);
	pthread_mutex_lock(&k->lock);
	changed = memcmp(mark, k->mark, sizeof(mark)) != 0;
	memcpy(k->mark, mark, sizeof(mark));
	return changed;
}

static void *keep(void *context)
{
	struct keeper *k = context;

	pthread_mutex_lock(&k->lock);
	while (!k->stop) {
		struct json_object *section = NULL;

		if (!k->section) {
			pthread_cond_wait(&k->changed, &k->lock);
			continue;
		}
		/* Its own: json-c's counts of references are not for several threads. */
		json_object_deep_copy(k->section, &section, NULL);
		/* The mark is taken before the reading: a change during it is seen next time. */
		if (has_changed(k, section) || k->wanted || clock_boot_ms() >= k->due)
			read_once(k, section);
		else
			wait_ms(k, LOOK_MS);
		json_object_put(section);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* --------------------------------------------------------------------------------- its owner */

struct keeper *keeper_new(const char *folder)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	pthread_condattr_t attributes;

	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&k->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	k->folder = xstrdup(folder);
	k->state.state = "none";
	return k;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&k->lock);
	k->stop = true;
	if (k->run)
		shutdown(k->run->fd, SHUT_RDWR);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	if (k->has_thread)
		pthread_join(k->thread, NULL);
	inventory_unref(k->current);
	json_object_put(k->section);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
	free(k->folder);
	free(k->said);
	free(k);
}

/* Signals are for the event loop's thread. */
static bool start_thread(struct keeper *k)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&k->thread, NULL, keep, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !code;
}

void keeper_configure(struct keeper *k, struct json_object *section)
{
	pthread_mutex_lock(&k->lock);
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
	if (section && !k->has_thread) {
		k->has_thread = start_thread(k);
		if (!k->has_thread) {
			k->state.state = "failed";
			snprintf(k->state.message, sizeof(k->state.message), "no thread can be started to read it");
			log_error("inventory: %s", k->state.message);
		}
	}
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

struct inventory *keeper_take(struct keeper *k, int64_t wait, struct keeper_state *state)
{
	int64_t until = clock_boot_ms() + wait, now;
	struct inventory *taken;

	pthread_mutex_lock(&k->lock);
	while (!strcmp(k->state.state, "reading") && !k->stop && (now = clock_boot_ms()) < until)
		wait_ms(k, until - now);
	taken = inventory_ref(k->current);
	*state = k->state;
	pthread_mutex_unlock(&k->lock);
	return taken;
}

char *keeper_sources(struct keeper *k)
{
	struct buf text = BUF_INIT;
	struct json_object *sources;

	buf_append(&text, "", 0);
	pthread_mutex_lock(&k->lock);
	sources = k->section ? slice_get(k->section, "sources") : NULL;
	for (size_t i = 0; sources && i < json_object_array_length(sources); i++)
		buf_printf(&text, "%s%s", i ? " " : "", json_object_get_string(json_object_array_get_idx(sources, i)));
	pthread_mutex_unlock(&k->lock);
	return buf_take(&text);
}
