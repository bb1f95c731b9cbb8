/*
 * nodeset.c - reading node sets; see nodeset.h. Writing them is in nodeset_fold.c.
 *
 * A pattern is operands and operators. An operand is cut into segments, each a literal or the
 * ranges of one pair of brackets; from them follow how many names it stands for and how long the
 * longest is, so that every bound is checked before the first name is made.
 */
#include "util/nodeset.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/buf.h"
#include "util/nameset.h"

#define NAME_MAX_SIZE 253
#define NUMBER_DIGITS 18 /* so that every number fits into 64 bits */
#define SEGMENTS_MAX 32
#define GROUP_DEPTH 16

struct range {
	uint64_t first, last, step;
	int width; /* digits, with zeros in front; 0: no padding */
};

struct segment {
	const char *literal; /* borrowed from the pattern; NULL: ranges */
	size_t size;         /* of the literal */
	struct range *ranges;
	size_t range_count;
	uint64_t count;   /* texts it stands for */
	size_t longest;   /* of these, in bytes */
	size_t at;        /* the odometer: which range, */
	uint64_t value;   /* and which number of it */
};

struct operand {
	struct segment segments[SEGMENTS_MAX];
	size_t count;
	bool group; /* began with @ */
};

struct parser {
	const char *text, *p;
	size_t limit;
	uint64_t work; /* names that may still be made, over all operands and groups */
	nodeset_group_fn *group;
	void *context;
	int depth;
	struct drover_error *err;
};

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
		if (size == NAME_MAX_SIZE || !name_char(name[size]))
			return false;
	return size > 0;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct parser *parser)
{
	while (blank(*parser->p))
		parser->p++;
}

/* An error at `place` in the pattern. */
static int __attribute__((format(printf, 3, 4)))
invalid(struct parser *parser, const char *place, const char *format, ...)
{
	char detail[256];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return drover_error_set(parser->err, DROVER_EINVALID, "column %zu: %s", (size_t)(place - parser->text) + 1,
				detail);
}

static int too_many(struct parser *parser)
{
	return drover_error_set(parser->err, DROVER_ELIMIT, "the node set stands for more than %zu hosts, the limit",
				parser->limit);
}

/* Reads a number; `width` becomes its digits, and `padded` whether it has zeros in front. */
static int parse_number(struct parser *parser, uint64_t *value, int *width, bool *padded)
{
	const char *start = parser->p;

	while (isdigit((unsigned char)*parser->p))
		parser->p++;
	*width = (int)(parser->p - start);
	*padded = *width > 1 && *start == '0';
	if (!*width)
		return invalid(parser, start, "a whole number is missing; a range is written [1-30] or [1,4,7-9]");
	if (parser->p - start > NUMBER_DIGITS)
		return invalid(parser, start, "the number has more than %d digits", NUMBER_DIGITS);
	*value = strtoull(start, NULL, 10);
	return 0;
}

/* `N`, `N-M` or `N-M/STEP`. */
static int parse_range(struct parser *parser, struct range *range)
{
	const char *start = parser->p;
	bool padded, last_padded, step_padded;
	int width, last_width, step_width, rc;

	rc = parse_number(parser, &range->first, &width, &padded);
	if (rc)
		return rc;
	range->last = range->first;
	range->step = 1;
	skip_blanks(parser);
	if (*parser->p == '-') {
		parser->p++;
		skip_blanks(parser);
		rc = parse_number(parser, &range->last, &last_width, &last_padded);
		if (rc)
			return rc;
		if ((padded || last_padded) && width != last_width)
			return invalid(parser, start, "both ends of a padded range need as many digits, as in [001-010]");
		skip_blanks(parser);
		if (*parser->p == '/') {
			parser->p++;
			rc = parse_number(parser, &range->step, &step_width, &step_padded);
			if (rc)
				return rc;
			skip_blanks(parser);
		}
	}
	range->width = padded ? width : 0;
	if (range->first > range->last)
		return invalid(parser, start, "the range ends before it begins; write the smaller number first");
	if (!range->step)
		return invalid(parser, start, "a step must be at least 1");
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
static int parse_brackets(struct parser *parser, struct segment *segment)
{
	const char *open = parser->p++;

	for (;;) {
		struct range range;
		uint64_t count;
		size_t longest;
		int rc;

		skip_blanks(parser);
		if (!*parser->p)
			return invalid(parser, open, "this [ is never closed");
		rc = parse_range(parser, &range);
		if (rc)
			return rc;
		count = (range.last - range.first) / range.step + 1;
		longest = range.width ? (size_t)range.width : digits(range.last);
		segment->count = segment->count > UINT64_MAX - count ? UINT64_MAX : segment->count + count;
		segment->longest = longest > segment->longest ? longest : segment->longest;
		/* Grown at powers of two: a pattern may hold very many ranges. */
		if (!(segment->range_count & (segment->range_count - 1)))
			segment->ranges = xrealloc(segment->ranges, (segment->range_count ? segment->range_count * 2 : 1) *
									    sizeof(*segment->ranges));
		segment->ranges[segment->range_count++] = range;
		if (*parser->p == ']')
			break;
		if (!*parser->p)
			return invalid(parser, open, "this [ is never closed");
		if (*parser->p != ',')
			return invalid(parser, parser->p, "'%c' does not belong into a range", *parser->p);
		parser->p++;
	}
	parser->p++;
	if (*parser->p == '[')
		return invalid(parser, parser->p, "a range directly after a range; put something between them");
	return 0;
}

static int parse_literal(struct parser *parser, struct segment *segment)
{
	segment->literal = parser->p;
	while (*parser->p && !blank(*parser->p) && !strchr(",!&^[", *parser->p)) {
		if (*parser->p == ']')
			return invalid(parser, parser->p, "this ] closes nothing");
		if (!name_char(*parser->p)) {
			if ((unsigned char)*parser->p < 0x20 || (unsigned char)*parser->p >= 0x7f)
				return invalid(parser, parser->p, "the byte 0x%02x cannot be in a host name",
					       (unsigned char)*parser->p);
			return invalid(parser, parser->p,
				       "'%c' cannot be in a host name; these can: a-z 0-9 . _ : -", *parser->p);
		}
		parser->p++;
	}
	segment->size = segment->longest = (size_t)(parser->p - segment->literal);
	segment->count = 1;
	return 0;
}

static void operand_dispose(struct operand *operand)
{
	for (size_t i = 0; i < operand->count; i++)
		free(operand->segments[i].ranges);
}

/* How many names it stands for, UINT64_MAX when that does not fit. */
static uint64_t operand_size(const struct operand *operand)
{
	uint64_t size = 1;

	for (size_t i = 0; i < operand->count; i++)
		if (__builtin_mul_overflow(size, operand->segments[i].count, &size))
			return UINT64_MAX;
	return size;
}

static int parse_operand(struct parser *parser, struct operand *operand)
{
	const char *start = parser->p;
	size_t longest = 0;
	int rc;

	if (*parser->p == '@') {
		operand->group = true;
		parser->p++;
	} else if (*parser->p == '-' || *parser->p == '.') {
		return invalid(parser, start, "a host name cannot begin with '%c'", *parser->p);
	}
	while (*parser->p && !blank(*parser->p) && !strchr(",!&^", *parser->p)) {
		struct segment *segment = &operand->segments[operand->count];

		if (operand->count == SEGMENTS_MAX)
			return invalid(parser, parser->p, "a name may hold at most %d ranges", SEGMENTS_MAX / 2);
		operand->count++;
		*segment = (struct segment){ 0 };
		rc = *parser->p == '[' ? parse_brackets(parser, segment) : parse_literal(parser, segment);
		if (rc)
			return rc;
		longest += segment->longest;
		if (longest > NAME_MAX_SIZE)
			return invalid(parser, start, "a host name may have at most %d characters", NAME_MAX_SIZE);
	}
	if (!operand->count)
		return invalid(parser, start, operand->group ? "a group's name is missing after @" : "a host name is missing");
	return 0;
}

/* ------------------------------------------------------------------------------ making names */

static void odometer_reset(struct segment *segment)
{
	segment->at = 0;
	segment->value = segment->literal ? 0 : segment->ranges[0].first;
}

/* To the next name; the last segment turns fastest. False: that was the last. */
static bool odometer_turn(struct operand *operand)
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
		odometer_reset(segment);
	}
	return false;
}

static size_t make_name(const struct operand *operand, char name[NAME_MAX_SIZE + 1])
{
	size_t size = 0;

	for (size_t i = 0; i < operand->count; i++) {
		const struct segment *segment = &operand->segments[i];

		if (segment->literal)
			for (size_t j = 0; j < segment->size; j++)
				name[size++] = (char)tolower((unsigned char)segment->literal[j]);
		else
			size += (size_t)snprintf(name + size, NAME_MAX_SIZE + 1 - size, "%0*llu",
						 segment->ranges[segment->at].width,
						 (unsigned long long)segment->value);
	}
	name[size] = '\0';
	return size;
}

static int parse_pattern(struct parser *parser, struct nameset *set);

/* Adds what the group `name` stands for. */
static int add_group(struct parser *parser, const char *place, const char *name, struct nameset *set)
{
	struct parser inner = *parser;
	struct drover_error err = { 0 };
	char *pattern;
	int rc;

	pattern = parser->group ? parser->group(parser->context, name) : NULL;
	if (!pattern)
		return invalid(parser, place, "no group is called \"%s\"", name);
	inner.text = inner.p = pattern;
	inner.err = &err;
	inner.depth++;
	if (inner.depth > GROUP_DEPTH)
		rc = invalid(parser, place, "groups are nested too deeply; does \"%s\" contain itself?", name);
	else
		rc = parse_pattern(&inner, set);
	parser->work = inner.work;
	if (err.code == DROVER_EINVALID && !parser->depth)
		invalid(parser, place, "in group \"%s\": %.160s", name, err.message);
	else if (err.code)
		drover_error_set(parser->err, err.code, "%s", err.message);
	free(pattern);
	return rc;
}

/* Adds the names of one operand to `set`; bounds first. */
static int add_operand(struct parser *parser, const char *place, struct operand *operand, struct nameset *set)
{
	uint64_t size = operand_size(operand);
	char name[NAME_MAX_SIZE + 1];
	int rc = 0;

	if (size > parser->limit)
		return too_many(parser);
	if (size > parser->work)
		return drover_error_set(parser->err, DROVER_ELIMIT, "the node set repeats its hosts too often");
	parser->work -= size;
	for (size_t i = 0; i < operand->count; i++)
		odometer_reset(&operand->segments[i]);
	do {
		size_t length = make_name(operand, name);

		if (operand->group)
			rc = add_group(parser, place, name, set);
		else
			nameset_add(set, name, length);
		if (!rc && set->count > parser->limit)
			rc = too_many(parser);
	} while (!rc && odometer_turn(operand));
	return rc;
}

static void combine(struct nameset *set, char op, const struct nameset *right)
{
	for (size_t i = 0; op == '&' && i < set->used; i++)
		if (set->names[i] && !nameset_has(right, set->names[i], strlen(set->names[i])))
			nameset_remove(set, set->names[i], strlen(set->names[i]));
	for (size_t i = 0; op != '&' && i < right->used; i++) {
		const char *name = right->names[i];
		size_t size = name ? strlen(name) : 0;

		if (name && !nameset_remove(set, name, size) && op == '^')
			nameset_add(set, name, size);
	}
}

/* One operand, and what `op` makes of it and the names so far. */
static int apply(struct parser *parser, char op, struct nameset *set)
{
	struct operand operand = { .count = 0 };
	struct nameset right = NAMESET_INIT;
	const char *place = parser->p;
	int rc;

	rc = parse_operand(parser, &operand);
	if (!rc)
		rc = add_operand(parser, place, &operand, op == ',' ? set : &right);
	if (!rc && op != ',')
		combine(set, op, &right);
	if (!rc && set->count > parser->limit)
		rc = too_many(parser);
	nameset_dispose(&right);
	operand_dispose(&operand);
	return rc;
}

/* Operands and operators from left to right, into `set` (which a group's names join). */
static int parse_pattern(struct parser *parser, struct nameset *set)
{
	struct nameset own = NAMESET_INIT;
	const char *op_place = NULL;
	char op = ',';
	int rc = 0;

	skip_blanks(parser);
	while (!rc && *parser->p) {
		if (*parser->p && strchr(",!&^", *parser->p)) {
			rc = *parser->p == '^' && !op_place && !own.count ?
				     invalid(parser, parser->p, "^FILE can only be given on the command line") :
				     invalid(parser, parser->p, "a host name is missing before '%c'", *parser->p);
			break;
		}
		rc = apply(parser, op, &own);
		skip_blanks(parser);
		op = ',';
		op_place = NULL;
		if (!rc && *parser->p && strchr(",!&^", *parser->p)) {
			op_place = parser->p;
			op = *parser->p++;
			skip_blanks(parser);
		}
	}
	if (!rc && op_place)
		rc = invalid(parser, op_place, "a host name is missing after '%c'", op);
	if (!rc && !set->used) {
		struct nameset empty = *set;

		*set = own;
		own = empty;
	}
	for (size_t i = 0; !rc && i < own.used; i++)
		if (own.names[i])
			nameset_add(set, own.names[i], strlen(own.names[i]));
	nameset_dispose(&own);
	return rc;
}

int nodeset_expand(const char *pattern, size_t limit, nodeset_group_fn *group, void *context, struct nodeset *set,
		   struct drover_error *err)
{
	/* Repeating a whole set some times is fine; a pattern that does so for ever is not. */
	struct parser parser = { .text = pattern, .p = pattern, .limit = limit, .work = (uint64_t)limit * 16 + 65536,
				 .group = group, .context = context, .err = err };
	struct nameset names = NAMESET_INIT;
	int rc;

	*set = (struct nodeset){ 0 };
	if (limit > NAMESET_MAX)
		return drover_error_set(err, DROVER_EINVALID, "the limit is at most %u hosts", NAMESET_MAX);
	rc = parse_pattern(&parser, &names);
	if (!rc)
		set->names = nameset_take(&names, &set->count);
	nameset_dispose(&names);
	return rc;
}

void nodeset_dispose(struct nodeset *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->names[i]);
	free(set->names);
	*set = (struct nodeset){ 0 };
}
