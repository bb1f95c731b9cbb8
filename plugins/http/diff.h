/*
 * diff.h - the difference of two texts, line by line, as a unified diff with three lines around each change.
 *
 * The shortest one, by Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986),
 * as far as its work is bounded: texts that are too large or differ too much are given up.
 */
#ifndef DIFF_H
#define DIFF_H

#include <stddef.h>

#include "writer.h"

#define DIFF_BYTES (1u << 20) /* of each text, at most */
#define DIFF_LINES 20000      /* of each text */
#define DIFF_EDITS 1000       /* lines that were added or taken away */

enum diff_result {
	DIFF_MADE = 0, /* in `out`; nothing where the texts are equal */
	DIFF_TOO_LARGE,
	DIFF_TOO_DIFFERENT,
	DIFF_NO_MEMORY
};

/* From `a` to `b`; hunks only, without a head of file names. Appends to `out` only where it is made. */
enum diff_result diff_unified(const char *a, size_t a_size, const char *b, size_t b_size, struct writer *out);

#endif
