/* messages.c - see messages.h. */
#include "proc/messages.h"

#include <limits.h>
#include <string.h>

#include "proc/live.h"

/* ------------------------------------------------------------------------------------- a unit */

void message_put_unit(struct buf *b, const struct exec_unit *unit)
{
	const struct drover_unit_info *info = &unit->info;

	wire_put_string(b, info->task);
	wire_put_i64(b, info->unit);
	wire_put_i64(b, info->attempt);
	wire_put_string(b, info->type);
	wire_put_string(b, info->payload);
	wire_put_string(b, info->credential);
	wire_put_i64(b, info->deadline);
	wire_put_i64(b, info->host_timeout);
	wire_put_i64(b, info->connect_timeout);
	wire_put_i64(b, info->output_limit);
	wire_put_i64(b, info->fanout);
	wire_put_i64(b, (int64_t)unit->begun);
	wire_put_i64(b, unit->begin_by);
	wire_put_i64(b, (int64_t)info->count);
	for (size_t i = 0; i < info->count; i++) {
		const struct drover_target *t = &info->targets[i];

		wire_put_i64(b, unit->indexes ? unit->indexes[i] : (int64_t)i);
		wire_put_string(b, t->name);
		wire_put_string(b, t->address);
		wire_put_i64(b, t->port);
		wire_put_string(b, t->user);
		wire_put_string(b, t->vars);
	}
}

/* A value that must lie in [lo, hi]. */
static int64_t get_within(struct wire_reader *r, int64_t lo, int64_t hi)
{
	int64_t value = wire_get_i64(r);

	if (value < lo || value > hi) {
		r->failed = true;
		return lo;
	}
	return value;
}

bool message_get_unit(struct wire_reader *r, struct exec_unit *unit)
{
	struct drover_unit_info *info = &unit->info;

	memset(unit, 0, sizeof(*unit));
	info->size = sizeof(*info);
	info->task = wire_get_string(r);
	info->unit = wire_get_i64(r);
	info->attempt = (int)get_within(r, 0, INT_MAX);
	info->type = wire_get_string(r);
	info->payload = wire_get_string(r);
	info->credential = wire_get_string(r);
	info->deadline = wire_get_i64(r);
	info->host_timeout = get_within(r, 0, INT64_MAX);
	info->connect_timeout = get_within(r, 0, INT64_MAX);
	info->output_limit = get_within(r, 0, WIRE_PAYLOAD_MAX / 4);
	info->fanout = get_within(r, 0, INT64_MAX);
	unit->begun = (size_t)get_within(r, 0, MESSAGE_HOSTS_MAX);
	unit->begin_by = get_within(r, 0, INT64_MAX);
	info->count = (size_t)get_within(r, 0, MESSAGE_HOSTS_MAX);
	return !r->failed && info->task && info->type && unit->begun <= info->count;
}

bool message_get_targets(struct wire_reader *r, size_t count, struct drover_target *targets, int64_t *indexes)
{
	for (size_t i = 0; i < count && !r->failed; i++) {
		struct drover_target *t = &targets[i];

		t->size = sizeof(*t);
		indexes[i] = wire_get_i64(r);
		t->name = wire_get_string(r);
		t->address = wire_get_string(r);
		t->port = (int)get_within(r, 0, 65535);
		t->user = wire_get_string(r);
		t->vars = wire_get_string(r);
		if (!t->name)
			r->failed = true;
	}
	return wire_get_end(r);
}

/* ----------------------------------------------------------------------------------- a result */

void message_put_result(struct buf *b, size_t position, enum drover_status status, const struct drover_report *report)
{
	wire_put_u32(b, (uint32_t)position);
	wire_put_u32(b, (uint32_t)status);
	wire_put_bytes(b, report->out, report->out_size);
	wire_put_bytes(b, report->err, report->err_size);
	wire_put_i64(b, (int64_t)report->out_total);
	wire_put_i64(b, (int64_t)report->err_total);
	wire_put_u32(b, report->has_rc);
	wire_put_u32(b, (uint32_t)report->rc);
	wire_put_string(b, report->signal);
	wire_put_string(b, report->message);
	wire_put_string(b, report->via);
	wire_put_string(b, report->result);
	wire_put_string(b, report->waiting_for);
	wire_put_u32(b, (uint32_t)report->changed);
	wire_put_u32(b, (uint32_t)report->phase);
	wire_put_u32(b, (uint32_t)report->remote);
}

static uint32_t get_choice(struct wire_reader *r, uint32_t count)
{
	uint32_t value = wire_get_u32(r);

	if (value >= count) {
		r->failed = true;
		return 0;
	}
	return value;
}

bool message_get_result(struct wire_reader *r, size_t *position, enum drover_status *status,
			struct drover_report *report)
{
	memset(report, 0, sizeof(*report));
	*position = wire_get_u32(r);
	*status = (enum drover_status)get_choice(r, DROVER_STATUS_COUNT);
	report->out = wire_get_bytes(r, &report->out_size);
	report->err = wire_get_bytes(r, &report->err_size);
	report->out_total = (uint64_t)get_within(r, 0, INT64_MAX);
	report->err_total = (uint64_t)get_within(r, 0, INT64_MAX);
	report->has_rc = get_choice(r, 2);
	report->rc = (int)wire_get_u32(r);
	report->signal = wire_get_string(r);
	report->message = wire_get_string(r);
	report->via = wire_get_string(r);
	report->result = wire_get_string(r);
	report->waiting_for = wire_get_string(r);
	report->changed = (enum drover_changed)get_choice(r, DROVER_CHANGED_YES + 1);
	report->phase = (enum drover_phase)get_choice(r, DROVER_PHASE_COUNT);
	report->remote = (enum drover_remote)get_choice(r, DROVER_REMOTE_COUNT);
	return wire_get_end(r) && (drover_status_is_final(*status) || *status == DROVER_RUNNING);
}

/* ----------------------------------------------------------------------------------- a unit's end */

void message_put_ended(struct buf *b, const struct exec_ended *ended)
{
	wire_put_u32(b, (uint32_t)ended->how);
	wire_put_u32(b, (uint32_t)ended->code);
	wire_put_string(b, ended->message);
	wire_put_string(b, ended->tail);
}

bool message_get_ended(struct wire_reader *r, struct exec_ended *ended)
{
	memset(ended, 0, sizeof(*ended));
	ended->how = (enum exec_end)get_choice(r, EXEC_NOT_STARTED + 1);
	ended->code = (int)wire_get_u32(r);
	ended->message = wire_get_string(r);
	ended->tail = wire_get_string(r);
	return wire_get_end(r);
}

/* -------------------------------------------------------------------------------- what is printed */

void message_put_output(struct buf *b, const struct exec_output *output)
{
	wire_put_u32(b, (uint32_t)output->position);
	wire_put_u32(b, (uint32_t)output->stream);
	wire_put_i64(b, output->offset);
	wire_put_bytes(b, output->data, output->size);
}

bool message_get_output(struct wire_reader *r, struct exec_output *output)
{
	*output = (struct exec_output){ .position = wire_get_u32(r) };
	output->stream = (int)get_choice(r, 3);
	output->offset = get_within(r, 0, INT64_MAX);
	output->data = wire_get_bytes(r, &output->size);
	return wire_get_end(r) && output->stream && output->data && output->size && output->size <= LIVE_FRAME;
}
