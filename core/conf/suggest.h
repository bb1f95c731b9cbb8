/*
 * suggest.h - "did you mean": the known word that is nearest to one that is not known.
 */
#ifndef CONF_SUGGEST_H
#define CONF_SUGGEST_H

#include <stddef.h>

/* Collects candidates one by one; the nearest so far is `best`. */
struct suggest {
	const char *word; /* borrowed: what was written */
	const char *best; /* borrowed from the candidates, or NULL: none is near */
	size_t distance;
};

void suggest_begin(struct suggest *s, const char *word);
void suggest_consider(struct suggest *s, const char *candidate);
/* "; did you mean `listen`?" or "". In `text`, which is returned. */
const char *suggest_text(const struct suggest *s, char *text, size_t size);

#endif
