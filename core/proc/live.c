/* live.c - see live.h. */
#define _GNU_SOURCE
#include "proc/live.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proc/messages.h"
#include "proc/unit_names.h"
#include "proc/unit_services.h"
#include "util/clock.h"

#define PLACES 65536

bool live_budget_take(struct live_budget *budget, size_t size)
{
	int64_t now = clock_boot_ms(), most = budget->rate * 2;

	if (!budget->at)
		budget->left = most;
	else if (now - budget->at >= 2000)
		budget->left = most;
	else
		budget->left += budget->rate * (now - budget->at) / 1000;
	if (budget->left > most)
		budget->left = most;
	budget->at = now;
	if (budget->left < (int64_t)size)
		return false;
	budget->left -= (int64_t)size;
	return true;
}

/* ------------------------------------------------------------------------------------ the board */

int live_board_open(struct live_board *board)
{
	void *flags = mmap(NULL, PLACES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	*board = (struct live_board){ .flags = NULL };
	if (flags == MAP_FAILED)
		return -errno;
	board->flags = flags;
	board->taken = xcalloc(PLACES, sizeof(bool));
	return 0;
}

void live_board_dispose(struct live_board *board)
{
	if (board->flags)
		munmap((void *)board->flags, PLACES);
	free(board->taken);
	*board = (struct live_board){ .flags = NULL };
}

int live_board_take(struct live_board *board)
{
	for (size_t i = 0; board->flags && i < PLACES; i++) {
		size_t place = (board->next + i) % PLACES;

		if (board->taken[place])
			continue;
		board->taken[place] = true;
		board->next = place + 1;
		atomic_store(&board->flags[place], 0);
		return (int)place;
	}
	return -1;
}

void live_board_give(struct live_board *board, int place)
{
	if (place < 0)
		return;
	atomic_store(&board->flags[place], 0);
	board->taken[place] = false;
	if ((size_t)place < board->next)
		board->next = (size_t)place; /* the low ones are used again, so that few pages are touched */
}

void live_board_set(struct live_board *board, int place, unsigned char watched)
{
	if (place >= 0)
		atomic_store(&board->flags[place], watched);
}

void live_board_protect(const struct live_board *board)
{
	if (board->flags)
		mprotect((void *)board->flags, PLACES, PROT_READ);
}

/* ---------------------------------------------------------------------------- in a unit process */

unsigned live_watched(const struct drover_unit *unit)
{
	return unit->live.flag ? atomic_load_explicit(unit->live.flag, memory_order_relaxed) : 0;
}

/* True where a frame goes into the socket at once, with nearly all of its room left for results. */
static bool has_room(const struct drover_unit *unit)
{
	int queued = 0;

	return !ioctl(unit->socket, SIOCOUTQ, &queued) && (size_t)queued < LIVE_SOCKET;
}

/* Not behind corked results, which it would not wait for, and never in the middle of a frame: all is sent. */
static void send_frame(struct drover_unit *unit, const struct buf *frame)
{
	size_t sent = 0;

	while (sent < frame->size) {
		ssize_t n = send(unit->socket, frame->data + sent, frame->size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(1); /* nobody will ever hear of this unit */
		sent += (size_t)n;
	}
}

/* At most LIVE_FRAME bytes, not ending within a character of UTF-8. */
static size_t cut(const char *data, size_t size)
{
	size_t end = LIVE_FRAME;

	if (size <= LIVE_FRAME)
		return size;
	while (end > LIVE_FRAME - 4 && ((unsigned char)data[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static void show(struct drover_unit *unit, size_t position, int stream, int64_t offset, const char *data, size_t size)
{
	struct buf frame = BUF_INIT;

	while (size) {
		size_t part = cut(data, size), place;

		if (!has_room(unit) || !live_budget_take(&unit->live.budget, part))
			break;
		frame.size = 0;
		place = wire_begin(&frame, WIRE_OUTPUT, 0);
		message_put_output(
			&frame,
			&(struct exec_output){
				.position = position, .stream = stream, .offset = offset, .data = data, .size = part });
		wire_finish(&frame, place);
		send_frame(unit, &frame);
		data += part;
		offset += (int64_t)part;
		size -= part;
	}
	buf_dispose(&frame);
}

void live_output(struct drover_unit *unit, const char *host, int stream, int64_t offset, const void *data, size_t size)
{
	bool watched = live_watched(unit);
	ssize_t position;

	if ((!watched && offset >= 0) || (stream != 1 && stream != 2) || !host || !data || !size)
		return;
	position = unit_names_find(unit, host);
	if (position < 0 || unit->marks[position] & UNIT_REPORTED)
		return;
	if (offset < 0) {
		int64_t *counted;

		if (!unit->live.offsets)
			unit->live.offsets = xcalloc(unit->unit->info.count * 2, sizeof(int64_t));
		counted = &unit->live.offsets[2 * position + stream - 1];
		offset = *counted;
		*counted += (int64_t)size;
	}
	if (watched)
		show(unit, (size_t)position, stream, offset, data, size);
}
