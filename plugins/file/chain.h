/*
 * chain.h - lines that name the one before them, so that a change, a gap or an insertion shows.
 *
 * Each line begins with `{"n":N,"prev":"HASH",`: N counts from 1 without gaps, HASH is the BLAKE2b-256 of the whole
 * line before it, without its end, in hexadecimal; 64 zeros where there was none. The chain goes on over rotation and
 * restarts. Where it is, is also in PATH.chain, for when the file has been moved away and to notice an end that was cut
 * off. Whoever can write all of these files can write a whole new chain: docs/operating.md.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <drover/sink.h>

#define CHAIN_HASH 65 /* in hexadecimal, with its NUL */

/* A place in a chain: its last line. */
struct chain_place {
	int64_t n;
	int64_t seq; /* of its event: what comes again has no higher one */
	char hash[CHAIN_HASH];
};

struct chain {
	struct chain_place place;
	int head; /* PATH.chain; -1: none */
};

/* Finds where the chain of the file `path` (rotated to PATH.1) is. */
int chain_open(struct chain *chain, const char *path, struct drover_error *err);
void chain_close(struct chain *chain);
/*
 * Makes the lines of a batch behind `*place`, which moves on; events that were written before are left out. The text
 * is the caller's, NULL: no memory.
 */
char *chain_lines(struct chain_place *place, const struct drover_event *events, size_t count, size_t *size);
/* The lines up to here are in the file. */
void chain_moved(struct chain *chain, const struct chain_place *place, bool sync);

#endif
