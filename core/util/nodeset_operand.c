/* nodeset_operand.c - see nodeset_operand.h. */
#include "util/nodeset_operand.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/buf.h"
#include "util/nodeset.h"

#define NUMBER_DIGITS 18 /* so that every number fits into 64 bits */

static bool name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._:-", c);
}

bool nodeset_name_valid(const char *name)
{
	size_t size = 0;

	if (*name == '-' || *name == '.')
		return false;
	for (; name[size]; size++)
		if (size == NODESET_NAME_SIZE || !name_char(name[size]))
			return false;
	return size > 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

void cursor_skip_blanks(struct nodeset_cursor *cursor)
{
	while (blank(*cursor->p))
		cursor->p++;
}

bool cursor_at_operator(const struct nodeset_cursor *cursor)
{
	return *cursor->p && strchr(",!&^", *cursor->p);
}

int cursor_invalid(struct nodeset_cursor *cursor, const char *place, const char *format, ...)
{
	char detail[256];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return drover_error_set(cursor->err, DROVER_EINVALID, "column %zu: %s", (size_t)(place - cursor->text) + 1,
				detail);
}

/* Reads a number; `width` becomes its digits, and `padded` whether it has zeros in front. */
static int parse_number(struct nodeset_cursor *cursor, uint64_t *value, int *width, bool *padded)
{
	const char *start = cursor->p;

	while (isdigit((unsigned char)*cursor->p))
		cursor->p++;
	*width = (int)(cursor->p - start);
	*padded = *width > 1 && *start == '0';
	if (!*width)
		return cursor_invalid(cursor, start,
				      "a whole number is missing; a range is written [1-30] or [1,4,7-9]");
	if (cursor->p - start > NUMBER_DIGITS)
		return cursor_invalid(cursor, start, "the number has more than %d digits", NUMBER_DIGITS);
	*value = strtoull(start, NULL, 10);
	return 0;
}

/* `N`, `N-M` or `N-M/STEP`. */
static int parse_range(struct nodeset_cursor *cursor, struct range *range)
{
	const char *start = cursor->p;
	bool padded, last_padded, step_padded;
	int width, last_width, step_width, rc;

	rc = parse_number(cursor, &range->first, &width, &padded);
	if (rc)
		return rc;
	range->last = range->first;
	range->step = 1;
	cursor_skip_blanks(cursor);
	if (*cursor->p == '-') {
		cursor->p++;
		cursor_skip_blanks(cursor);
		rc = parse_number(cursor, &range->last, &last_width, &last_padded);
		if (rc)
			return rc;
		if ((padded || last_padded) && width != last_width)
			return cursor_invalid(cursor, start,
					      "both ends of a padded range need as many digits, as in [001-010]");
		cursor_skip_blanks(cursor);
		if (*cursor->p == '/') {
			cursor->p++;
			rc = parse_number(cursor, &range->step, &step_width, &step_padded);
			if (rc)
				return rc;
			cursor_skip_blanks(cursor);
		}
	}
	range->width = padded ? width : 0;
	if (range->first > range->last)
		return cursor_invalid(cursor, start, "the range ends before it begins; write the smaller number first");
	if (!range->step)
		return cursor_invalid(cursor, start, "a step must be at least 1");
	return 0;
}

static size_t digits(uint64_t value)
{
	size_t n = 1;

	while (value >= 10) {
		value /= 10;
		n++;
	}
	return n;
}

/* What is between `[` and `]`. */
static int parse_brackets(struct nodeset_cursor *cursor, struct segment *segment)
{
	const char *open = cursor->p++;

	for (;;) {
		struct range range;
		uint64_t count;
		size_t longest;
		int rc;

		cursor_skip_blanks(cursor);
		if (!*cursor->p)
			return cursor_invalid(cursor, open, "this [ is never closed");
		rc = parse_range(cursor, &range);
		if (rc)
			return rc;
		count = (range.last - range.first) / range.step + 1;
		longest = range.width ? (size_t)range.width : digits(range.last);
		segment->count = segment->count > UINT64_MAX - count ? UINT64_MAX : segment->count + count;
		segment->longest = longest > segment->longest ? longest : segment->longest;
		/* Grown at powers of two: a pattern may hold very many ranges. */
		if (!(segment->range_count & (segment->range_count - 1)))
			segment->ranges =
				xrealloc(segment->ranges, (segment->range_count ? segment->range_count * 2 : 1) *
								  sizeof(*segment->ranges));
		segment->ranges[segment->range_count++] = range;
		if (*cursor->p == ']')
			break;
		if (!*cursor->p)
			return cursor_invalid(cursor, open, "this [ is never closed");
		if (*cursor->p != ',')
			return cursor_invalid(cursor, cursor->p, "'%c' does not belong into a range", *cursor->p);
		cursor->p++;
	}
	cursor->p++;
	if (*cursor->p == '[')
		return cursor_invalid(cursor, cursor->p, "a range directly after a range; put something between them");
	return 0;
}

/* A group's name may be `*`, too: every host. */
static int parse_literal(struct nodeset_cursor *cursor, bool group, struct segment *segment)
{
	segment->literal = cursor->p;
	while (*cursor->p && !blank(*cursor->p) && !strchr(",!&^[", *cursor->p)) {
		if (*cursor->p == ']')
			return cursor_invalid(cursor, cursor->p, "this ] closes nothing");
		if (!name_char(*cursor->p) && !(group && *cursor->p == '*')) {
			if ((unsigned char)*cursor->p < 0x20 || (unsigned char)*cursor->p >= 0x7f)
				return cursor_invalid(cursor, cursor->p, "the byte 0x%02x cannot be in a host name",
						      (unsigned char)*cursor->p);
			return cursor_invalid(cursor, cursor->p,
					      "'%c' cannot be in a host name; these can: a-z 0-9 . _ : -", *cursor->p);
		}
		cursor->p++;
	}
	segment->size = segment->longest = (size_t)(cursor->p - segment->literal);
	segment->count = 1;
	return 0;
}

void operand_dispose(struct operand *operand)
{
	for (size_t i = 0; i < operand->count; i++)
		free(operand->segments[i].ranges);
}

uint64_t operand_size(const struct operand *operand)
{
	uint64_t size = 1;

	for (size_t i = 0; i < operand->count; i++)
		if (__builtin_mul_overflow(size, operand->segments[i].count, &size))
			return UINT64_MAX;
	return size;
}

int operand_parse(struct nodeset_cursor *cursor, struct operand *operand)
{
	const char *start = cursor->p;
	size_t longest = 0;
	int rc;

	if (*cursor->p == '@') {
		operand->group = true;
		cursor->p++;
	} else if (*cursor->p == '-' || *cursor->p == '.') {
		return cursor_invalid(cursor, start, "a host name cannot begin with '%c'", *cursor->p);
	}
	while (*cursor->p && !blank(*cursor->p) && !strchr(",!&^", *cursor->p)) {
		struct segment *segment = &operand->segments[operand->count];

		if (operand->count == OPERAND_SEGMENTS)
			return cursor_invalid(cursor, cursor->p, "a name may hold at most %d ranges",
					      OPERAND_SEGMENTS / 2);
		operand->count++;
		*segment = (struct segment){ 0 };
		rc = *cursor->p == '[' ? parse_brackets(cursor, segment)
				       : parse_literal(cursor, operand->group, segment);
		if (rc)
			return rc;
		longest += segment->longest;
		if (longest > NODESET_NAME_SIZE)
			return cursor_invalid(cursor, start, "a host name may have at most %d characters",
					      NODESET_NAME_SIZE);
	}
	if (!operand->count)
		return cursor_invalid(cursor, start,
				      operand->group ? "a group's name is missing after @" : "a host name is missing");
	return 0;
}

static void rewind_segment(struct segment *segment)
{
	segment->at = 0;
	segment->value = segment->literal ? 0 : segment->ranges[0].first;
}

void operand_rewind(struct operand *operand)
{
	for (size_t i = 0; i < operand->count; i++)
		rewind_segment(&operand->segments[i]);
}

/* Like an odometer: the last segment turns fastest. */
bool operand_next(struct operand *operand)
{
	for (size_t i = operand->count; i-- > 0;) {
		struct segment *segment = &operand->segments[i];
		const struct range *range = segment->literal ? NULL : &segment->ranges[segment->at];

		if (!range)
			continue;
		if (range->last - segment->value >= range->step) {
			segment->value += range->step;
			return true;
		}
		if (++segment->at < segment->range_count) {
			segment->value = segment->ranges[segment->at].first;
			return true;
		}
		rewind_segment(segment);
	}
	return false;
}

size_t operand_name(const struct operand *operand, char name[NODESET_NAME_SIZE + 1])
{
	size_t size = 0;

	for (size_t i = 0; i < operand->count; i++) {
		const struct segment *segment = &operand->segments[i];

		if (segment->literal)
			for (size_t j = 0; j < segment->size; j++)
				name[size++] = operand->group ? segment->literal[j]
							      : (char)tolower((unsigned char)segment->literal[j]);
		else
			size += (size_t)snprintf(name + size, NODESET_NAME_SIZE + 1 - size, "%0*llu",
						 segment->ranges[segment->at].width,
						 (unsigned long long)segment->value);
	}
	name[size] = '\0';
	return size;
}
