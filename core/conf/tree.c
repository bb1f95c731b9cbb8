/* tree.c - see tree.h. */
#include "conf/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"

struct tree_node *tree_new(enum tree_kind kind, const struct conf_place *place)
{
	struct tree_node *node = xcalloc(1, sizeof(*node));

	node->kind = kind;
	if (place)
		node->place = *place;
	return node;
}

void tree_free(struct tree_node *node)
{
	struct tree_node *member, *next;

	if (!node)
		return;
	HASH_ITER (hh, node->members, member, next) {
		HASH_DEL(node->members, member);
		tree_free(member);
	}
	for (size_t i = 0; i < node->count; i++)
		tree_free(node->items[i]);
	free(node->items);
	free(node->text);
	free(node->key);
	free(node);
}

struct tree_node *tree_get(const struct tree_node *mapping, const char *key)
{
	struct tree_node *found = NULL;

	if (mapping)
		HASH_FIND_STR(mapping->members, key, found);
	return found;
}

const char *tree_text(const struct tree_node *mapping, const char *key)
{
	const struct tree_node *node = tree_get(mapping, key);

	return node && node->kind == TREE_SCALAR ? node->text : NULL;
}

void tree_put(struct tree_node *mapping, const char *key, const struct conf_place *key_place, struct tree_node *node)
{
	free(node->key);
	node->key = xstrdup(key);
	node->key_place = *key_place;
	HASH_ADD_KEYPTR(hh, mapping->members, node->key, strlen(node->key), node);
}

void tree_drop(struct tree_node *mapping, struct tree_node *member)
{
	HASH_DEL(mapping->members, member);
	tree_free(member);
}

void tree_append(struct tree_node *sequence, struct tree_node *node)
{
	if (sequence->count == sequence->room) {
		sequence->room = sequence->room ? sequence->room * 2 : 8;
		sequence->items = xrealloc(sequence->items, sequence->room * sizeof(*sequence->items));
	}
	sequence->items[sequence->count++] = node;
}

bool tree_empty(const struct tree_node *node)
{
	return !node || node->absent;
}

const char *tree_kind_name(const struct tree_node *node)
{
	switch (node->kind) {
	case TREE_SEQUENCE:
		return "a list";
	case TREE_MAPPING:
		return "a mapping";
	default:
		return "a plain value";
	}
}

/* What both have under one key; `from` stays with the caller, but for a list's items. */
static void merge_member(struct tree_node *into, struct tree_node *from, const char *path, struct conf_errors *errors)
{
	char place[512];

	if (into->kind == TREE_MAPPING && from->kind == TREE_MAPPING) {
		tree_merge(into, from, path, errors);
	} else if (into->kind == TREE_SEQUENCE && from->kind == TREE_SEQUENCE) {
		for (size_t i = 0; i < from->count; i++)
			tree_append(into, from->items[i]);
		from->count = 0;
		tree_free(from);
	} else {
		errors_add(errors, &from->key_place, path, "is given twice, first at %s: remove one of them",
			   errors_place(&into->key_place, place, sizeof(place)));
		tree_free(from);
	}
}

void tree_merge(struct tree_node *into, struct tree_node *from, const char *path, struct conf_errors *errors)
{
	struct tree_node *member, *next;

	HASH_ITER (hh, from->members, member, next) {
		struct tree_node *there = tree_get(into, member->key);
		struct buf name = BUF_INIT;

		HASH_DEL(from->members, member);
		buf_printf(&name, "%s%s%s", path, *path ? "." : "", member->key);
		if (there && tree_empty(there) && !tree_empty(member)) {
			tree_drop(into, there);
			there = NULL;
		}
		if (there && tree_empty(member))
			tree_free(member);
		else if (there)
			merge_member(there, member, name.data, errors);
		else
			HASH_ADD_KEYPTR(hh, into->members, member->key, strlen(member->key), member);
		buf_dispose(&name);
	}
	tree_free(from);
}
