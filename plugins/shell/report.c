/*
 * report.c - what the transports say about a host, in the words of the executor's contract.
 */
#include <time.h>

#include "shell.h"

/* The unit is asked to stop for two reasons: its deadline, or somebody cancelled the task. */
static bool deadline_passed(const struct drover_unit_info *info)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	/* 10 ms of grace: the wake-up comes from another process's clock reading. */
	return info->deadline && (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 10 >= info->deadline;
}

static enum drover_status status_of(struct drover_unit *unit, const struct fanout_result *result)
{
	switch (result->outcome) {
	case FANOUT_EXITED:
		return result->rc ? DROVER_FAILED : DROVER_OK;
	case FANOUT_SIGNALLED:
	case FANOUT_REFUSED:
		return DROVER_FAILED;
	case FANOUT_UNREACHABLE:
		return DROVER_UNREACHABLE;
	case FANOUT_TIMEOUT:
		return DROVER_TIMEOUT;
	case FANOUT_STOPPED:
		return deadline_passed(drover_unit_info(unit)) ? DROVER_TIMEOUT : DROVER_CANCELLED;
	case FANOUT_LOST:
		return DROVER_LOST;
	}
	return DROVER_FAILED;
}

static enum drover_phase phase_of(const struct fanout_result *result)
{
	static const enum drover_phase phases[] = {
		[FANOUT_WAITING] = DROVER_PHASE_WAITING,
		[FANOUT_CONNECT] = DROVER_PHASE_CONNECT,
		[FANOUT_BANNER] = DROVER_PHASE_BANNER,
		[FANOUT_KEY_EXCHANGE] = DROVER_PHASE_KEY_EXCHANGE,
		[FANOUT_AUTHENTICATION] = DROVER_PHASE_AUTHENTICATION,
		[FANOUT_EXECUTION] = DROVER_PHASE_EXECUTION,
	};

	return result->outcome == FANOUT_EXITED || result->outcome == FANOUT_SIGNALLED ? DROVER_PHASE_NONE
										       : phases[result->phase];
}

static enum drover_remote remote_of(const struct fanout_result *result)
{
	switch (result->remote) {
	case FANOUT_REMOTE_NONE:
		return DROVER_REMOTE_NONE;
	case FANOUT_REMOTE_DEAD:
		return DROVER_REMOTE_DEAD;
	case FANOUT_REMOTE_UNKNOWN:
		break;
	}
	return DROVER_REMOTE_UNKNOWN;
}

void report_result(struct drover_unit *unit, size_t target, const char *via, const struct fanout_result *result)
{
	const struct drover_unit_info *info = drover_unit_info(unit);
	const struct fanout_stream *out = &result->out, *err = &result->err;
	enum drover_status status = status_of(unit, result);
	const char *message = result->message;

	/* What never was ours to begin is the core's to end. */
	if (result->outcome == FANOUT_STOPPED && result->phase == FANOUT_WAITING &&
	    drover_unit_grant(unit, target) != DROVER_GRANT_GIVEN)
		return;
	if (result->outcome == FANOUT_STOPPED && message)
		message = drover_format("%s while %s",
					status == DROVER_TIMEOUT ? "the unit's deadline came" : "cancelled", message);
	drover_report(unit, info->targets[target].name, status, .out = out->size ? out->data : NULL,
		      .out_size = out->size, .err = err->size ? err->data : NULL, .err_size = err->size,
		      .out_total = out->total > out->size ? out->total : 0,
		      .err_total = err->total > err->size ? err->total : 0, .has_rc = result->has_rc, .rc = result->rc,
		      .signal = result->signal, .message = message, .via = via, .phase = phase_of(result),
		      .remote = remote_of(result));
}

void report_never_begun(struct drover_unit *unit, size_t first)
{
	const struct drover_unit_info *info = drover_unit_info(unit);
	const struct fanout_result result = { .outcome = FANOUT_STOPPED,
					      .phase = FANOUT_WAITING,
					      .message = "waiting for its turn" };

	for (size_t i = first; i < info->count; i++)
		report_result(unit, i, NULL, &result);
}
