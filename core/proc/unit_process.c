/* unit_process.c - see unit_process.h. */
#define _GNU_SOURCE
#include "proc/unit_process.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <drover/crash_point.h>

#include "proc/marker.h"
#include "proc/messages.h"
#include "proc/unit_log.h"
#include "proc/unit_services.h"

static void send_end(struct drover_unit *unit, int rc, const struct drover_error *error)
{
	const struct exec_ended ended = {
		.how = rc ? EXEC_ERROR : EXEC_RETURNED,
		.code = rc,
		.message = !rc                 ? NULL
			   : error->message[0] ? error->message
					       : "run returned an error without a message",
	};
	size_t place = wire_begin(&unit->out, WIRE_ENDED, 0);

	message_put_ended(&unit->out, &ended);
	wire_finish(&unit->out, place);
	unit_flush(unit);
}

void unit_process_run(const struct unit_start *start)
{
	struct exec_unit unit = start->unit;
	struct wire_reader r = start->targets;
	size_t count = unit.info.count;
	struct drover_target *targets = xcalloc(count, sizeof(*targets));
	int64_t *indexes = xcalloc(count, sizeof(*indexes));
	struct drover_unit run = { .self = start->self,
				   .unit = &unit,
				   .window = start->executor->window,
				   .folder = start->folder,
				   .socket = start->forked.socket,
				   .permit = start->permit,
				   .live.budget.rate = start->live_rate,
				   .marks = xcalloc(count, 1) };
	struct drover_error error = { 0 };
	int rc;

	marker_set_unit(unit.handle);
	forked_settle(&start->forked);
	live_board_protect(start->board);
	permit_protect(start->permit);
	if (start->place >= 0 && start->board->flags)
		run.live.flag = &start->board->flags[start->place];
	unit_log_begin();
	if (!message_get_targets(&r, count, targets, indexes))
		_exit(1);
	unit.info.targets = targets;
	unit.indexes = indexes;
	memset(run.marks, UNIT_BEGUN, unit.begun);
	rc = credentials_find(start->credentials, unit.info.credential, &run.credential, &error);
	CRASH_POINT("unit.run");
	if (!rc)
		rc = start->executor->run(&run, &error);
	CRASH_POINT("unit.ran");
	send_end(&run, rc, &error);
	fflush(NULL);
	_exit(0);
}
