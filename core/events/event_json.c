/* event_json.c - see event_json.h. */
#include "events/event_json.h"

#include "task/json.h"
#include "util/clock.h"

static void member(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, ",\"%s\":", key);
	if (text)
		json_quote(out, text);
	else
		buf_string(out, "null");
}

static void member_time(struct buf *out, const char *key, int64_t utc_ms)
{
	char text[32];

	member(out, key, utc_ms ? clock_format(utc_ms, text, sizeof(text)) : NULL);
}

void event_json_host(const struct drover_result_row *row, struct buf *out)
{
	buf_printf(out, "{\"seq\":%lld,\"kind\":\"host\"", (long long)row->seq);
	member_time(out, "time", row->finished_at);
	member(out, "task", row->task);
	member(out, "host", row->host);
	member(out, "status", drover_status_name(row->status));
	member(out, "phase", row->phase ? drover_phase_name(row->phase) : NULL);
	if (row->has_rc)
		buf_printf(out, ",\"rc\":%d", row->rc);
	else
		buf_string(out, ",\"rc\":null");
	member(out, "signal", row->signal);
	buf_printf(out, ",\"unit\":%lld,\"attempt\":%d", (long long)row->unit, row->attempt);
	member(out, "engine", row->engine);
	member(out, "message", row->message);
	member(out, "remote_process", drover_remote_name(row->remote));
	member_time(out, "started_at", row->started_at);
	buf_printf(out, ",\"stdout_bytes\":%lld,\"stderr_bytes\":%lld}", (long long)row->stdout_total,
		   (long long)row->stderr_total);
}

void event_json_task(const struct drover_task *task, struct buf *out)
{
	int64_t time = task->finished_at ? task->finished_at : task->started_at ? task->started_at : task->created_at;

	buf_printf(out, "{\"seq\":%lld,\"kind\":\"task\"", (long long)task->seq);
	member_time(out, "time", time);
	member(out, "task", task->id);
	member(out, "name", task->name);
	member(out, "type", task->type);
	member(out, "owner", task->owner);
	member(out, "state", drover_task_state_name(task->state));
	buf_printf(out, ",\"hosts_total\":%lld,\"counts\":{", (long long)task->hosts);
	for (int i = 0; i < DROVER_STATUS_COUNT; i++)
		buf_printf(out, "%s\"%s\":%lld", i ? "," : "", drover_status_name((enum drover_status)i),
			   (long long)task->counts[i]);
	buf_printf(out, "},\"units_total\":%lld,\"units_done\":%lld}", (long long)task->units,
		   (long long)task->units_done);
}

void event_json_unit(const char *task, int64_t unit, const char *state, int attempt, const char *node, struct buf *out)
{
	buf_string(out, "{\"kind\":\"unit\"");
	member_time(out, "time", clock_utc_ms());
	member(out, "task", task);
	buf_printf(out, ",\"unit\":%lld", (long long)unit);
	member(out, "state", state);
	buf_printf(out, ",\"attempt\":%d", attempt);
	member(out, "engine", node);
	buf_char(out, '}');
}
