/* fleet.c - see fleet.h. */
#define _GNU_SOURCE /* ppoll */
#include "fleet.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "oracle.h"

#define NEVER INT64_MAX

enum answer { ANSWER_OK, ANSWER_FAIL, ANSWER_UNREACHABLE, ANSWER_SKIP, ANSWER_TIMEOUT, ANSWER_CRASH };

/* A host that executes: when it answers, and what. */
struct running {
	int64_t at; /* of what it does next; CLOCK_BOOTTIME in microseconds, or NEVER */
	int64_t end;
	int64_t interval; /* between the pieces of its output */
	uint32_t target;
	uint32_t pieces; /* printed */
	unsigned seen;   /* drover_unit_watched when the last was */
	enum answer answer;
};

struct fleet {
	struct drover_unit *unit;
	const struct drover_unit_info *info;
	const struct plan *plan;
	struct oracle oracle;
	struct running *heap; /* the earliest first */
	size_t heap_count;
	size_t next;  /* the first target that has not been begun */
	size_t asked; /* those before it were asked for */
	size_t at_once;
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ------------------------------------------------------------------ the heap of what comes next */

/* At the same time in the order of the targets, so that runs repeat. */
static bool earlier(const struct running *a, const struct running *b)
{
	return a->at != b->at ? a->at < b->at : a->target < b->target;
}

static void heap_push(struct fleet *fleet, struct running item)
{
	size_t i = fleet->heap_count++;

	while (i && earlier(&item, &fleet->heap[(i - 1) / 2])) {
		fleet->heap[i] = fleet->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	fleet->heap[i] = item;
}

static struct running heap_pop(struct fleet *fleet)
{
	struct running first = fleet->heap[0], last = fleet->heap[--fleet->heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < fleet->heap_count) {
		if (child + 1 < fleet->heap_count && earlier(&fleet->heap[child + 1], &fleet->heap[child]))
			child++;
		if (!earlier(&fleet->heap[child], &last))
			break;
		fleet->heap[i] = fleet->heap[child];
		i = child;
	}
	fleet->heap[i] = last;
	return first;
}

/* ------------------------------------------------------------------------- what a host answers */

static enum answer choose_answer(const struct plan *plan, const struct choice_host *host, int attempt)
{
	if (choice_has(&plan->crash, host))
		return ANSWER_CRASH;
	if (choice_has(&plan->unreachable, host))
		return ANSWER_UNREACHABLE;
	if (choice_has(&plan->fail, host) || (attempt == 1 && choice_has(&plan->flap, host)))
		return ANSWER_FAIL;
	if (choice_has(&plan->skip, host))
		return ANSWER_SKIP;
	return plan->has_rc && plan->rc ? ANSWER_FAIL : ANSWER_OK;
}

static enum drover_status report(struct fleet *fleet, const char *host, enum answer answer)
{
	const struct plan *plan = fleet->plan;
	struct drover_unit *unit = fleet->unit;

	switch (answer) {
	case ANSWER_OK:
		drover_report(unit, host, DROVER_OK, .via = "sim", .out = plan->output, .out_size = plan->output_size,
			      .has_rc = true, .rc = plan->rc, .changed = plan->changed);
		return DROVER_OK;
	case ANSWER_FAIL:
		drover_report(unit, host, DROVER_FAILED, .via = "sim", .out = plan->output,
			      .out_size = plan->output_size, .has_rc = true, .rc = plan->has_rc ? plan->rc : 1,
			      .message = "simulated failure", .changed = plan->changed);
		return DROVER_FAILED;
	case ANSWER_UNREACHABLE:
		drover_report(unit, host, DROVER_UNREACHABLE, .via = "sim", .message = "simulated: no route to host",
			      .phase = DROVER_PHASE_CONNECT);
		return DROVER_UNREACHABLE;
	case ANSWER_SKIP:
		drover_report(unit, host, DROVER_SKIPPED, .via = "sim", .message = "simulated: nothing to do");
		return DROVER_SKIPPED;
	case ANSWER_TIMEOUT:
		drover_report(unit, host, DROVER_TIMEOUT, .via = "sim", .phase = DROVER_PHASE_EXECUTION,
			      .remote = DROVER_REMOTE_DEAD,
			      .message = drover_format("no answer within %lld.%03lld s",
						       (long long)fleet->info->host_timeout / 1000,
						       (long long)fleet->info->host_timeout % 1000));
		return DROVER_TIMEOUT;
	case ANSWER_CRASH:
		break;
	}
	/* What was reported before this host's turn has been sent, so that a test knows what to expect. */
	drover_unit_cork(unit, false);
	abort();
}

/* ----------------------------------------------------------------------------------- the loop */

static void start_host(struct fleet *fleet, size_t target, int64_t now)
{
	const struct plan *plan = fleet->plan;
	const char *name = fleet->info->targets[target].name;
	struct choice_host host = { .name = name, .hash = choice_hash(name, (uint64_t)plan->seed), .place = target };
	struct running item = { .target = (uint32_t)target };
	struct drover_error err = { .code = 0 };
	int64_t latency, limit = fleet->info->host_timeout * 1000;

	if (oracle_start(&fleet->oracle, target, &err)) {
		drover_report(fleet->unit, name, DROVER_FAILED, .via = "sim", .message = err.message);
		return;
	}
	latency = choice_has(&plan->hang, &host) ? NEVER : plan_latency(plan, host.hash);
	if (limit && latency > limit) {
		item.answer = ANSWER_TIMEOUT;
		latency = limit;
	} else {
		item.answer = choose_answer(plan, &host, fleet->info->attempt);
	}
	item.end = latency == NEVER ? NEVER : now + latency;
	item.interval = (latency == NEVER ? plan_latency(plan, host.hash) : latency) / (plan->pieces + 1);
	if (item.answer == ANSWER_UNREACHABLE || item.answer == ANSWER_SKIP)
		item.pieces = (uint32_t)plan->pieces;
	item.at = item.pieces < plan->pieces ? now + item.interval : item.end;
	heap_push(fleet, item);
}

/* Asks for hosts that could be begun now. */
static int ask_for_hosts(struct fleet *fleet, struct drover_error *err)
{
	size_t left = fleet->info->count - fleet->asked, step = (size_t)fleet->plan->step;
	size_t room = fleet->at_once - fleet->heap_count, waiting = fleet->asked - fleet->next;
	size_t want = room > waiting ? room - waiting : 0;
	int code;

	if (step && want > step)
		want = step;
	if (want > left)
		want = left;
	if (!want || (step && waiting))
		return 0;
	code = drover_unit_want(fleet->unit, fleet->asked, want, err);
	if (!code)
		fleet->asked += want;
	return code;
}

/* Starts what was granted; one that is refused is left out. */
static void start_granted(struct fleet *fleet, int64_t now)
{
	while (fleet->next < fleet->asked && fleet->heap_count < fleet->at_once) {
		enum drover_grant grant = drover_unit_grant(fleet->unit, fleet->next);

		if (grant != DROVER_GRANT_GIVEN && grant != DROVER_GRANT_REFUSED)
			return;
		if (grant == DROVER_GRANT_GIVEN)
			start_host(fleet, fleet->next, now);
		fleet->next++;
	}
}

static int start_hosts(struct fleet *fleet, int64_t now, struct drover_error *err)
{
	size_t before;
	int code;

	do {
		before = fleet->next;
		code = ask_for_hosts(fleet, err);
		start_granted(fleet, now);
	} while (!code && fleet->next > before);
	return code;
}

/* The next piece of its output; to those who have just come to watch, all so far. */
static void print_piece(struct fleet *fleet, struct running *item)
{
	const struct plan *plan = fleet->plan;
	unsigned watched = drover_unit_watched(fleet->unit);
	size_t from = watched != item->seen ? 0 : plan->output_size * item->pieces / (size_t)plan->pieces;
	size_t to = plan->output_size * ++item->pieces / (size_t)plan->pieces;

	item->seen = watched;
	item->at = item->pieces < plan->pieces ? item->at + item->interval : item->end;
	drover_output_at(fleet->unit, fleet->info->targets[item->target].name, 1, (int64_t)from, plan->output + from,
			 to - from);
}

static void finish_hosts(struct fleet *fleet, int64_t now)
{
	while (fleet->heap_count && fleet->heap[0].at <= now) {
		struct running done = heap_pop(fleet);

		if (done.pieces < fleet->plan->pieces) {
			print_piece(fleet, &done);
			heap_push(fleet, done);
			continue;
		}
		oracle_end(&fleet->oracle, done.target,
			   report(fleet, fleet->info->targets[done.target].name, done.answer));
	}
}

/* Whether nothing can be asked for right now. */
static bool must_wait(const struct fleet *fleet)
{
	return fleet->next < fleet->asked || fleet->heap_count == fleet->at_once || fleet->next == fleet->info->count;
}

/* Sleeps until the next answer is due or a host is granted; true if the unit is to stop. */
static bool wait_for_next(struct fleet *fleet)
{
	struct pollfd fds[] = { { .fd = drover_unit_stop_fd(fleet->unit), .events = POLLIN },
				{ .fd = drover_unit_event_fd(fleet->unit), .events = POLLIN } };
	nfds_t count = fleet->next < fleet->asked ? 2 : 1;
	struct timespec pause, *limit = NULL;
	int64_t left;

	if (fleet->heap_count && fleet->heap[0].at != NEVER) {
		left = fleet->heap[0].at - now_us();
		if (left < 0)
			left = 0;
		pause = (struct timespec){ .tv_sec = left / 1000000, .tv_nsec = left % 1000000 * 1000 };
		limit = &pause;
	}
	return ppoll(fds, count, limit, NULL) > 0 && fds[0].revents;
}

static int loop(struct fleet *fleet, struct drover_error *err)
{
	for (;;) {
		int64_t now = now_us();
		int code;

		drover_unit_cork(fleet->unit, true);
		finish_hosts(fleet, now);
		code = start_hosts(fleet, now, err);
		/* Those that answer at once do so in the same burst. */
		if (!code)
			finish_hosts(fleet, now);
		drover_unit_cork(fleet->unit, false);
		if (code)
			return code == DROVER_ECANCELLED ? 0 : code;
		if (!fleet->heap_count && fleet->next == fleet->info->count)
			return 0;
		/* Hosts without an answer are left to the host: it knows whether this is a deadline or a cancel. */
		if (must_wait(fleet) && wait_for_next(fleet))
			return 0;
	}
}

int fleet_run(struct drover_unit *unit, const struct plan *plan, struct drover_error *err)
{
	struct fleet fleet = { .unit = unit, .info = drover_unit_info(unit), .plan = plan };
	int code;

	fleet.at_once = fleet.info->fanout > 0 ? (size_t)fleet.info->fanout : fleet.info->count;
	if (plan->step && (size_t)plan->step < fleet.at_once)
		fleet.at_once = (size_t)plan->step;
	code = oracle_open(&fleet.oracle, plan->lock_dir, fleet.info, err);
	if (code)
		goto out;
	fleet.heap = calloc(fleet.info->count ? fleet.info->count : 1, sizeof(*fleet.heap));
	if (!fleet.heap) {
		code = drover_error_set(err, DROVER_ENOMEM, "no memory for %zu hosts", fleet.info->count);
		goto out;
	}
	code = loop(&fleet, err);
out:
	oracle_close(&fleet.oracle);
	free(fleet.heap);
	return code;
}
