/* diff.c - see diff.h. */
#include "diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT 3

struct line {
	const char *text;
	size_t size;  /* with its end */
	int number;   /* equal lines have equal ones */
	bool changed; /* not in the other text */
};

struct text {
	struct line *lines;
	int count;
};

struct diff {
	struct text a, b;
	int *rounds;          /* owned: how far each diagonal got, round after round; round d begins at d * d */
	int head;             /* lines that are equal at the begin */
	int a_count, b_count; /* lines that are left without those at the begin and at the end */
};

/* -------------------------------------------------------------------------------------- the lines */

static int count_lines(const char *text, size_t size)
{
	int count = 0;

	for (const char *at = text, *end = text + size; at < end && count <= DIFF_LINES; count++) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		at = newline ? newline + 1 : end;
	}
	return count;
}

static void split(struct text *t, const char *text, size_t size)
{
	const char *end = text + size;

	for (int i = 0; i < t->count; i++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *next = newline ? newline + 1 : end;

		t->lines[i] = (struct line){ .text = text, .size = (size_t)(next - text) };
		text = next;
	}
}

static int compare(const void *x, const void *y)
{
	const struct line *a = *(struct line *const *)x, *b = *(struct line *const *)y;
	int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);

	return order ? order : (a->size > b->size) - (a->size < b->size);
}

/* By sorting, which nobody's choice of lines can make slow. False: no memory. */
static bool number_lines(struct diff *d)
{
	size_t count = (size_t)d->a.count + (size_t)d->b.count;
	struct line **sorted = calloc(count + 1, sizeof(*sorted));
	int number = 0;

	if (!sorted)
		return false;
	for (int i = 0; i < d->a.count; i++)
		sorted[i] = &d->a.lines[i];
	for (int i = 0; i < d->b.count; i++)
		sorted[d->a.count + i] = &d->b.lines[i];
	qsort(sorted, count, sizeof(*sorted), compare);
	for (size_t i = 0; i < count; i++) {
		if (i && compare(&sorted[i - 1], &sorted[i]))
			number++;
		sorted[i]->number = number;
	}
	free(sorted);
	return true;
}

static void trim(struct diff *d)
{
	const struct line *a = d->a.lines, *b = d->b.lines;
	int head = 0, tail = 0, shorter = d->a.count < d->b.count ? d->a.count : d->b.count;

	while (head < shorter && a[head].number == b[head].number)
		head++;
	while (tail < shorter - head && a[d->a.count - 1 - tail].number == b[d->b.count - 1 - tail].number)
		tail++;
	d->head = head;
	d->a_count = d->a.count - head - tail;
	d->b_count = d->b.count - head - tail;
}

/* --------------------------------------------------------------------------------- the comparison */

/* Whether diagonal k of round `edits` is reached best by a line of `b` more; else by a line of `a` less. */
static bool from_above(const int *before, int edits, int k)
{
	return k == -edits || (k != edits && before[k - 1] < before[k + 1]);
}

static int *round_of(const struct diff *d, int edits)
{
	return d->rounds + (size_t)edits * (size_t)edits + edits; /* its middle: diagonal 0 */
}

static int slide(const struct diff *d, int x, int k)
{
	const struct line *a = d->a.lines + d->head, *b = d->b.lines + d->head;

	while (x < d->a_count && x - k < d->b_count && a[x].number == b[x - k].number)
		x++;
	return x;
}

static bool grow(struct diff *d, int edits, size_t *room)
{
	size_t wanted = (size_t)(edits + 1) * (size_t)(edits + 1);
	int *rounds;

	if (wanted <= *room)
		return true;
	*room = wanted * 2;
	rounds = realloc(d->rounds, *room * sizeof(int));
	if (rounds)
		d->rounds = rounds;
	return rounds;
}

/* The number of edits, or -1: too many, or -2: no memory. */
static int search(struct diff *d)
{
	size_t room = 0;

	for (int edits = 0; edits <= DIFF_EDITS; edits++) {
		if (!grow(d, edits, &room))
			return -2;
		for (int k = -edits; k <= edits; k += 2) {
			const int *before = edits ? round_of(d, edits - 1) : NULL;
			int x = 0;

			if (edits)
				x = from_above(before, edits, k) ? before[k + 1] : before[k - 1] + 1;
			x = slide(d, x, k);
			round_of(d, edits)[k] = x;
			if (x >= d->a_count && x - k >= d->b_count)
				return edits;
		}
	}
	return -1;
}

/* From the end back to the begin. */
static void mark(struct diff *d, int edits)
{
	int x = d->a_count, y = d->b_count;

	for (; edits; edits--) {
		const int *before = round_of(d, edits - 1);
		int k = x - y;
		bool added = from_above(before, edits, k);

		k += added ? 1 : -1;
		x = before[k];
		y = x - k;
		if (added)
			d->b.lines[d->head + y].changed = true;
		else
			d->a.lines[d->head + x].changed = true;
	}
}

/* --------------------------------------------------------------------------------------- the text */

static void write_line(struct writer *out, char mark_, const struct line *line)
{
	writer_append(out, &mark_, 1);
	writer_append(out, line->text, line->size);
	if (line->text[line->size - 1] != '\n')
		writer_printf(out, "\n\\ No newline at end of file\n");
}

/* As diff has it: an empty range is named by the line before it. */
static void write_range(struct writer *out, char sign, int first, int count)
{
	if (count == 1)
		writer_printf(out, "%c%d", sign, first + 1);
	else
		writer_printf(out, "%c%d,%d", sign, count ? first + 1 : first, count);
}

static void write_hunk(const struct diff *d, struct writer *out, int i, int j, int a_end, int b_end)
{
	writer_printf(out, "@@ ");
	write_range(out, '-', i, a_end - i);
	writer_printf(out, " ");
	write_range(out, '+', j, b_end - j);
	writer_printf(out, " @@\n");
	while (i < a_end || j < b_end) {
		if (i < a_end && d->a.lines[i].changed) {
			write_line(out, '-', &d->a.lines[i++]);
		} else if (j < b_end && d->b.lines[j].changed) {
			write_line(out, '+', &d->b.lines[j++]);
		} else {
			write_line(out, ' ', &d->a.lines[i++]);
			j++;
		}
	}
}

static bool is_change(const struct diff *d, int i, int j)
{
	return (i < d->a.count && d->a.lines[i].changed) || (j < d->b.count && d->b.lines[j].changed);
}

/* Changes that have no more than twice the context between them are one hunk. */
static void write_hunks(const struct diff *d, struct writer *out)
{
	int i = 0, j = 0;

	while (i < d->a.count || j < d->b.count) {
		int before, a_first, b_first, equal = 0;

		for (before = 0; (i < d->a.count || j < d->b.count) && !is_change(d, i, j); before++)
			i++, j++;
		if (i >= d->a.count && j >= d->b.count)
			return;
		before = before < CONTEXT ? before : CONTEXT;
		a_first = i - before;
		b_first = j - before;
		while ((i < d->a.count || j < d->b.count) && equal <= 2 * CONTEXT) {
			if (i < d->a.count && d->a.lines[i].changed)
				i++, equal = 0;
			else if (j < d->b.count && d->b.lines[j].changed)
				j++, equal = 0;
			else
				i++, j++, equal++;
		}
		if (equal > CONTEXT) {
			i -= equal - CONTEXT;
			j -= equal - CONTEXT;
		}
		write_hunk(d, out, a_first, b_first, i, j);
	}
}

enum diff_result diff_unified(const char *a, size_t a_size, const char *b, size_t b_size, struct writer *out)
{
	struct diff d = { .a = { .count = 0 } };
	enum diff_result result = DIFF_NO_MEMORY;
	int edits;

	if (a_size == b_size && (!a_size || !memcmp(a, b, a_size)))
		return DIFF_MADE;
	if (a_size > DIFF_BYTES || b_size > DIFF_BYTES)
		return DIFF_TOO_LARGE;
	d.a.count = count_lines(a, a_size);
	d.b.count = count_lines(b, b_size);
	if (d.a.count > DIFF_LINES || d.b.count > DIFF_LINES)
		return DIFF_TOO_LARGE;
	d.a.lines = calloc((size_t)d.a.count + 1, sizeof(struct line));
	d.b.lines = calloc((size_t)d.b.count + 1, sizeof(struct line));
	if (!d.a.lines || !d.b.lines)
		goto out;
	split(&d.a, a, a_size);
	split(&d.b, b, b_size);
	if (!number_lines(&d))
		goto out;
	trim(&d);
	edits = search(&d);
	if (edits == -1)
		result = DIFF_TOO_DIFFERENT;
	if (edits < 0)
		goto out;
	mark(&d, edits);
	write_hunks(&d, out);
	result = out->failed ? DIFF_NO_MEMORY : DIFF_MADE;
out:
	free(d.a.lines);
	free(d.b.lines);
	free(d.rounds);
	return result;
}
