#include "ssh/quote.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Words of only these need no quotes; a leading `~` or `=` would mean something to some shells. */
static bool plain(const char *word)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,@%+";

	return *word && strspn(word, safe) == strlen(word);
}

static char *put(char *to, const char *text, size_t size)
{
	memcpy(to, text, size);
	return to + size;
}

static char *put_word(char *to, const char *word)
{
	if (plain(word))
		return put(to, word, strlen(word));
	*to++ = '\'';
	for (; *word; word++) {
		if (*word == '\'')
			to = put(to, "'\\''", 4);
		else
			*to++ = *word;
	}
	*to++ = '\'';
	return to;
}

char *quote_words(const char *const *words, size_t count)
{
	size_t size = 1;
	char *text, *to;

	for (size_t i = 0; i < count; i++)
		size += 4 * strlen(words[i]) + 3;
	text = malloc(size);
	if (!text)
		return NULL;
	to = text;
	for (size_t i = 0; i < count; i++) {
		if (i)
			*to++ = ' ';
		to = put_word(to, words[i]);
	}
	*to = '\0';
	return text;
}
