/* refusals.c - see refusals.h. */
#include "refusals.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "request.h"

#define SILENCE 60000 /* ms between two lines about one place */

static void write_line(struct refusals *all, const struct refusal *item)
{
	const struct drover_source_services *services = all->server->services;
	struct drover_principal by = { .size = sizeof(by),
				       .name = *item->name ? item->name : NULL,
				       .token = *item->token ? item->token : NULL,
				       .from = item->from };
	struct drover_audit line = { .size = sizeof(line),
				     .action = "request",
				     .result = "refused",
				     .by = &by,
				     .detail = item->detail,
				     .times = item->times };
	struct drover_error err = { 0 };

	drover_log(DROVER_LOG_WARNING, "refused %lld times: %s, from %s", (long long)item->times, item->detail,
		   item->from);
	if (services->audit && services->audit(all->server->core, &line, &err))
		drover_log(DROVER_LOG_ERROR, "a refusal is missing in the audit log: %s", err.message);
}

/* The next one that is due, copied, since writing takes time. */
static bool take(struct refusals *all, struct refusal *item)
{
	int64_t now = workers_now();
	bool found = false;

	pthread_mutex_lock(&all->lock);
	all->job.due = 0;
	for (size_t i = 0; i < all->count && !found; i++) {
		struct refusal *this = &all->items[i];

		if (!this->times && this->silent <= now) {
			*this = all->items[--all->count];
			i--;
		} else if (this->times && (this->silent <= now || all->closing)) {
			*item = *this;
			this->times = 0;
			this->silent = now + SILENCE;
			found = true;
		} else if (this->times && (!all->job.due || this->silent < all->job.due)) {
			all->job.due = this->silent;
		}
	}
	pthread_mutex_unlock(&all->lock);
	return found;
}

static enum job_result work(struct job *job)
{
	struct refusals *all = (struct refusals *)((char *)job - offsetof(struct refusals, job));
	struct refusal item;

	while (take(all, &item))
		write_line(all, &item);
	return JOB_KEPT;
}

void refusals_init(struct refusals *all, struct server *server)
{
	all->server = server;
	all->job.run = work;
	pthread_mutex_init(&all->lock, NULL);
}

void refusals_finish(struct refusals *all)
{
	pthread_mutex_lock(&all->lock);
	all->closing = true;
	pthread_mutex_unlock(&all->lock);
	workers_wake(&all->server->workers, &all->job);
}

void refusals_dispose(struct refusals *all)
{
	pthread_mutex_destroy(&all->lock);
}

/* The address without its port, which changes with every connection. */
static void place_of(const char *from, char place[ACCESS_FROM_SIZE])
{
	const char *colon = strrchr(from, ':');

	snprintf(place, ACCESS_FROM_SIZE, "%.*s", colon ? (int)(colon - from) : (int)strlen(from), from);
}

/* Under the lock. With no room left the last one stands for all others. */
static struct refusal *find(struct refusals *all, const char *place, const char *name, int status)
{
	struct refusal *item;

	for (size_t i = 0; i < all->count; i++) {
		item = &all->items[i];
		if (item->status == status && !strcmp(item->place, place) && !strcmp(item->name, name))
			return item;
	}
	if (all->count == REFUSALS_KEPT)
		return &all->items[REFUSALS_KEPT - 1];
	item = &all->items[all->count++];
	*item = (struct refusal){ .status = status };
	snprintf(item->place, sizeof(item->place), "%s", place);
	snprintf(item->name, sizeof(item->name), "%s", name);
	return item;
}

void refusals_note(struct refusals *all, struct request *r, const char *method, const char *path)
{
	const char *name = r->access.token.role ? r->access.token.name : "";
	char place[ACCESS_FROM_SIZE];
	struct refusal *item;

	place_of(r->access.from, place);
	pthread_mutex_lock(&all->lock);
	item = find(all, place, name, problem_status(&r->problem));
	if (!item->times++) {
		snprintf(item->from, sizeof(item->from), "%s", r->access.from);
		snprintf(item->token, sizeof(item->token), "%s", r->access.token.id);
		snprintf(item->detail, sizeof(item->detail), "%d for %.8s %.60s: %.110s", item->status, method, path,
			 r->problem.detail);
	}
	pthread_mutex_unlock(&all->lock);
	workers_wake(&all->server->workers, &all->job);
}
