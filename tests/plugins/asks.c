/* asks.c - an executor that asks for its hosts without blocking, and says at the end how many it was refused. */
#include <poll.h>

#include <drover/executor.h>

enum { MOST = 16 };

/* Reports what was granted since the last time; returns how many hosts are still open. */
static size_t look(struct drover_unit *unit, bool *settled, size_t *refused)
{
	const struct drover_unit_info *info = drover_unit_info(unit);
	size_t open = 0;

	for (size_t i = 0; i < info->count; i++) {
		if (settled[i])
			continue;
		switch (drover_unit_grant(unit, i)) {
		case DROVER_GRANT_GIVEN:
			drover_report(unit, info->targets[i].name, DROVER_OK);
			settled[i] = true;
			break;
		case DROVER_GRANT_REFUSED:
			(*refused)++;
			settled[i] = true;
			break;
		default:
			open++;
			break;
		}
	}
	return open;
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct pollfd fds[] = { { .fd = drover_unit_stop_fd(unit), .events = POLLIN },
				{ .fd = drover_unit_event_fd(unit), .events = POLLIN } };
	bool settled[MOST] = { false };
	size_t refused = 0, count = drover_unit_info(unit)->count;
	int code = drover_unit_want(unit, 0, count < MOST ? count : MOST, err);

	while (!code && look(unit, settled, &refused))
		if (poll(fds, 2, -1) > 0 && fds[0].revents)
			code = drover_error_set(err, DROVER_ECANCELLED, "told to stop");
	if (!code && refused)
		code = drover_error_set(err, DROVER_EFAULT, "%zu were refused", refused);
	return code;
}

DROVER_EXECUTOR(.name = "asks", .version = "1.0.0", .types = "asks", .summary = "asks without blocking", .run = run);
