/*
 * nodeset_operand.h - one operand of a node set: a name with ranges in it, cut into segments, each a literal or the
 * ranges of one pair of brackets. From them follow how many names it stands for and how long the longest is, so that
 * every bound can be checked before the first name is made. For nodeset.c.
 */
#ifndef UTIL_NODESET_OPERAND_H
#define UTIL_NODESET_OPERAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODESET_NAME_SIZE 253 /* longest name */
#define OPERAND_SEGMENTS 32

struct drover_error;

/* Where a pattern is read: the whole of it, and how far. */
struct nodeset_cursor {
	const char *text, *p;
	struct drover_error *err; /* what is wrong goes here */
};

struct range {
	uint64_t first, last, step;
	int width; /* digits, with zeros in front; 0: no padding */
};

struct segment {
	const char *literal; /* borrowed from the pattern; NULL: ranges */
	size_t size;         /* of the literal */
	struct range *ranges;
	size_t range_count;
	uint64_t count; /* texts it stands for */
	size_t longest; /* of these, in bytes */
	size_t at;      /* the odometer: which range, */
	uint64_t value; /* and which number of it */
};

struct operand {
	struct segment segments[OPERAND_SEGMENTS];
	size_t count;
	bool group; /* began with @ */
};

/* Reads one at the cursor, up to a blank, an operator or the end. Dispose of it in any case. 0 or DROVER_EINVALID. */
int operand_parse(struct nodeset_cursor *cursor, struct operand *operand);
void operand_dispose(struct operand *operand);
/* How many names it stands for; UINT64_MAX when that does not fit. */
uint64_t operand_size(const struct operand *operand);
/* Sets it to its first name. */
void operand_rewind(struct operand *operand);
/* Writes the name that it is set to, lowered unless it is a group's, and its NUL; returns its size. */
size_t operand_name(const struct operand *operand, char name[NODESET_NAME_SIZE + 1]);
/* To the next name. False: that was the last; it is at the first again. */
bool operand_next(struct operand *operand);

/* An error at `place` in the pattern, with its column; returns DROVER_EINVALID. */
int __attribute__((format(printf, 3, 4)))
cursor_invalid(struct nodeset_cursor *cursor, const char *place, const char *format, ...);
void cursor_skip_blanks(struct nodeset_cursor *cursor);
/* Is the cursor at one of `, ! & ^`? */
bool cursor_at_operator(const struct nodeset_cursor *cursor);

#endif
