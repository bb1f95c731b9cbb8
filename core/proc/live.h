/*
 * live.h - what hosts print, shown while they do: the unit process's part, and what bounds it.
 *
 * A unit shows output only while its task is watched, in frames between its results on the socket that it
 * has anyway. Everything here is best effort: a frame is sent only where there is plenty of room, and what is
 * above the rate is left out; who watches sees the gap by the offsets. Results never wait for it.
 */
#ifndef PROC_LIVE_H
#define PROC_LIVE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drover_unit;

#define LIVE_FRAME 16384         /* bytes of output in one frame, at most */
#define LIVE_SOCKET (128u << 10) /* a unit adds nothing to its socket with more than so much in it: about half */
#define LIVE_QUEUE (512u << 10)  /* nor its executor host to its queue for the core */

/* So many bytes a second, and what was not used in the last two. */
struct live_budget {
	int64_t rate;
	int64_t left;
	int64_t at; /* CLOCK_BOOTTIME ms of the last look; 0: never */
};

bool live_budget_take(struct live_budget *budget, size_t size);

/*
 * The flags that tell units of an executor host whether they are watched: one byte each in memory that
 * they share with it and may only read.
 */
struct live_board {
	_Atomic unsigned char *flags; /* NULL: could not be had; nobody is ever shown anything */
	bool *taken;
	size_t next;
};

int live_board_open(struct live_board *board);
void live_board_dispose(struct live_board *board);
/* A place for a unit, or -1: its flag is 0. */
int live_board_take(struct live_board *board);
void live_board_give(struct live_board *board, int place);
void live_board_set(struct live_board *board, int place, unsigned char watched);
/* In the unit process: from here on it cannot write there. */
void live_board_protect(const struct live_board *board);

/* What a unit process has shown. Zeroed but for `flag` and the budget's rate. */
struct live {
	const _Atomic unsigned char *flag; /* or NULL: never watched */
	int64_t *offsets;                  /* of both streams of each host; made when first needed */
	struct live_budget budget;
};

/* The services drover_unit_watched and drover_output_at. */
unsigned live_watched(const struct drover_unit *unit);
void live_output(struct drover_unit *unit, const char *host, int stream, int64_t offset, const void *data, size_t size);

#endif
