/*
 * sim.c - the fleet simulator: hosts that answer, fail, hang, crash their executor or print what no
 * decoder expects, by a seed, so that a run can be repeated. For the demo, tests and benchmarks.
 *
 * The hosts do not exist; everything around them is real.
 */
#include <drover/executor.h>

#include "fleet.h"
#include "plan.h"

static const struct drover_option options[] = {
	DROVER_OPT_STRING(struct sim, latency, "0ms", "how long a host takes to answer: 20ms, or a range: 0-50ms"),
	DROVER_OPT_STRING(struct sim, hang, NULL, "hosts that never answer: a fraction (1/30) or a share (0.01)"),
	DROVER_OPT_STRING(struct sim, fail, NULL, "hosts that fail, likewise"),
	DROVER_OPT_STRING(struct sim, unreachable, NULL, "hosts that cannot be reached, likewise"),
	DROVER_OPT_STRING(struct sim, skip, NULL, "hosts to which nothing applies, likewise"),
	DROVER_OPT_STRING(struct sim, output, NULL, "what each host prints"),
	DROVER_OPT_STRING(
		struct sim, lock_dir, NULL,
		"folder in which each host keeps a locked file while it executes; tasks may name one below it"),
	DROVER_OPT_INT(struct sim, seed, "1", NULL, NULL,
		       "what latencies and shares depend on, beside the host's name"),
	DROVER_OPT_INT(struct sim, step, "0", "0", "10000", "hosts that run at once; 0: the whole unit"),
	DROVER_OPT_END
};

#define CHOICE (DROVER_JSON_STRING | DROVER_JSON_NUMBER | DROVER_JSON_STRINGS)

static const struct drover_payload_field payload[] = {
	{ .name = "latency",
	  .types = DROVER_JSON_STRING | DROVER_JSON_NUMBER,
	  .help = "how long a host takes to answer: \"20ms\", or a range: \"0-50ms\"" },
	{ .name = "hang",
	  .types = CHOICE,
	  .help = "hosts that never answer: \"1/30\" (the last of every 30 of the unit), 0.01, or names" },
	{ .name = "fail", .types = CHOICE, .help = "hosts that fail" },
	{ .name = "flap", .types = CHOICE, .help = "hosts that fail in their unit's first attempt" },
	{ .name = "unreachable", .types = CHOICE, .help = "hosts that cannot be reached" },
	{ .name = "skip", .types = CHOICE, .help = "hosts to which nothing applies" },
	{ .name = "crash", .types = CHOICE, .help = "hosts at whose turn the unit's process aborts" },
	{ .name = "output",
	  .types = DROVER_JSON_STRING | DROVER_JSON_OBJECT,
	  .help = "what each host prints: text, or {\"bytes\": N, \"kind\": \"text|binary|utf8-invalid\"}" },
	{ .name = "pieces",
	  .types = DROVER_JSON_INT,
	  .help = "in how many pieces it is printed, spread over the host's latency; 0: all at its end" },
	{ .name = "rc", .types = DROVER_JSON_INT, .help = "exit code; a host whose code is not 0 fails" },
	{ .name = "changed", .types = DROVER_JSON_BOOL, .help = "whether hosts report a change" },
	{ .name = "seed", .types = DROVER_JSON_INT, .help = "what latencies and shares depend on" },
	{ .name = "step", .types = DROVER_JSON_INT, .help = "hosts that run at once; 0: the whole unit" },
	{ .name = "lock_dir",
	  .types = DROVER_JSON_STRING,
	  .help = "folder of the hosts' locked files, below the executor's own" },
	DROVER_PAYLOAD_END
};

static int check(const void *self, struct drover_error *err)
{
	struct plan plan = { .step = 0 };
	int code = plan_read(self, NULL, &plan, err);

	plan_dispose(&plan);
	return code;
}

static int run(struct drover_unit *unit, struct drover_error *err)
{
	struct plan plan = { .step = 0 };
	int code = plan_read(drover_unit_self(unit), drover_unit_info(unit)->payload, &plan, err);

	if (!code)
		code = fleet_run(unit, &plan, err);
	plan_dispose(&plan);
	return code;
}

DROVER_EXECUTOR(.name = "sim", .version = "1.0.0", .types = "sim", .summary = "simulates hosts",
		.self_size = sizeof(struct sim), .options = options, .check = check, .payload = payload, .run = run);
