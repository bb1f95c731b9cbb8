/* silence.c - see silence.h. */
#include "sched/silence.h"

#include <stdlib.h>

#include "util/buf.h"

void silence_dispose(struct silence *s)
{
	free(s->nodes);
	s->nodes = NULL;
	s->count = s->room = 0;
}

static struct silence_node *find(const struct silence *s, int64_t incarnation)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->nodes[i].incarnation == incarnation)
			return &s->nodes[i];
	return NULL;
}

/* Values were read at some moment between a reading's begin and its end: the longest time that may lie between two. */
static bool follows(const struct silence *s, int64_t begun, int64_t ended)
{
	return s->ended && begun >= s->ended && ended >= begun && ended - s->begun <= s->read_gap;
}

void silence_begin(struct silence *s, int64_t begun, int64_t ended, int64_t renewed)
{
	if (!follows(s, begun, ended) || ended - renewed > s->stop_after)
		s->count = 0;
	s->begun = begun < ended ? begun : ended;
	s->ended = ended;
	for (size_t i = 0; i < s->count; i++)
		s->nodes[i].read = false;
}

bool silence_read(struct silence *s, int64_t incarnation, int64_t renewed_at)
{
	struct silence_node *node = find(s, incarnation);

	if (!node) {
		if (s->count == s->room) {
			s->room = s->room ? s->room * 2 : 16;
			s->nodes = xrealloc(s->nodes, s->room * sizeof(*s->nodes));
		}
		node = &s->nodes[s->count++];
		*node = (struct silence_node){ .incarnation = incarnation,
					       .renewed_at = renewed_at,
					       .since = s->ended };
	} else if (node->renewed_at != renewed_at) {
		node->renewed_at = renewed_at;
		node->since = s->ended;
	}
	node->read = true;
	/* From the end of the first to the begin of the last: the shortest time that may lie between them. */
	return s->begun - node->since >= s->take_over;
}

void silence_end(struct silence *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->count; i++)
		if (s->nodes[i].read)
			s->nodes[kept++] = s->nodes[i];
	s->count = kept;
}

int64_t silence_of(const struct silence *s, int64_t incarnation)
{
	const struct silence_node *node = find(s, incarnation);

	if (!node)
		return -1;
	return s->begun > node->since ? s->begun - node->since : 0;
}
