/*
 * tree.h - the configuration as it was written: nodes that know where they come from.
 *
 * A mapping keeps its members in the order in which they were written and finds them by a hash; a
 * sequence is an array. Scalars are text: what they mean is said by the option that they are for.
 * Not thread-safe. Memory as in buf.h.
 */
#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <uthash.h>

#include "conf/errors.h"

enum tree_kind { TREE_SCALAR, TREE_SEQUENCE, TREE_MAPPING };

struct tree_node {
	enum tree_kind kind;
	struct conf_place place;
	char *text;                  /* owned; of a scalar */
	bool absent;                 /* a plain scalar without text: `key:` and then nothing */
	bool plain;                  /* a scalar without quotes: what looks like a number may be one */
	bool environment;            /* set by an override; place.file is the variable */
	char *key;                   /* owned; in a mapping */
	struct conf_place key_place; /* of the key in the mapping */
	struct tree_node *members;   /* owned; of a mapping, by key */
	struct tree_node **items;    /* owned; of a sequence */
	size_t count, room;          /* of the sequence */
	UT_hash_handle hh;
};

struct tree_node *tree_new(enum tree_kind kind, const struct conf_place *place);
/* `node` may be NULL. */
void tree_free(struct tree_node *node);
/* The member of that key, or NULL; also where `mapping` is NULL or none. Borrowed. */
struct tree_node *tree_get(const struct tree_node *mapping, const char *key);
/* Its text where the member is a scalar, or NULL. Borrowed. */
const char *tree_text(const struct tree_node *mapping, const char *key);
/* `node` becomes the member `key` (copied), which must not be there yet. Takes `node`. */
void tree_put(struct tree_node *mapping, const char *key, const struct conf_place *key_place, struct tree_node *node);
/* Takes the member out and frees it. */
void tree_drop(struct tree_node *mapping, struct tree_node *member);
void tree_append(struct tree_node *sequence, struct tree_node *node);
/*
 * Merges the mapping `from` into `into` and frees it: mappings merge, sequences append, a scalar
 * that is in both is an error naming both places. `path` is that of `into`, for messages.
 */
void tree_merge(struct tree_node *into, struct tree_node *from, const char *path, struct conf_errors *errors);
/* Is it NULL, or `key:` and then nothing? */
bool tree_empty(const struct tree_node *node);
/* "a plain value", "a list", "a mapping". Static. */
const char *tree_kind_name(const struct tree_node *node);

/* Iterates over a mapping's members; `mapping` may be NULL or no mapping. */
#define tree_foreach(mapping, member)                                                                                  \
	for (struct tree_node *member = (mapping) ? (mapping)->members : NULL; member; member = member->hh.next)

/* How deep a file may nest, and how large it may be. */
#define READER_DEPTH 32
#define READER_SIZE (1024 * 1024)

/*
 * reader.c: reads one file of YAML (libyaml's event API). `file` is kept by reference in the nodes.
 * NULL: it could not be read or parsed, the errors say why; other errors (a key twice, anchors,
 * tags) leave a tree. An empty file is an empty mapping. Owned by the caller.
 */
struct tree_node *reader_read(const char *file, struct conf_errors *errors);

#endif
