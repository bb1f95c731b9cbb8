/* show.c - see show.h. */
#include "show.h"

#include "utf8.h"

/* "ok" where every host is ok or skipped; known only at the end. */
static const char *outcome(const struct drover_task *task)
{
	if (!drover_task_state_is_final(task->state))
		return NULL;
	return task->counts[DROVER_OK] + task->counts[DROVER_SKIPPED] == task->hosts ? "ok" : "failed";
}

void show_counts(struct writer *w, const char *key, const int64_t counts[DROVER_STATUS_COUNT])
{
	writer_object(w, key);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		writer_int(w, drover_status_name((enum drover_status)i), counts[i]);
	writer_object_end(w);
}

void show_task_event(struct writer *w, const struct drover_task *task)
{
	writer_object(w, NULL);
	writer_int(w, "seq", task->seq);
	writer_string(w, "kind", "task");
	writer_time(w, "time",
		    task->finished_at  ? task->finished_at
		    : task->started_at ? task->started_at
				       : task->created_at);
	writer_string(w, "task", task->id);
	writer_string(w, "name", task->name);
	writer_string(w, "type", task->type);
	writer_string(w, "owner", task->owner);
	writer_string(w, "state", drover_task_state_name(task->state));
	writer_int(w, "hosts_total", task->hosts);
	show_counts(w, "counts", task->counts);
	writer_int(w, "units_total", task->units);
	writer_int(w, "units_done", task->units_done);
	writer_object_end(w);
}

/* As it was submitted: 3, or "10%". */
static void show_max_failed(struct writer *w, const struct drover_task *task)
{
	char share[32];

	if (task->max_failed_as == DROVER_THRESHOLD_HOSTS) {
		writer_int(w, "max_failed", task->max_failed);
	} else if (task->max_failed_as == DROVER_THRESHOLD_PERCENT) {
		snprintf(share, sizeof(share), "%.5g%%", (double)task->max_failed / 100);
		writer_string(w, "max_failed", share);
	} else {
		writer_null(w, "max_failed");
	}
}

static void show_thresholds(struct writer *w, const struct drover_task *task)
{
	writer_object(w, "waves");
	writer_int(w, "open", task->wave + 1);
	writer_int(w, "total", task->waves);
	writer_time(w, "next_at", task->next_wave_at);
	writer_object_end(w);
	writer_seconds(w, "wave_pause", task->wave_pause);
	show_max_failed(w, task);
	writer_string(w, "concurrency_key", task->concurrency_key);
	writer_string(w, "waiting_for_task", task->waiting_for);
	writer_string(w, "waiting", task->waiting);
}

void show_task(struct writer *w, const struct drover_task *task)
{
	writer_string(w, "id", task->id);
	writer_string(w, "name", task->name);
	writer_string(w, "type", task->type);
	writer_string(w, "executor", task->executor);
	writer_string(w, "pool", task->pool);
	writer_int(w, "priority", task->priority);
	writer_string(w, "state", drover_task_state_name(task->state));
	writer_string(w, "outcome", outcome(task));
	writer_string(w, "reason", task->reason);
	writer_string(w, "owner", task->owner);
	writer_value(w, "labels", task->labels ? task->labels : "{}");
	writer_string(w, "note", task->note);
	writer_string(w, "parent", task->parent);
	writer_string(w, "credential", task->credential);
	writer_time(w, "created_at", task->created_at);
	writer_time(w, "started_at", task->started_at);
	writer_time(w, "finished_at", task->finished_at);
	writer_time(w, "expires_at", task->expires_at);
	writer_int(w, "hosts_total", task->hosts);
	show_counts(w, "counts", task->counts);
	writer_object(w, "units");
	writer_int(w, "done", task->units_done);
	writer_int(w, "total", task->units);
	writer_object_end(w);
	writer_int(w, "unit_size", task->unit_size);
	writer_seconds(w, "timeout", task->timeout);
	writer_seconds(w, "host_timeout", task->host_timeout);
	writer_seconds(w, "connect_timeout", task->connect_timeout);
	writer_int(w, "fanout", task->fanout);
	show_thresholds(w, task);
	writer_int(w, "output_limit", task->output_limit);
	writer_string(w, "on_lost", task->rerun_lost ? "rerun" : "report");
	writer_int(w, "seq", task->seq);
}

void show_unit(struct writer *w, const struct drover_unit_row *unit)
{
	writer_object(w, NULL);
	writer_int(w, "unit", unit->unit);
	writer_int(w, "first", unit->first);
	writer_int(w, "hosts", unit->count);
	writer_string(w, "state", drover_unit_state_name(unit->state));
	writer_int(w, "wave", unit->wave + 1);
	writer_int(w, "attempt", unit->attempt);
	writer_string(w, "engine", unit->engine);
	writer_time(w, "claimed_at", unit->claimed_at);
	writer_time(w, "deadline", unit->deadline);
	writer_time(w, "finished_at", unit->finished_at);
	writer_string(w, "message", unit->message);
	show_counts(w, "counts", unit->counts);
	writer_object_end(w);
}

static void show_number(struct writer *w, const char *key, bool known, int64_t value)
{
	if (known)
		writer_int(w, key, value);
	else
		writer_null(w, key);
}

static void show_changed(struct writer *w, enum drover_changed changed)
{
	if (changed == DROVER_CHANGED_UNKNOWN)
		writer_null(w, "changed");
	else
		writer_bool(w, "changed", changed == DROVER_CHANGED_YES);
}

static void show_output(struct writer *w, const char *key, const char *encoding_key, struct drover_bytes bytes)
{
	bool text = utf8_is_text(bytes.data, bytes.size);

	if (text)
		writer_text(w, key, bytes.data, bytes.size);
	else
		writer_base64(w, key, bytes.data, bytes.size);
	writer_string(w, encoding_key, text ? "utf-8" : "base64");
}

static int64_t written(int64_t total, int64_t kept)
{
	return total > kept ? total : kept;
}

static void show_outcome(struct writer *w, const struct drover_result_row *row)
{
	writer_string(w, "status", drover_status_name(row->status));
	writer_string(w, "phase", row->phase ? drover_phase_name(row->phase) : NULL);
	show_number(w, "rc", row->has_rc, row->rc);
	writer_string(w, "signal", row->signal);
	writer_string(w, "message", row->message);
	writer_string(w, "remote_process", drover_remote_name(row->remote));
	writer_string(w, "waiting_for", row->waiting_for);
	writer_int(w, "unit", row->unit);
	show_number(w, "attempt", row->attempt > 0, row->attempt);
	writer_string(w, "engine", row->engine);
	writer_string(w, "via", row->via);
	writer_int(w, "stdout_bytes", written(row->stdout_total, row->stdout_size));
	writer_int(w, "stderr_bytes", written(row->stderr_total, row->stderr_size));
}

/* What a playbook's rows hold beside an outcome is theirs by name. */
static void show_given(struct writer *w, const char *result)
{
	bool playbook = result && !strncmp(result, "{\"steps\":", strlen("{\"steps\":"));

	writer_value(w, "result", playbook ? NULL : result);
	if (playbook)
		writer_members(w, result);
}

void show_result(struct writer *w, const struct drover_result_row *row, bool with_task, bool outputs)
{
	writer_object(w, NULL);
	writer_int(w, "id", row->id);
	if (with_task)
		writer_string(w, "task", row->task);
	writer_string(w, "host", row->host);
	show_outcome(w, row);
	show_changed(w, row->changed);
	writer_bool(w, "truncated", row->stdout_total > row->stdout_size || row->stderr_total > row->stderr_size);
	if (outputs) {
		show_output(w, "stdout", "stdout_encoding", row->out);
		show_output(w, "stderr", "stderr_encoding", row->err);
	}
	writer_time(w, "started_at", row->started_at);
	writer_time(w, "finished_at", row->finished_at);
	show_given(w, row->result);
	if (row->late)
		writer_value(w, "late", row->late);
	writer_int(w, "seq", row->seq);
	writer_object_end(w);
}

static bool is_cut(int64_t total, int64_t kept, bool counts)
{
	return counts && total > kept;
}

void show_group(struct writer *w, const struct drover_group *group, int stream, bool outputs)
{
	bool out = stream != 2, err = stream != 1;

	writer_string(w, "hosts", group->hosts);
	writer_int(w, "count", group->count);
	writer_string(w, "status", drover_status_name(group->status));
	writer_string(w, "phase", group->phase ? drover_phase_name(group->phase) : NULL);
	show_number(w, "rc", group->has_rc, group->rc);
	writer_string(w, "signal", group->signal);
	writer_string(w, "message", group->message);
	writer_int(w, "messages", group->messages);
	if (out)
		writer_int(w, "stdout_bytes", written(group->stdout_total, group->stdout_size));
	if (err)
		writer_int(w, "stderr_bytes", written(group->stderr_total, group->stderr_size));
	writer_bool(w, "truncated",
		    is_cut(group->stdout_total, group->stdout_size, out) ||
			    is_cut(group->stderr_total, group->stderr_size, err));
	if (outputs && out)
		show_output(w, "stdout", "stdout_encoding", group->out);
	if (outputs && err)
		show_output(w, "stderr", "stderr_encoding", group->err);
}

void show_host_event(struct writer *w, const struct drover_result_row *row)
{
	writer_object(w, NULL);
	writer_int(w, "seq", row->seq);
	writer_string(w, "kind", "host");
	writer_time(w, "time", row->finished_at);
	writer_string(w, "task", row->task);
	writer_string(w, "host", row->host);
	writer_string(w, "status", drover_status_name(row->status));
	writer_string(w, "phase", row->phase ? drover_phase_name(row->phase) : NULL);
	show_number(w, "rc", row->has_rc, row->rc);
	writer_string(w, "signal", row->signal);
	writer_int(w, "unit", row->unit);
	writer_int(w, "attempt", row->attempt);
	writer_string(w, "engine", row->engine);
	writer_string(w, "message", row->message);
	writer_string(w, "remote_process", drover_remote_name(row->remote));
	writer_time(w, "started_at", row->started_at);
	writer_int(w, "stdout_bytes", written(row->stdout_total, row->stdout_size));
	writer_int(w, "stderr_bytes", written(row->stderr_total, row->stderr_size));
	writer_object_end(w);
}
