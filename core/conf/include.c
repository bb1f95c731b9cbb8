/* include.c - see include.h. */
#include "conf/include.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"

/* The files that are being read, innermost first: to see a cycle and to tell it. */
struct nesting {
	const struct nesting *outer;
	const struct include_file *file;
	int depth;
};

struct include_state {
	struct include_set *set;
	struct conf_errors *errors;
	struct tree_node *root;
};

static void read_into(struct include_state *state, const char *name, const struct conf_place *from,
		      const struct nesting *outer);

char *include_relative(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	struct buf whole = BUF_INIT;

	if (*path != '/' && slash)
		buf_append(&whole, file, (size_t)(slash - file) + 1);
	buf_string(&whole, path);
	return buf_take(&whole);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void include_pattern(struct include_state *state, const struct tree_node *entry, const struct nesting *nesting)
{
	bool is_pattern = strpbrk(entry->text, "*?[") != NULL;
	char *pattern = include_relative(nesting->file->name, entry->text);
	glob_t found = { 0 };
	int code = is_pattern ? glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found) : 0;

	if (!is_pattern) {
		read_into(state, pattern, &entry->place, nesting);
	} else if (code && code != GLOB_NOMATCH) {
		errors_add(state->errors, &entry->place, "include", "cannot look for %s: %s", pattern, strerror(errno));
	} else {
		if (found.gl_pathc)
			qsort(found.gl_pathv, found.gl_pathc, sizeof(char *), by_name);
		for (size_t i = 0; i < found.gl_pathc; i++)
			read_into(state, found.gl_pathv[i], &entry->place, nesting);
	}
	if (is_pattern)
		globfree(&found);
	free(pattern);
}

static void include_entry(struct include_state *state, const struct tree_node *entry, const struct nesting *nesting)
{
	if (entry->kind != TREE_SCALAR || !*entry->text)
		errors_add(state->errors, &entry->place, "include",
			   "must be a file or a pattern such as `conf.d/*.yaml`");
	else
		include_pattern(state, entry, nesting);
}

/* Follows the `include:` of a tree that was just read, after taking it out. */
static void include_member(struct include_state *state, struct tree_node *include, const struct nesting *nesting)
{
	if (include->kind == TREE_SEQUENCE)
		for (size_t i = 0; i < include->count; i++)
			include_entry(state, include->items[i], nesting);
	else if (!tree_empty(include))
		include_entry(state, include, nesting);
}

/* Has it been read, or is it being read? Then this is an error. */
static bool known(struct include_state *state, const char *name, const struct stat *info, const struct conf_place *from,
		  const struct nesting *outer)
{
	for (const struct nesting *n = outer; n; n = n->outer)
		if (n->file->device == info->st_dev && n->file->inode == info->st_ino) {
			errors_add(state->errors, from, "include", "%s includes itself by this: remove it", name);
			return true;
		}
	for (size_t i = 0; i < state->set->count; i++)
		if (state->set->files[i].device == info->st_dev && state->set->files[i].inode == info->st_ino) {
			errors_add(state->errors, from, "include", "%s is included a second time: remove one of them",
				   name);
			return true;
		}
	return false;
}

static void read_into(struct include_state *state, const char *name, const struct conf_place *from,
		      const struct nesting *outer)
{
	struct nesting nesting = { .outer = outer, .depth = outer ? outer->depth + 1 : 0 };
	struct include_set *set = state->set;
	struct tree_node *tree, *include;
	struct include_file *file;
	struct stat info;
	struct conf_place itself = { name, 0, 0 };

	if (stat(name, &info)) {
		if (from)
			errors_add(state->errors, from, "include", "%s: %s", name, strerror(errno));
		else
			errors_add(state->errors, &itself, NULL, "cannot be read: %s", strerror(errno));
		set->incomplete = true;
		return;
	}
	if (known(state, name, &info, from, outer))
		return;
	if (nesting.depth > INCLUDE_DEPTH || set->count == INCLUDE_FILES) {
		errors_add(state->errors, from, "include", "%s: no more than %d files, nested %d deep, are read", name,
			   INCLUDE_FILES, INCLUDE_DEPTH);
		return;
	}
	/* Room for all of them from the start: places and nestings point into it. */
	if (!set->files)
		set->files = xcalloc(INCLUDE_FILES, sizeof(*set->files));
	file = &set->files[set->count++];
	*file = (struct include_file){ xstrdup(name), info.st_dev, info.st_ino };
	nesting.file = file;
	tree = reader_read(file->name, state->errors);
	if (!tree) {
		set->incomplete = true;
		return;
	}
	include = tree_get(tree, "include");
	if (include)
		HASH_DEL(tree->members, include);
	tree_merge(state->root, tree, "", state->errors);
	if (include)
		include_member(state, include, &nesting);
	tree_free(include);
}

struct tree_node *include_read(const char *file, struct include_set *set, struct conf_errors *errors)
{
	struct conf_place top = { NULL, 1, 1 };
	struct include_state state = { .set = set, .errors = errors };

	*set = (struct include_set){ 0 };
	state.root = tree_new(TREE_MAPPING, &top);
	read_into(&state, file, NULL, NULL);
	if (set->count)
		state.root->place.file = set->files[0].name;
	return state.root;
}

void include_dispose(struct include_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->files[i].name);
	free(set->files);
	*set = (struct include_set){ 0 };
}
