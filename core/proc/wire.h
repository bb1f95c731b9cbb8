/*
 * wire.h - the frames that Drover's processes send each other over stream sockets of one machine.
 *
 * A frame is a header of 16 bytes (length of the payload, type, the unit's handle) and a payload of
 * fields written one after the other in a fixed order: integers of 4 or 8 bytes, byte strings as
 * length and bytes, all in the machine's own order. A reader never trusts what it reads: a unit
 * process runs a plugin's code and may send anything. Every wire_get_* fails once and for all when
 * the payload is too short; check wire_get_end at the end.
 */
#ifndef PROC_WIRE_H
#define PROC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"

/* A frame's payload is never larger; outputs are cut well below it. */
#define WIRE_PAYLOAD_MAX (64u << 20)

enum wire_type {
	/* core -> executor host */
	WIRE_EXECUTE = 1, /* a unit: struct exec_unit */
	WIRE_STOP = 2,    /* end the unit as at its deadline: reason */
	WIRE_GRANTED = 3, /* answer to WIRE_BEGIN: first, count, granted */
	WIRE_PERMIT = 4,  /* go on for another while: CLOCK_BOOTTIME ms at which that was said */
	WIRE_WATCH = 5,   /* whether the unit's output is watched, and how often that has begun: u32 */
	/* executor host -> core */
	WIRE_READY = 16,    /* open was called: version */
	WIRE_STARTED = 17,  /* the unit's process: pid */
	WIRE_BEGIN = 18,    /* intents wanted: first, count */
	WIRE_RESULT = 19,   /* a host's end */
	WIRE_NOTE = 20,     /* something about the unit for its messages: text */
	WIRE_ENDED = 21,    /* the unit's processes are gone: how, code, message, tail */
	WIRE_DRAINING = 22, /* hand out nothing more: this process ends when its units have */
	WIRE_OUTPUT = 23    /* what a host has just printed: struct exec_output */
	/* A unit process and its executor host use BEGIN, RESULT, NOTE, ENDED, OUTPUT and GRANTED between them. */
};

struct wire_header {
	uint32_t length;
	uint32_t type;
	uint64_t unit;
};

/* Begins a frame at the end of `b`; returns its place for wire_finish. */
size_t wire_begin(struct buf *b, enum wire_type type, uint64_t unit);
void wire_finish(struct buf *b, size_t place);

void wire_put_u32(struct buf *b, uint32_t value);
void wire_put_i64(struct buf *b, int64_t value);
void wire_put_bytes(struct buf *b, const void *data, size_t size);
/* A NUL-terminated string or NULL, which wire_get_string gives back. */
void wire_put_string(struct buf *b, const char *text);

struct wire_reader {
	const char *at;
	const char *end;
	bool failed;
};

uint32_t wire_get_u32(struct wire_reader *r);
int64_t wire_get_i64(struct wire_reader *r);
/* Borrowed from the payload. */
const char *wire_get_bytes(struct wire_reader *r, size_t *size);
/* Borrowed, NUL-terminated, without a NUL inside; NULL where NULL was put. */
const char *wire_get_string(struct wire_reader *r);
/* True if all was there and nothing is left. */
bool wire_get_end(const struct wire_reader *r);

/*
 * The next whole frame at `data`: 1 and its parts, 0 when more bytes are needed, -1 when what is
 * there is no frame (longer than `limit`).
 */
int wire_next(const char *data, size_t size, size_t limit, struct wire_header *header, struct wire_reader *payload,
	      size_t *used);

#endif
