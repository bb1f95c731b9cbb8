/*
 * unit_output.h - what a unit process writes to its standard output and error.
 *
 * It goes to the log line by line, at a bounded rate; its last bytes are kept to explain how the unit
 * ended. Whoever writes a gigabyte is read to the end and slows nobody but itself.
 */
#ifndef PROC_UNIT_OUTPUT_H
#define PROC_UNIT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

#define UNIT_OUTPUT_TAIL 4096

struct unit_output {
	int fd;          /* -1: at its end */
	struct buf tail; /* the last bytes, up to twice the limit */
	struct buf line; /* begun, not ended */
	int64_t second;  /* of the clock, to which `lines` belongs */
	int lines;
	int64_t dropped; /* bytes that were not logged */
	bool skipping;   /* within a line that is not */
};

/* Reads what is there, up to a bound. False: the end. `label` begins each log line. */
bool unit_output_read(struct unit_output *output, const char *label);
/* The last bytes as text, or NULL: nothing was written. Borrowed. */
const char *unit_output_text(struct unit_output *output);
/* Closes, says what was dropped. */
void unit_output_end(struct unit_output *output, const char *label);

#endif
