/* event_json.c - see event_json.h. */
#include "events/event_json.h"

#include <sodium.h>

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

static void member_if(struct buf *out, const char *key, const char *text)
{
	if (text && *text)
		member(out, key, text);
}

void event_json_audit(const struct drover_audit *line, int64_t seq, const char *node, struct buf *out)
{
	static const char *const roles[] = { NULL, "read", "submit", "admin" };
	const struct drover_principal *by = line->by;

	buf_printf(out, "{\"seq\":%lld,\"kind\":\"audit\"", (long long)seq);
	member_time(out, "time", clock_utc_ms());
	member(out, "node", node);
	member(out, "action", line->action);
	member(out, "result", line->result);
	if (by) {
		member(out, "by", by->name);
		member_if(out, "role", by->role <= DROVER_ROLE_ADMIN ? roles[by->role] : NULL);
		member_if(out, "token", by->token);
		member_if(out, "from", by->from);
	}
	member_if(out, "task", line->task);
	member_if(out, "detail", line->detail);
	if (line->times > 1)
		buf_printf(out, ",\"times\":%lld", (long long)line->times);
	buf_char(out, '}');
}

static void put_base64(struct buf *out, const void *data, size_t size)
{
	size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);

	buf_reserve(out, room);
	sodium_bin2base64(out->data + out->size, room, data, size, sodium_base64_VARIANT_ORIGINAL);
	out->size += room - 1; /* without its NUL */
}

void event_json_output(const struct shown_item *item, struct buf *out)
{
	buf_string(out, "{\"kind\":\"output\"");
	member_time(out, "time", clock_utc_ms());
	member(out, "task", item->task);
	member(out, "host", item->host);
	member(out, "stream", item->stream == 1 ? "stdout" : "stderr");
	buf_printf(out, ",\"offset\":%lld,\"bytes\":%zu", (long long)item->offset, item->size);
	if (json_is_text(item->data, item->size)) {
		member(out, "data", item->data);
	} else {
		buf_string(out, ",\"data_base64\":\"");
		put_base64(out, item->data, item->size);
		buf_char(out, '"');
	}
	buf_char(out, '}');
}
