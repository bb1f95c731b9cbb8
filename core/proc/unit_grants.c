/*
 * unit_grants.c - see unit_grants.h. Asking for hosts and hearing of them, over the unit's socket.
 *
 * The core may answer one request in parts, as the task's fan-out has room. "Stop" is the other side's
 * shutdown of the socket. Everything here runs in the thread of `run`.
 */
#define _GNU_SOURCE /* EPOLLRDHUP, POLLRDHUP */
#include "proc/unit_grants.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "proc/unit_services.h"
#include "proc/wire.h"

#define FRAME_MAX (64u << 10)
#define PERMIT_LOOK 10 /* ms */

static void take_grant(struct drover_unit *unit, struct wire_reader *r)
{
	int64_t first = wire_get_i64(r), count = wire_get_i64(r);
	bool granted = wire_get_u32(r);
	int64_t all = (int64_t)unit->unit->info.count;

	if (!wire_get_end(r) || first < 0 || count < 0 || first > all || count > all - first)
		return;
	for (int64_t i = first; i < first + count; i++)
		if (!(unit->marks[i] & UNIT_BEGUN))
			unit->marks[i] |= granted ? UNIT_BEGUN : UNIT_REFUSED;
}

static void take_frames(struct drover_unit *unit)
{
	struct wire_header header;
	struct wire_reader r;
	size_t used;
	int found;

	while ((found = wire_next(unit->in.data, unit->in.size, FRAME_MAX, &header, &r, &used)) > 0) {
		if (header.type == WIRE_GRANTED)
			take_grant(unit, &r);
		buf_consume(&unit->in, used);
	}
	if (found < 0)
		unit->stopped = true;
}

/* One read from the socket; true where something came. `flags`: MSG_DONTWAIT, or 0 to wait. */
static bool receive(struct drover_unit *unit, int flags)
{
	ssize_t n;

	if (unit->stopped)
		return false;
	buf_reserve(&unit->in, 256);
	do
		n = recv(unit->socket, unit->in.data + unit->in.size, unit->in.room - unit->in.size - 1, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0 && flags && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (n <= 0) {
		unit->stopped = true;
		return false;
	}
	unit->in.size += (size_t)n;
	take_frames(unit);
	return true;
}

static void receive_all(struct drover_unit *unit)
{
	while (receive(unit, MSG_DONTWAIT))
		;
}

bool grants_stopping(struct drover_unit *unit)
{
	receive_all(unit);
	return unit->stopped;
}

/* Grants make the socket readable, too, so "stop" alone has a descriptor of its own that sees only the shutdown. */
int grants_stop_fd(const struct drover_unit *given)
{
	struct drover_unit *unit = (struct drover_unit *)given;
	struct epoll_event event = { .events = EPOLLRDHUP };

	if (unit->stop_fd)
		return unit->stop_fd;
	unit->stop_fd = epoll_create1(EPOLL_CLOEXEC);
	if (unit->stop_fd < 0 || epoll_ctl(unit->stop_fd, EPOLL_CTL_ADD, unit->socket, &event))
		unit->stop_fd = unit->socket;
	return unit->stop_fd;
}

int grants_event_fd(struct drover_unit *unit)
{
	return unit->socket;
}

static void ask(struct drover_unit *unit, size_t first, size_t count)
{
	size_t place = wire_begin(&unit->out, WIRE_BEGIN, 0);

	wire_put_i64(&unit->out, (int64_t)first);
	wire_put_i64(&unit->out, (int64_t)count);
	wire_finish(&unit->out, place);
	for (size_t i = first; i < first + count; i++)
		unit->marks[i] |= UNIT_ASKED;
}

int grants_want(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	size_t all = unit->unit->info.count;
	bool asked = false;

	if (first > all || count > all - first)
		return drover_error_set(err, DROVER_EINVALID, "the unit has only %zu hosts", all);
	if (grants_stopping(unit))
		return drover_error_set(err, DROVER_ECANCELLED, "the unit is to stop");
	for (size_t i = first; i < first + count;) {
		size_t from = i;

		while (i < first + count && !(unit->marks[i] & (UNIT_ASKED | UNIT_BEGUN)))
			i++;
		if (i > from) {
			ask(unit, from, i - from);
			asked = true;
		} else {
			i++;
		}
	}
	/* Reports that wait under the cork go first: they make room. */
	if (asked)
		unit_flush(unit);
	return 0;
}

/*
 * The host is about to be touched: waits while the core's last word is too old. False: it is not to be, the unit is to
 * stop. For one that was taken before nobody is kept waiting.
 */
static bool take(struct drover_unit *unit, size_t index)
{
	struct pollfd fd = { .fd = unit->socket, .events = POLLRDHUP };

	while (!(unit->marks[index] & UNIT_TAKEN) && !permit_holds(unit->permit))
		if (unit->stopped || poll(&fd, 1, PERMIT_LOOK) > 0)
			return false;
	unit->marks[index] |= UNIT_TAKEN;
	return true;
}

enum drover_grant grants_of(struct drover_unit *unit, size_t index)
{
	if (index >= unit->unit->info.count)
		return DROVER_GRANT_REFUSED;
	if (!(unit->marks[index] & (UNIT_BEGUN | UNIT_REFUSED)))
		receive_all(unit);
	if (unit->marks[index] & UNIT_BEGUN)
		return take(unit, index) ? DROVER_GRANT_GIVEN : DROVER_GRANT_REFUSED;
	if (unit->marks[index] & UNIT_REFUSED)
		return DROVER_GRANT_REFUSED;
	return unit->marks[index] & UNIT_ASKED ? DROVER_GRANT_WAITING : DROVER_GRANT_NONE;
}

/* Blocks until that host is granted. */
static bool wait_for(struct drover_unit *unit, size_t index)
{
	enum drover_grant grant;

	do
		grant = grants_of(unit, index);
	while (grant == DROVER_GRANT_WAITING && receive(unit, 0));
	return grant == DROVER_GRANT_GIVEN;
}

/* Those that would run at once if all of the range were begun now. */
static size_t count_open(const struct drover_unit *unit, size_t first, size_t count)
{
	size_t open = 0;

	for (size_t i = first; i < first + count; i++)
		open += !(unit->marks[i] & UNIT_REPORTED);
	return open;
}

/* Those of the range that are not granted yet. */
static int ask_for_rest(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	int64_t fanout = unit->unit->info.fanout;

	while (count && unit->marks[first] & UNIT_BEGUN)
		first++, count--;
	while (count && unit->marks[first + count - 1] & UNIT_BEGUN)
		count--;
	if (!count)
		return 0;
	if (fanout > 0 && count_open(unit, first, count) > (size_t)fanout)
		return drover_error_set(err, DROVER_ELIMIT,
					"the task's fanout is %lld: so many hosts are never begun at once",
					(long long)fanout);
	return grants_want(unit, first, count, err);
}

int grants_begin(struct drover_unit *unit, size_t first, size_t count, struct drover_error *err)
{
	size_t all = unit->unit->info.count;
	int code;

	if (first > all || count > all - first)
		return drover_error_set(err, DROVER_EINVALID, "the unit has only %zu hosts", all);
	code = ask_for_rest(unit, first, count, err);
	for (size_t i = first; i < first + count && !code; i++)
		if (!wait_for(unit, i))
			code = drover_error_set(err, DROVER_ECANCELLED, "these hosts are not to be touched");
	return code;
}

const struct drover_target *grants_next(struct drover_unit *unit)
{
	const struct drover_unit_info *info = &unit->unit->info;
	size_t window = unit->window > 0 ? (size_t)unit->window : info->count;

	while (unit->next < info->count && !grants_stopping(unit)) {
		size_t index = unit->next++, left = info->count - index;

		if (grants_of(unit, index) == DROVER_GRANT_NONE &&
		    grants_want(unit, index, left < window ? left : window, NULL))
			break;
		if (wait_for(unit, index))
			return &info->targets[index];
	}
	return NULL;
}
