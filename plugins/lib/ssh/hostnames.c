#include "ssh/hostnames.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define NAME_MOST 300 /* no host has a longer one */

struct hostnames {
	UT_hash_handle hh;
	struct hostnames_line first, *last;
	char name[];
};

static size_t fold(const char *name, size_t size, char *folded)
{
	if (size > NAME_MOST)
		size = NAME_MOST;
	for (size_t i = 0; i < size; i++)
		folded[i] = (char)tolower((unsigned char)name[i]);
	return size;
}

static int add_name(struct hostnames **names, const char *folded, size_t size, size_t line)
{
	struct hostnames *found = malloc(sizeof(*found) + size);

	if (!found)
		return -ENOMEM;
	found->first = (struct hostnames_line){ .line = line };
	found->last = &found->first;
	memcpy(found->name, folded, size);
	HASH_ADD_KEYPTR(hh, *names, found->name, size, found);
	if (found->hh.tbl)
		return 0;
	free(found);
	return -ENOMEM;
}

int hostnames_add(struct hostnames **names, const char *name, size_t size, size_t line)
{
	struct hostnames *found;
	struct hostnames_line *more;
	char folded[NAME_MOST];

	size = fold(name, size, folded);
	HASH_FIND(hh, *names, folded, size, found);
	if (!found)
		return add_name(names, folded, size, line);
	more = malloc(sizeof(*more));
	if (!more)
		return -ENOMEM;
	*more = (struct hostnames_line){ .line = line };
	found->last->next = more;
	found->last = more;
	return 0;
}

const struct hostnames_line *hostnames_find(struct hostnames *names, const char *name)
{
	struct hostnames *found;
	char folded[NAME_MOST];
	size_t size = fold(name, strlen(name), folded);

	HASH_FIND(hh, names, folded, size, found);
	return found ? &found->first : NULL;
}

void hostnames_free(struct hostnames *names)
{
	struct hostnames *one, *next;

	HASH_ITER (hh, names, one, next) {
		HASH_DEL(names, one);
		while (one->first.next) {
			struct hostnames_line *line = one->first.next;

			one->first.next = line->next;
			free(line);
		}
		free(one);
	}
}
