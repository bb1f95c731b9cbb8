/* suggest.c - see suggest.h. */
#include "conf/suggest.h"

#include <stdio.h>
#include <string.h>

/* Longer words than any option has are not compared. */
#define LENGTH_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Insertions, deletions, replacements and swapped neighbours that turn `a` into `b`. */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t m = strlen(a), n = strlen(b);

	if (m > LENGTH_MAX || n > LENGTH_MAX)
		return LENGTH_MAX;
	for (size_t j = 0; j <= n; j++)
		above[j] = j;
	for (size_t i = 1; i <= m; i++) {
		size_t *oldest = before;

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
		before = above;
		above = row;
		row = oldest;
	}
	return above[n];
}

void suggest_begin(struct suggest *s, const char *word)
{
	size_t size = strlen(word);

	/* One wrong letter of three, two of six, three of more than that: still the same word. */
	*s = (struct suggest){ .word = word, .distance = 1 + (size < 3 ? 0 : size < 6 ? 1 : size < 9 ? 2 : 3) };
}

void suggest_consider(struct suggest *s, const char *candidate)
{
	size_t d = distance(s->word, candidate);

	if (d < s->distance) {
		s->distance = d;
		s->best = candidate;
	}
}

const char *suggest_text(const struct suggest *s, char *text, size_t size)
{
	if (s->best)
		snprintf(text, size, "; did you mean `%s`?", s->best);
	else
		snprintf(text, size, "%s", "");
	return text;
}
