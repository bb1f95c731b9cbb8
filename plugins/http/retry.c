/* retry.c - doing again what ended badly. */
#include "handlers.h"

#include <stdio.h>

/* A child looks like any submitted task. */
static int answer_retry(struct request *r, const struct drover_retry *retry)
{
	struct drover_submission child = { .size = sizeof(child),
					   .repeated = retry->repeated,
					   .state = retry->state,
					   .hosts = retry->hosts,
					   .units = retry->units,
					   .waves = retry->waves };

	snprintf(child.id, sizeof(child.id), "%s", retry->id);
	snprintf(child.executor, sizeof(child.executor), "%s", retry->executor);
	return submit_answer(r, &child);
}

int tasks_retry(struct request *r)
{
	struct drover_retry retry = { .size = sizeof(retry),
				      .json = r->body,
				      .json_size = r->body_size,
				      .owner = r->access.by.name,
				      .by = &r->access.by,
				      .problem = submit_complain,
				      .context = &r->problem };
	struct drover_error err = { 0 };
	int code;

	if (r->server->draining)
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "the daemon is stopping and takes no new tasks");
	code = r->server->services->retry(r->server->core, r->arguments[0], &retry, &err);
	if (!code)
		return answer_retry(r, &retry);
	if (code == DROVER_EINVALID)
		return problem_set(&r->problem, PROBLEM_INVALID_TASK, "%s", r->problem.count ? "" : err.message);
	if (code == DROVER_ENOTFOUND)
		return problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no task %.160s", r->arguments[0]);
	return problem_set_code(&r->problem, code, &err);
}
