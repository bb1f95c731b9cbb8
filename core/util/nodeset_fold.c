/*
 * nodeset_fold.c - writing node sets: names to the shortest pattern; see nodeset.h.
 *
 * A name is cut into a shape (`web%s-%s`) and the numbers in it. The names of one shape are boxes: for
 * each place a set of numbers. Two boxes that differ in one place only become one; when no two are
 * left, each box is a pattern. Everything goes by sorting, so it takes O(n log n).
 */
#define _GNU_SOURCE /* qsort_r */
#include "util/nodeset.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

#define NUMBER_DIGITS 18 /* a longer run of digits is left as it is */

struct number {
	uint64_t value;
	int width; /* digits, zeros in front included */
};

/* The numbers of a box in one place: sorted, each once. */
struct cell {
	struct number *numbers;
	size_t count;
	bool owned; /* `numbers` is this cell's own; otherwise it is a name's */
};

/* A name before folding, then one box of names. */
struct box {
	char *shape; /* owned until folding begins */
	struct cell *cells;
	size_t dims;
};

static int compare_numbers(const struct number *a, const struct number *b)
{
	if (a->width != b->width)
		return a->width < b->width ? -1 : 1;
	return a->value < b->value ? -1 : a->value > b->value;
}

static int compare_numbers_void(const void *a, const void *b)
{
	return compare_numbers(a, b);
}

static int compare_cells(const struct cell *a, const struct cell *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		int order = compare_numbers(&a->numbers[i], &b->numbers[i]);

		if (order)
			return order;
	}
	return a->count < b->count ? -1 : a->count > b->count;
}

/* By shape, then by numbers: brings equal names together. */
static int compare_names(const void *x, const void *y)
{
	const struct box *a = x, *b = y;
	int order = strcmp(a->shape, b->shape);

	for (size_t i = 0; !order && i < a->dims; i++)
		order = compare_cells(&a->cells[i], &b->cells[i]);
	return order;
}

/* Apart from one place: 0 for boxes that can become one. */
static int compare_but(const struct box *a, const struct box *b, size_t place)
{
	int order = 0;

	for (size_t i = 0; !order && i < a->dims; i++)
		if (i != place)
			order = compare_cells(&a->cells[i], &b->cells[i]);
	return order;
}

static int compare_for_merge(const void *x, const void *y, void *place)
{
	const struct box *a = x, *b = y;
	size_t at = *(const size_t *)place;
	int order = compare_but(a, b, at);

	return order ? order : compare_cells(&a->cells[at], &b->cells[at]);
}

/* As ClusterShell orders the boxes of one shape: the largest first. */
static int compare_for_output(const void *x, const void *y)
{
	const struct box *a = x, *b = y;
	double size_a = 1, size_b = 1;

	for (size_t i = 0; i < a->dims; i++) {
		size_a *= (double)a->cells[i].count;
		size_b *= (double)b->cells[i].count;
	}
	if (size_a != size_b)
		return size_a > size_b ? -1 : 1;
	for (size_t i = 0; i < a->dims; i++) {
		const struct cell *c = &a->cells[i], *d = &b->cells[i];
		int order = c->count != d->count ? (c->count > d->count ? -1 : 1) : compare_cells(c, d);

		if (order)
			return order;
	}
	return 0;
}

/* Cuts a name; its numbers go to `numbers`, which has room for all. */
static void cut(const char *name, struct box *box, struct number *numbers, struct cell *cells)
{
	struct buf shape = BUF_INIT;

	*box = (struct box){ .cells = cells };
	for (const char *p = name; *p;) {
		size_t size = strspn(p, "0123456789");

		if (size && size <= NUMBER_DIGITS) {
			numbers[box->dims] = (struct number){ strtoull(p, NULL, 10), (int)size };
			cells[box->dims] = (struct cell){ .numbers = &numbers[box->dims], .count = 1 };
			box->dims++;
			buf_string(&shape, "%s");
		} else {
			size = size ? size : strcspn(p, "0123456789");
			buf_append(&shape, p, size);
		}
		p += size;
	}
	box->shape = buf_take(&shape);
}

static size_t count_runs(const char *name)
{
	size_t runs = 0;

	for (const char *p = name; *p; p++)
		runs += isdigit((unsigned char)*p) && !isdigit((unsigned char)p[1]);
	return runs;
}

/* Joins the boxes [from, to), equal but for `place`, into the first one. */
static void join(struct box *boxes, size_t from, size_t to, size_t place)
{
	struct cell joined = { .owned = true };

	for (size_t i = from; i < to; i++)
		joined.count += boxes[i].cells[place].count;
	joined.numbers = xmalloc(joined.count * sizeof(*joined.numbers));
	joined.count = 0;
	for (size_t i = from; i < to; i++) {
		struct box *box = &boxes[i];

		memcpy(joined.numbers + joined.count, box->cells[place].numbers,
		       box->cells[place].count * sizeof(*joined.numbers));
		joined.count += box->cells[place].count;
		for (size_t j = 0; j < box->dims; j++)
			if ((i > from || j == place) && box->cells[j].owned)
				free(box->cells[j].numbers);
	}
	qsort(joined.numbers, joined.count, sizeof(*joined.numbers), compare_numbers_void);
	boxes[from].cells[place] = joined;
}

/* Joins what can be joined in one place; returns how many boxes are left. */
static size_t merge(struct box *boxes, size_t count, size_t place)
{
	size_t left = 0;

	qsort_r(boxes, count, sizeof(*boxes), compare_for_merge, &place);
	for (size_t from = 0, to; from < count; from = to) {
		for (to = from + 1; to < count && !compare_but(&boxes[from], &boxes[to], place);)
			to++;
		if (to - from > 1)
			join(boxes, from, to, place);
		boxes[left++] = boxes[from];
	}
	return left;
}

static bool padded(const struct number *n)
{
	static const uint64_t powers[] = {
		1u,
		10u,
		100u,
		1000u,
		10000u,
		100000u,
		1000000u,
		10000000u,
		100000000u,
		1000000000u,
		10000000000u,
		100000000000u,
		1000000000000u,
		10000000000000u,
		100000000000000u,
		1000000000000000u,
		10000000000000000u,
		100000000000000000u,
	};

	return n->width > 1 && n->value < powers[n->width - 1];
}

/* `7`, or `[001-003,007]`. */
static void write_cell(struct buf *out, const struct cell *cell)
{
	if (cell->count > 1)
		buf_char(out, '[');
	for (size_t from = 0, to; from < cell->count; from = to) {
		const struct number *first = &cell->numbers[from];

		for (to = from + 1; to < cell->count; to++) {
			const struct number *next = &cell->numbers[to];

			if (next->value != next[-1].value + 1 ||
			    (padded(first) ? next->width != first->width : padded(next)))
				break;
		}
		buf_printf(out, "%s%0*llu", from ? "," : "", first->width, (unsigned long long)first->value);
		if (to - from > 1)
			buf_printf(out, "-%0*llu", cell->numbers[to - 1].width,
				   (unsigned long long)cell->numbers[to - 1].value);
	}
	if (cell->count > 1)
		buf_char(out, ']');
}

static void write_box(struct buf *out, const char *shape, const struct box *box)
{
	const struct cell *cell = box->cells;

	if (out->size)
		buf_char(out, ',');
	for (const char *p = shape; *p; p++) {
		if (*p == '%') {
			write_cell(out, cell++);
			p++;
		} else {
			buf_char(out, *p);
		}
	}
}

/* Folds copies of the boxes of one shape, trying the places from the last to the first or the other way. */
static char *fold_shape(const struct box *originals, size_t count, bool last_first)
{
	struct box *boxes = xmalloc(count * sizeof(*boxes));
	size_t dims = originals[0].dims, before, quiet = 0;
	struct cell *cells = xmalloc(count * (dims ? dims : 1) * sizeof(*cells));
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < count; i++) {
		boxes[i] = originals[i];
		boxes[i].cells = cells + i * dims;
		memcpy(boxes[i].cells, originals[i].cells, dims * sizeof(*cells));
	}
	/* Round and round until no place has joined anything. */
	for (size_t round = 0; quiet < dims; round++) {
		before = count;
		count = merge(boxes, count, last_first ? dims - 1 - round % dims : round % dims);
		quiet = count == before ? quiet + 1 : 0;
	}
	qsort(boxes, count, sizeof(*boxes), compare_for_output);
	for (size_t i = 0; i < count; i++) {
		write_box(&out, originals[0].shape, &boxes[i]);
		for (size_t j = 0; j < dims; j++)
			if (boxes[i].cells[j].owned)
				free(boxes[i].cells[j].numbers);
	}
	free(cells);
	free(boxes);
	return buf_take(&out);
}

static void append_shape(struct buf *out, const struct box *boxes, size_t count)
{
	char *one = fold_shape(boxes, count, true);

	if (out->size)
		buf_char(out, ',');
	if (boxes[0].dims > 1 && count > 2) {
		char *other = fold_shape(boxes, count, false);

		buf_string(out, strlen(other) < strlen(one) ? other : one);
		free(other);
	} else {
		buf_string(out, one);
	}
	free(one);
}

char *nodeset_fold(char *const *names, size_t count)
{
	struct box *boxes = xmalloc(count * sizeof(*boxes));
	struct number *numbers;
	struct cell *cells;
	struct buf out = BUF_INIT;
	size_t runs = 0, kept = 0;

	for (size_t i = 0; i < count; i++)
		runs += count_runs(names[i]);
	numbers = xmalloc(runs * sizeof(*numbers));
	cells = xmalloc(runs * sizeof(*cells));
	runs = 0;
	for (size_t i = 0; i < count; i++) {
		cut(names[i], &boxes[i], numbers + runs, cells + runs);
		runs += boxes[i].dims;
	}
	qsort(boxes, count, sizeof(*boxes), compare_names);
	for (size_t i = 0; i < count; i++) {
		if (kept && !compare_names(&boxes[kept - 1], &boxes[i]))
			free(boxes[i].shape);
		else
			boxes[kept++] = boxes[i];
	}
	for (size_t from = 0, to; from < kept; from = to) {
		for (to = from + 1; to < kept && !strcmp(boxes[from].shape, boxes[to].shape);)
			to++;
		append_shape(&out, boxes + from, to - from);
	}
	for (size_t i = 0; i < kept; i++)
		free(boxes[i].shape);
	free(cells);
	free(numbers);
	free(boxes);
	return buf_take(&out);
}
