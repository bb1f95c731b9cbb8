/*
 * fake_core_tasks.c - the fake core's services over its tasks: what is asked is answered by what it keeps.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <json-c/json.h>

#include "fake_core.h"

#define HOST_BASE 1000000 /* ids of a task's hosts begin at its key times this */

static struct task *find_key(int64_t key)
{
	return key > 0 && key <= core.count ? &core.tasks[key - 1] : NULL;
}

static int unknown(struct drover_error *err)
{
	return core_leave(drover_error_set(err, DROVER_ENOTFOUND, "no such task"));
}

/* --------------------------------------------------------------------------------------- as rows */

static struct drover_task as_task(const struct task *t)
{
	struct drover_task task = { .size = sizeof(task),
				    .key = t->key,
				    .id = t->id,
				    .name = *t->name ? t->name : NULL,
				    .owner = *t->owner ? t->owner : NULL,
				    .type = "shell",
				    .executor = "shell",
				    .pool = "default",
				    .priority = 50,
				    .labels = "{\"team\":\"web\"}",
				    .payload = "{\"command\":\"true\"}",
				    .options = "{}",
				    .timeout = 100000,
				    .host_timeout = 2500,
				    .unit_size = 30,
				    .hosts = t->hosts,
				    .units = (t->hosts + 29) / 30,
				    .state = t->state,
				    .created_at = NOW,
				    .started_at = NOW + 1,
				    .seq = t->seq };

	for (int64_t i = 0; i < t->hosts; i++)
		task.counts[t->rows[i].status]++;
	if (drover_task_state_is_final(t->state)) {
		task.finished_at = NOW + 1000;
		task.units_done = task.units;
	}
	return task;
}

static struct drover_result_row as_row(const struct task *t, int64_t index, const struct drover_result_filter *filter)
{
	const struct row *r = &t->rows[index];
	struct drover_result_row row = { .size = sizeof(row),
					 .id = t->key * HOST_BASE + index,
					 .task_key = t->key,
					 .task = t->id,
					 .host = r->host,
					 .unit = index / 30,
					 .status = r->status,
					 .message = r->message,
					 .attempt = 1,
					 .started_at = NOW,
					 .seq = r->seq,
					 .engine = "node1",
					 .stdout_size = (int64_t)r->out_size,
					 .stdout_total = (int64_t)r->out_size,
					 .has_rc = r->status == DROVER_OK };

	if (drover_status_is_final(r->status))
		row.finished_at = NOW + 10;
	if (filter->outputs)
		row.out = (struct drover_bytes){ r->out, r->out_size };
	return row;
}

/* --------------------------------------------------------------------------------------- services */

static int validate(struct drover_submission *s, struct json_object *json)
{
	struct json_object *value, *hosts;
	int wrong = 0;

	if (!json_object_object_get_ex(json, "type", &value))
		wrong++, s->problem(s->context, "/type", "is required");
	if (json_object_object_get_ex(json, "unit_size", &value) && json_object_get_int64(value) < 1)
		wrong++, s->problem(s->context, "/unit_size", "must be 1 to 10000");
	if (!json_object_object_get_ex(json, "hosts", &hosts) || !json_object_is_type(hosts, json_type_array))
		wrong++, s->problem(s->context, "/hosts", "is required");
	else
		s->hosts = (int64_t)json_object_array_length(hosts);
	return wrong;
}

static int store_submission(struct drover_submission *s, struct json_object *json, struct drover_error *err)
{
	struct json_object *value;
	struct task *t;

	if (json_object_object_get_ex(json, "id", &value))
		snprintf(s->id, sizeof(s->id), "%s", json_object_get_string(value));
	else
		snprintf(s->id, sizeof(s->id), "task-%d", core.count + 1);
	t = core_find(s->id);
	if (t) {
		s->repeated = t->body && strlen(t->body) == s->json_size && !memcmp(t->body, s->json, s->json_size);
		s->state = t->state;
		return s->repeated ? 0 : drover_error_set(err, DROVER_ECONFLICT, "the id %s is another task's", s->id);
	}
	if (core.count == TASKS)
		return drover_error_set(err, DROVER_ELIMIT, "too many tasks: option max_tasks");
	t = core_add(s->id, s->hosts);
	t->body = strndup(s->json, s->json_size);
	t->state = s->state = DROVER_TASK_QUEUED;
	snprintf(t->owner, sizeof(t->owner), "%s", s->owner ? s->owner : "");
	if (json_object_object_get_ex(json, "name", &value))
		snprintf(t->name, sizeof(t->name), "%s", json_object_get_string(value));
	return 0;
}

static int submit(void *c, struct drover_submission *s, struct drover_error *err)
{
	char *text = strndup(s->json, s->json_size);
	struct json_object *json = json_tokener_parse(text);
	int code = 0;

	(void)c;
	free(text);
	if (!core_enter()) {
		json_object_put(json);
		return core_is_away(err);
	}
	if (!json) {
		s->problem(s->context, NULL, "line 1, column 1: not JSON");
		code = DROVER_EINVALID;
	} else if (validate(s, json)) {
		code = DROVER_EINVALID;
	}
	s->units = (s->hosts + 29) / 30;
	s->waves = 1;
	strcpy(s->executor, "shell");
	if (!code && !s->dry_run)
		code = store_submission(s, json, err);
	json_object_put(json);
	return core_leave(code);
}

static int cancel(void *c, const char *id, const char *reason, drover_task_fn *fn, void *context,
		  struct drover_error *err)
{
	struct drover_task task;
	struct task *t;

	(void)c;
	(void)reason;
	if (!core_enter())
		return core_is_away(err);
	t = core_find(id);
	if (!t)
		return unknown(err);
	if (drover_task_state_is_final(t->state))
		return core_leave(drover_error_set(err, DROVER_ECONFLICT, "the task has ended"));
	t->state = DROVER_TASK_CANCELLING;
	task = as_task(t);
	fn(context, &task);
	return core_leave(0);
}

static int get_task(void *c, const char *id, drover_task_fn *fn, void *context, struct drover_error *err)
{
	struct drover_task task;
	struct task *t;

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	t = core_find(id);
	if (!t)
		return unknown(err);
	task = as_task(t);
	return core_leave(fn(context, &task));
}

static int get_tasks(void *c, const struct drover_task_filter *f, drover_task_fn *fn, void *context,
		     struct drover_error *err)
{
	int64_t left = f->limit;
	int code = 0;

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	for (int i = core.count - 1; i >= 0 && left && !code; i--) {
		struct drover_task task = as_task(&core.tasks[i]);

		if ((f->before_key && task.key >= f->before_key) || (f->states && !(f->states >> task.state & 1)) ||
		    (f->name && (!task.name || strncmp(task.name, f->name, strlen(f->name)))) ||
		    (f->label_key && (strcmp(f->label_key, "team") || strcmp(f->label_value, "web"))) ||
		    task.created_at < f->since || (f->until && task.created_at >= f->until))
			continue;
		code = fn(context, &task);
		left--;
	}
	return core_leave(code);
}

static int get_units(void *c, int64_t key, int64_t after, int64_t limit, drover_unit_row_fn *fn, void *context,
		     struct drover_error *err)
{
	struct task *t;
	int code = 0;

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	t = find_key(key);
	for (int64_t unit = after + 1; unit < (t->hosts + 29) / 30 && limit-- && !code; unit++) {
		struct drover_unit_row row = { .size = sizeof(row),
					       .task_key = key,
					       .unit = unit,
					       .first = unit * 30,
					       .count = 30,
					       .state = DROVER_UNIT_CLAIMED,
					       .attempt = 1,
					       .engine = "node1" };

		code = fn(context, &row);
	}
	return core_leave(code);
}

static int results_of_task(const struct task *t, const struct drover_result_filter *f, drover_result_fn *fn,
			   void *context)
{
	int64_t left = f->limit;
	int code = 0;

	for (int64_t i = 0; i < t->hosts && left && !code; i++) {
		struct drover_result_row row = as_row(t, i, f);

		if ((f->statuses && !(f->statuses >> row.status & 1)) || (f->host && strcmp(f->host, row.host)) ||
		    row.id <= f->after_id || row.seq <= f->since_seq)
			continue;
		code = fn(context, &row);
		left--;
	}
	return code;
}

static int results_of_host(const struct drover_result_filter *f, drover_result_fn *fn, void *context)
{
	int64_t left = f->limit;
	int code = 0;

	for (int k = core.count - 1; k >= 0; k--)
		for (int64_t i = 0; i < core.tasks[k].hosts && left && !code; i++) {
			struct drover_result_row row = as_row(&core.tasks[k], i, f);

			if (strcmp(f->host, row.host) || (f->after_id && row.id >= f->after_id))
				continue;
			code = fn(context, &row);
			left--;
		}
	return code;
}

static int get_results(void *c, const struct drover_result_filter *f, drover_result_fn *fn, void *context,
		       struct drover_error *err)
{
	(void)c;
	if (!core_enter())
		return core_is_away(err);
	return core_leave(f->task_key ? results_of_task(find_key(f->task_key), f, fn, context)
				      : results_of_host(f, fn, context));
}

static int get_output_part(void *c, int64_t key, const char *host, int stream, drover_output_want_fn *want,
			   drover_output_fn *fn, void *context, struct drover_error *err)
{
	struct drover_output_info info = { .size = sizeof(info) };
	struct task *t;
	int code;

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	t = find_key(key);
	for (int64_t i = 0; i < t->hosts; i++) {
		const struct row *row = &t->rows[i];

		if (strcmp(row->host, host))
			continue;
		info.kept = info.total = stream == 1 ? (int64_t)row->out_size : 0;
		info.status = row->status;
		if (info.kept)
			snprintf(info.digest, sizeof(info.digest), "%lld", (long long)row->seq);
		code = want(context, &info);
		if (!code && info.count)
			code = fn(context, (struct drover_bytes){ row->out + info.first, (size_t)info.count });
		return core_leave(code);
	}
	return core_leave(drover_error_set(err, DROVER_ENOTFOUND, "no such host"));
}

static int get_verification(void *c, int64_t key, struct drover_verification *v, struct drover_error *err)
{
	struct drover_task task;

	(void)c;
	if (!core_enter())
		return core_is_away(err);
	task = as_task(find_key(key));
	*v = (struct drover_verification){ .hosts = task.hosts,
					   .rows = task.hosts,
					   .distinct = task.hosts,
					   .units = task.units,
					   .units_done = task.units_done,
					   .state = task.state };
	memcpy(v->counted, task.counts, sizeof(task.counts));
	memcpy(v->stored, task.counts, sizeof(task.counts));
	if (!strcmp(task.id, "broken")) {
		v->rows--;
		v->stored[DROVER_OK]++;
	}
	return core_leave(0);
}

void core_set_task_services(struct drover_source_services *services)
{
	services->submit = submit;
	services->cancel = cancel;
	services->task = get_task;
	services->tasks = get_tasks;
	services->units = get_units;
	services->results = get_results;
	services->verify = get_verification;
	services->output_part = get_output_part;
}
