/* submit.c - submitting a task. */
#include "handlers.h"

#include "params.h"

void submit_complain(void *context, const char *pointer, const char *detail)
{
	struct problem *problem = context;

	if (!pointer)
		problem_set(problem, PROBLEM_SYNTAX, "%s", detail);
	else
		problem_add(problem, "pointer", pointer, detail);
}

int submit_answer(struct request *r, const struct drover_submission *s)
{
	writer_object(&r->out, NULL);
	if (s->dry_run) {
		writer_bool(&r->out, "dry_run", true);
	} else {
		writer_string(&r->out, "id", s->id);
		writer_string(&r->out, "state", drover_task_state_name(s->state));
		request_add_header(r, "Location", "/v1/tasks/%s", s->id);
	}
	writer_int(&r->out, "hosts", s->hosts);
	writer_int(&r->out, "units", s->units);
	writer_int(&r->out, "waves", s->waves);
	writer_string(&r->out, "executor", s->executor);
	writer_object_end(&r->out);
	if (s->repeated)
		request_add_header(r, "Idempotent-Replayed", "true");
	return s->dry_run || s->repeated ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED;
}

int tasks_submit(struct request *r)
{
	struct drover_submission s = { .size = sizeof(s),
				       .json = r->body,
				       .json_size = r->body_size,
				       .owner = r->access.by.name,
				       .by = &r->access.by,
				       .dry_run = params_bool(r, "dry_run", false),
				       .problem = submit_complain,
				       .context = &r->problem };
	struct drover_error err = { 0 };
	int code;

	if (r->problem.kind)
		return 0;
	if (!r->body_size)
		return problem_set(&r->problem, PROBLEM_SYNTAX, "the body is empty; a task as JSON is wanted");
	if (r->server->draining && !s.dry_run)
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "the daemon is stopping and takes no new tasks");
	code = r->server->services->submit(r->server->core, &s, &err);
	if (!code)
		return submit_answer(r, &s);
	if (code == DROVER_EINVALID)
		return problem_set(&r->problem, PROBLEM_INVALID_TASK, "%s", r->problem.count ? "" : err.message);
	return problem_set_code(&r->problem, code, &err);
}
