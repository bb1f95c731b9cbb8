/*
 * core_retry.c - a task that does again what ended badly in another: the service `retry` of drover/source.h.
 * Runs on a source's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/core.h"
#include "daemon/signed_parent.h"
#include "task/retry.h"
#include "util/buf.h"
#include "util/log.h"

/* What is kept of the parent after its row is gone. */
struct parent {
	struct retry *retry;
	struct drover_task task;     /* `id` owned; numbers */
	struct signed_parent *signs; /* where units are signed; else NULL */
};

static int take_parent(void *context, const struct drover_task *task)
{
	struct parent *parent = context;

	parent->task = (struct drover_task){ .size = sizeof(parent->task),
					     .key = task->key,
					     .id = xstrdup(task->id),
					     .state = task->state,
					     .hosts = task->hosts,
					     .finished_at = task->finished_at };
	if (drover_task_state_is_final(task->state) && !parent->signs)
		retry_begin(parent->retry, task);
	return 0;
}

static int take_host(void *context, int64_t index, enum drover_status status, enum drover_remote remote,
		     const struct drover_host_spec *host)
{
	struct parent *parent = context;

	if (parent->signs)
		signed_parent_status(parent->signs, index, status, remote);
	else
		retry_offer(parent->retry, index, status, remote, host);
	return 0;
}

static int read_parent(struct core *core, const char *id, struct parent *parent, struct drover_error *err)
{
	struct drover_session *session;
	int code = readers_take(core->readers, &session, err);

	if (code)
		return code;
	code = core->ops->task(session, id, 0, take_parent, parent, err);
	if (!code && !drover_task_state_is_final(parent->task.state))
		code = drover_error_set(err, DROVER_ECONFLICT, "the task is %s: it can be retried when it has ended",
					drover_task_state_name(parent->task.state));
	else if (!code)
		code = core->ops->task_hosts(session, parent->task.key, take_host, parent, err);
	if (!code && parent->signs)
		code = signed_parent_read(parent->signs, core->ops, session, &parent->task, err);
	readers_give(core->readers, session, code == DROVER_EFAULT || code == DROVER_ERETRY);
	return code;
}

/* Somebody has changed what was signed: that is worth a line of the audit log. */
static void audit_refusal(struct core *core, const struct drover_retry *request, const char *parent,
			  const struct drover_error *err)
{
	core_audit(core,
		   &(struct drover_audit){ .size = sizeof(struct drover_audit),
					   .action = "retry",
					   .result = "refused",
					   .by = request->by,
					   .task = parent,
					   .detail = err->message },
		   NULL);
	log_warning("task %s is not done again: %s", parent, err->message);
}

static int submit_child(struct core *core, const struct drover_retry *retry, const char *parent,
			struct drover_submission *child, struct drover_error *err)
{
	child->owner = retry->owner;
	child->by = retry->by;
	child->problem = retry->problem;
	child->context = retry->context;
	return core_submit_child(core, child, parent, err);
}

static void fill_answer(struct drover_retry *retry, const struct drover_submission *child)
{
	snprintf(retry->id, sizeof(retry->id), "%s", child->id);
	snprintf(retry->executor, sizeof(retry->executor), "%s", child->executor);
	retry->repeated = child->repeated;
	retry->state = child->state;
	retry->hosts = child->hosts;
	retry->units = child->units;
	retry->waves = child->waves;
}

int core_retry(void *context, const char *id, struct drover_retry *request, struct drover_error *err)
{
	struct core *core = context;
	struct problems problems = { .tell = request->problem, .context = request->context, .room = 100 };
	struct drover_submission child = { .size = sizeof(child) };
	struct retry retry;
	struct parent parent = { .retry = &retry };
	const char *json;
	struct drover_error why = { 0 };
	int code = retry_read(&retry, request->json, request->json_size, &core->limits, &problems, err);

	if (core_is_distributor(core)) {
		retry.life = signing_keys_life(core->keys);
		parent.signs = signed_parent_new(core->keys, &retry);
	}
	if (!code) {
		code = read_parent(core, id, &parent, &why);
		if (code && signed_parent_is_forged(parent.signs))
			audit_refusal(core, request, id, &why);
		if (code)
			drover_error_set(err, code, "%s", why.message);
	}
	if (!code)
		code = retry_finish(&retry, &parent.task, &json, &child.json_size, &problems, err);
	if (!code) {
		child.json = json;
		code = submit_child(core, request, parent.task.id, &child, err);
	}
	if (!code) {
		fill_answer(request, &child);
		log_info("task %s does again %lld hosts of task %s%s", child.id, (long long)child.hosts, parent.task.id,
			 child.repeated ? " (asked for again)" : "");
	}
	free((char *)parent.task.id);
	signed_parent_free(parent.signs);
	retry_dispose(&retry);
	return code;
}
