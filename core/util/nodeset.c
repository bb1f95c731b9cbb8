/*
 * nodeset.c - reading node sets: operands and operators from left to right; see nodeset.h. One operand is read in
 * nodeset_operand.c, sets are written in nodeset_fold.c.
 */
#include "util/nodeset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <drover/error.h>

#include "util/nameset.h"
#include "util/nodeset_operand.h"

#define GROUP_DEPTH 16

struct parser {
	struct nodeset_cursor cursor;
	size_t limit;
	uint64_t work; /* names that may still be made, over all operands and groups */
	nodeset_group_fn *group;
	void *context;
	int depth;
};

static int too_many(struct parser *parser)
{
	return drover_error_set(parser->cursor.err, DROVER_ELIMIT,
				"the node set stands for more than %zu hosts, the limit", parser->limit);
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
		return cursor_invalid(&parser->cursor, place, "no group is called \"%s\"", name);
	inner.cursor = (struct nodeset_cursor){ pattern, pattern, &err };
	inner.depth++;
	if (inner.depth > GROUP_DEPTH)
		rc = cursor_invalid(&parser->cursor, place, "groups are nested too deeply; does \"%s\" contain itself?",
				    name);
	else
		rc = parse_pattern(&inner, set);
	parser->work = inner.work;
	if (err.code == DROVER_EINVALID && !parser->depth)
		cursor_invalid(&parser->cursor, place, "in group \"%s\": %.160s", name, err.message);
	else if (err.code)
		drover_error_set(parser->cursor.err, err.code, "%s", err.message);
	free(pattern);
	return rc;
}

/* Adds the names of one operand to `set`; bounds first. */
static int add_operand(struct parser *parser, const char *place, struct operand *operand, struct nameset *set)
{
	uint64_t size = operand_size(operand);
	char name[NODESET_NAME_SIZE + 1];
	int rc = 0;

	if (size > parser->limit)
		return too_many(parser);
	if (size > parser->work)
		return drover_error_set(parser->cursor.err, DROVER_ELIMIT, "the node set repeats its hosts too often");
	parser->work -= size;
	operand_rewind(operand);
	do {
		size_t length = operand_name(operand, name);

		if (operand->group)
			rc = add_group(parser, place, name, set);
		else
			nameset_add(set, name, length);
		if (!rc && set->count > parser->limit)
			rc = too_many(parser);
	} while (!rc && operand_next(operand));
	return rc;
}

/*
 * Leaves in `set` what is in `right` too. A new set is made of it: in the old one the gaps of what was removed would
 * stay, to be walked over again by each further operand.
 */
static void intersect(struct nameset *set, const struct nameset *right)
{
	struct nameset both = NAMESET_INIT;

	for (size_t i = 0; i < set->used; i++)
		if (set->names[i] && nameset_has(right, set->names[i], strlen(set->names[i])))
			nameset_add(&both, set->names[i], strlen(set->names[i]));
	nameset_dispose(set);
	*set = both;
}

static void combine(struct nameset *set, char op, const struct nameset *right)
{
	if (op == '&') {
		intersect(set, right);
		return;
	}
	for (size_t i = 0; i < right->used; i++) {
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
	const char *place = parser->cursor.p;
	int rc;

	rc = operand_parse(&parser->cursor, &operand);
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

/* An operator where an operand should be; a `^` there is meant for the command line. */
static int misplaced_operator(struct nodeset_cursor *cursor)
{
	if (*cursor->p == '^')
		return cursor_invalid(cursor, cursor->p, "^FILE can only be given on the command line");
	return cursor_invalid(cursor, cursor->p, "a host name is missing before '%c'", *cursor->p);
}

/* Operands and operators from left to right, into `set` (which a group's names join). */
static int parse_pattern(struct parser *parser, struct nameset *set)
{
	struct nameset own = NAMESET_INIT;
	const char *op_place = NULL;
	char op = ',';
	int rc = 0;

	cursor_skip_blanks(&parser->cursor);
	while (!rc && *parser->cursor.p) {
		if (cursor_at_operator(&parser->cursor)) {
			rc = misplaced_operator(&parser->cursor);
			break;
		}
		rc = apply(parser, op, &own);
		cursor_skip_blanks(&parser->cursor);
		op = ',';
		op_place = NULL;
		if (!rc && cursor_at_operator(&parser->cursor)) {
			op_place = parser->cursor.p;
			op = *parser->cursor.p++;
			cursor_skip_blanks(&parser->cursor);
		}
	}
	if (!rc && op_place)
		rc = cursor_invalid(&parser->cursor, op_place, "a host name is missing after '%c'", op);
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
	struct parser parser = { .cursor = { pattern, pattern, err },
				 .limit = limit,
				 .work = (uint64_t)limit * 16 + 65536,
				 .group = group,
				 .context = context };
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
