/* slow_stop.c - an executor that waits for its stop descriptor, reports its hosts as timed out and returns in time. */
#include <poll.h>

#include <drover/executor.h>

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct pollfd stop = { .fd = drover_unit_stop_fd(unit), .events = POLLIN };
	const struct drover_unit_info *info = drover_unit_info(unit);

	(void)err;
	drover_log(DROVER_LOG_INFO, "waiting");
	poll(&stop, 1, -1);
	if (!drover_unit_stopping(unit))
		return DROVER_EFAULT;
	for (size_t i = 0; i < info->count; i++)
		drover_report(unit, info->targets[i].name, DROVER_TIMEOUT, .phase = DROVER_PHASE_EXECUTION,
			      .message = "told to stop");
	return 0;
}

DROVER_EXECUTOR(.name = "slow_stop", .version = "1.0.0", .types = "slow_stop",
		.summary = "works until it is told to stop, and then ends well", .run = run);
