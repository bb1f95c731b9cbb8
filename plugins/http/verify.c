/* verify.c - whether every host of a task has exactly one row, and the counts are true. */
#include "handlers.h"

#include <stdarg.h>
#include <stdio.h>

#include "show.h"

/* One sentence about what is not as it must be. */
static void __attribute__((format(printf, 3, 4))) wrong(struct writer *w, bool *ok, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	writer_string(w, NULL, text);
	*ok = false;
}

static void verify_counts(struct writer *w, const struct drover_verification *v, bool *ok)
{
	long long sum = 0;

	for (int i = 0; i < DROVER_STATUS_COUNT; i++) {
		sum += v->stored[i];
		if (v->counted[i] != v->stored[i])
			wrong(w, ok, "%lld rows are %s, the task says %lld", (long long)v->counted[i],
			      drover_status_name((enum drover_status)i), (long long)v->stored[i]);
	}
	if (v->rows != v->hosts)
		wrong(w, ok, "there are %lld rows for %lld hosts", (long long)v->rows, (long long)v->hosts);
	if (v->distinct != v->rows)
		wrong(w, ok, "%lld rows have %lld different hosts", (long long)v->rows, (long long)v->distinct);
	if (sum != v->hosts)
		wrong(w, ok, "the task's counts add up to %lld, not to its %lld hosts", sum, (long long)v->hosts);
	if (v->without_intent)
		wrong(w, ok, "%lld hosts have a result but were never begun", (long long)v->without_intent);
}

static void verify_end(struct writer *w, const struct drover_verification *v, bool *ok)
{
	int64_t left = v->counted[DROVER_PENDING] + v->counted[DROVER_RUNNING];
	const char *state = drover_task_state_name(v->state);

	if (!drover_task_state_is_final(v->state))
		return;
	if (left)
		wrong(w, ok, "the task is %s, but %lld hosts are not final", state, (long long)left);
	if (v->units_done != v->units)
		wrong(w, ok, "the task is %s, but only %lld of %lld units are done", state, (long long)v->units_done,
		      (long long)v->units);
}

int tasks_verify(struct request *r)
{
	struct drover_verification v = { 0 };
	struct drover_error err = { 0 };
	bool ok = true;
	int64_t key;
	int code;

	if (tasks_find(r, &key))
		return 0;
	code = r->server->services->verify(r->server->core, key, &v, &err);
	if (code)
		return problem_set_code(&r->problem, code, &err);
	writer_object(&r->out, NULL);
	writer_array(&r->out, "errors");
	verify_counts(&r->out, &v, &ok);
	verify_end(&r->out, &v, &ok);
	writer_array_end(&r->out);
	writer_bool(&r->out, "ok", ok);
	writer_string(&r->out, "state", drover_task_state_name(v.state));
	writer_bool(&r->out, "final", drover_task_state_is_final(v.state));
	writer_int(&r->out, "hosts", v.hosts);
	writer_int(&r->out, "rows", v.rows);
	writer_int(&r->out, "distinct", v.distinct);
	show_counts(&r->out, "counted", v.counted);
	show_counts(&r->out, "stored", v.stored);
	writer_int(&r->out, "units", v.units);
	writer_int(&r->out, "units_done", v.units_done);
	writer_int(&r->out, "without_intent", v.without_intent);
	writer_object_end(&r->out);
	return MHD_HTTP_OK;
}
