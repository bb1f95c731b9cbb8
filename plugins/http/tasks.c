/* tasks.c - listing and showing tasks and their units, and waiting for a task's end. */
#include "handlers.h"

#include <stdlib.h>
#include <string.h>

#include "params.h"
#include "show.h"

struct listing {
	struct request *r;
	int64_t limit;
	int64_t count;
	int64_t last; /* key or number of the last one shown */
	bool more;
};

static int list_task(void *context, const struct drover_task *task)
{
	struct listing *l = context;

	if (l->count++ == l->limit) {
		l->more = true;
		return 0;
	}
	writer_object(&l->r->out, NULL);
	show_task(&l->r->out, task);
	writer_object_end(&l->r->out);
	l->last = task->key;
	return 0;
}

static void end_listing(struct listing *l)
{
	char next[32];

	writer_array_end(&l->r->out);
	if (l->more) {
		snprintf(next, sizeof(next), "%lld", (long long)l->last);
		writer_string(&l->r->out, "next", next);
	}
	writer_object_end(&l->r->out);
}

static int parse_state(const char *word)
{
	for (int i = DROVER_TASK_QUEUED; i < DROVER_TASK_STATE_COUNT; i++)
		if (!strcmp(word, drover_task_state_name((enum drover_task_state)i)))
			return i;
	return -1;
}

/* Splits the parameter `label` in place. */
static void read_label(struct request *r, struct drover_task_filter *filter)
{
	char *label = (char *)params_string(r, "label"), *equals;

	if (!label)
		return;
	equals = strchr(label, '=');
	if (!equals || equals == label) {
		params_wrong(r, "label", "must be KEY=VALUE");
		return;
	}
	*equals = '\0';
	filter->label_key = label;
	filter->label_value = equals + 1;
}

int tasks_list(struct request *r)
{
	struct listing l = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	struct drover_task_filter filter = { .size = sizeof(filter),
					     .states = params_words(r, "state", parse_state),
					     .type = params_string(r, "type"),
					     .owner = params_string(r, "owner"),
					     .host = params_string(r, "host"),
					     .name = params_string(r, "name"),
					     .since = params_time(r, "since"),
					     .until = params_time(r, "until"),
					     .before_key = params_int(r, "after", 0, 1, INT64_MAX),
					     .limit = l.limit + 1 };
	struct drover_error err = { 0 };
	int code;

	read_label(r, &filter);
	if (r->problem.kind || access_own_only(r, &filter.owner))
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	code = r->server->services->tasks(r->server->core, &filter, list_task, &l, &err);
	if (code)
		return problem_set_code(&r->problem, code, &err);
	end_listing(&l);
	return MHD_HTTP_OK;
}

/* ---------------------------------------------------------------------------------- show, wait */

struct shown {
	struct request *r;
	bool payload;
	bool final;
	int64_t key;
};

static int show_one(void *context, const struct drover_task *task)
{
	struct shown *s = context;

	s->key = task->key;
	s->final = drover_task_state_is_final(task->state);
	if (!s->r)
		return 0;
	writer_object(&s->r->out, NULL);
	show_task(&s->r->out, task);
	if (s->payload) {
		writer_value(&s->r->out, "payload", task->payload);
		writer_value(&s->r->out, "options", task->options);
	}
	writer_object_end(&s->r->out);
	return 0;
}

static int query(struct request *r, struct shown *s)
{
	struct drover_error err = { 0 };
	int code = r->server->services->task(r->server->core, r->arguments[0], show_one, s, &err);

	if (code == DROVER_ENOTFOUND)
		problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no task %.160s", r->arguments[0]);
	else if (code)
		problem_set_code(&r->problem, code, &err);
	return code;
}

int tasks_find(struct request *r, int64_t *key)
{
	struct shown s = { NULL };
	int code = query(r, &s);

	*key = s.key;
	return code;
}

/* A request that waits for its task's end, over several calls of its handler. */
struct waiting {
	void *subscription;
	int64_t deadline; /* workers_now() */
};

static void on_event(void *context, const struct drover_event *event)
{
	struct request *r = context;

	if (event->kind == DROVER_EVENT_TASK)
		workers_wake(&r->server->workers, &r->job);
}

static void stop_waiting(struct request *r)
{
	struct waiting *w = r->waiting;

	if (!w)
		return;
	r->waiting = NULL;
	r->server->services->unsubscribe(r->server->core, w->subscription);
	server_leave_client(r->server);
	free(w);
}

/* Subscribes before the task is looked at, so that no end is missed between the two. */
static int start_waiting(struct request *r, int64_t duration)
{
	struct drover_error err = { 0 };
	struct waiting *w;
	int code;

	if (!server_enter_client(r->server))
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "too many clients wait: option event_clients");
	w = calloc(1, sizeof(*w));
	code = w ? r->server->services->subscribe(r->server->core, r->arguments[0], 1u << DROVER_EVENT_TASK, on_event,
						  r, &w->subscription, &err)
		 : drover_error_set(&err, DROVER_ENOMEM, "not enough memory");
	if (code) {
		server_leave_client(r->server);
		free(w);
		return problem_set_code(&r->problem, code, &err);
	}
	w->deadline = workers_now() + duration;
	r->waiting = w;
	return 0;
}

/* A token may be revoked while its holder waits. */
static int64_t next_look(const struct request *r, int64_t deadline)
{
	int64_t soon = workers_now() + 1000;

	return r->access.token.role && soon < deadline ? soon : deadline;
}

int tasks_show(struct request *r)
{
	int64_t duration = params_duration(r, "wait", 0, r->server->options->wait_limit, "wait_limit");
	struct shown s = { .r = r, .payload = params_bool(r, "payload", false) };
	struct waiting *w;

	if (r->problem.kind)
		return 0;
	if (duration && !r->waiting && start_waiting(r, duration))
		return 0;
	if (!query(r, &s) && !s.final && (w = r->waiting) && !r->server->stopping && workers_now() < w->deadline &&
	    access_still(r)) {
		writer_dispose(&r->out);
		r->job.due = next_look(r, w->deadline);
		return ROUTE_LATER;
	}
	stop_waiting(r);
	if (!access_still(r))
		problem_set(&r->problem, PROBLEM_UNAUTHORIZED, "the token is not good any more");
	return MHD_HTTP_OK;
}

static int list_unit(void *context, const struct drover_unit_row *unit)
{
	struct listing *l = context;

	if (l->count++ == l->limit) {
		l->more = true;
		return 0;
	}
	show_unit(&l->r->out, unit);
	l->last = unit->unit;
	return 0;
}

int tasks_units(struct request *r)
{
	struct listing l = { .r = r, .limit = params_int(r, "limit", PAGE_DEFAULT, 1, PAGE_MAXIMUM) };
	int64_t after = params_int(r, "after", -1, 0, INT64_MAX), key;
	struct drover_error err = { 0 };
	int code;

	if (r->problem.kind || tasks_find(r, &key))
		return 0;
	writer_object(&r->out, NULL);
	writer_array(&r->out, "items");
	code = r->server->services->units(r->server->core, key, after, l.limit + 1, list_unit, &l, &err);
	if (code)
		return problem_set_code(&r->problem, code, &err);
	end_listing(&l);
	return MHD_HTTP_OK;
}
