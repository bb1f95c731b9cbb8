/*
 * reader.c - one file of YAML into a tree; see tree.h.
 *
 * By libyaml's event API: its document API accepts keys twice and aliases of themselves, and takes
 * quadratic time for deep nesting. Marks count from 0, messages from 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "conf/tree.h"
#include "util/buf.h"

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct conf_errors *errors;
	/* The open mappings and sequences, outermost first, and for mappings the key that waits for its value. */
	struct tree_node *open[READER_DEPTH];
	char *key[READER_DEPTH];
	struct conf_place key_place[READER_DEPTH];
	int depth;
	struct tree_node *root;
	int documents;
};

static int load(const char *file, struct buf *text, struct conf_errors *errors)
{
	struct conf_place place = { file, 0, 0 };
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	ssize_t got = 1;

	if (fd < 0 || fstat(fd, &info)) {
		errors_add(errors, &place, NULL, "cannot be read: %s", strerror(errno));
		goto fail;
	}
	if (!S_ISREG(info.st_mode)) {
		errors_add(errors, &place, NULL, "is no ordinary file");
		goto fail;
	}
	while (got > 0 && text->size <= READER_SIZE) {
		buf_reserve(text, 65536);
		got = read(fd, text->data + text->size, 65536);
		if (got > 0)
			text->size += (size_t)got;
	}
	if (got < 0)
		errors_add(errors, &place, NULL, "cannot be read: %s", strerror(errno));
	else if (text->size > READER_SIZE)
		errors_add(errors, &place, NULL, "is larger than 1 MiB: split it and use `include:`");
	else {
		close(fd);
		return 0;
	}
fail:
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct conf_place mark(const struct reader *r, yaml_mark_t at)
{
	return (struct conf_place){ r->file, (int)at.line + 1, (int)at.column + 1 };
}

/* A value has been read, scalar or with all in it to come: to its place in what is open. Takes it. */
static struct tree_node *place_node(struct reader *r, struct tree_node *node)
{
	struct tree_node *parent = r->depth ? r->open[r->depth - 1] : NULL, *there;
	char **key = r->depth ? &r->key[r->depth - 1] : NULL;
	char first[512];

	if (!parent) {
		tree_free(r->root);
		r->root = node;
	} else if (parent->kind == TREE_SEQUENCE) {
		tree_append(parent, node);
	} else {
		const struct conf_place *at = &r->key_place[r->depth - 1];

		there = tree_get(parent, *key);
		if (there) {
			errors_add(r->errors, at, NULL,
				   "the key `%.80s` is given twice, first at %s: remove one of them", *key,
				   errors_place(&there->key_place, first, sizeof(first)));
			tree_drop(parent, there);
		}
		tree_put(parent, *key, at, node);
		free(*key);
		*key = NULL;
	}
	return node;
}

/* Does the next node become a key? */
static bool key_expected(const struct reader *r)
{
	return r->depth && r->open[r->depth - 1]->kind == TREE_MAPPING && !r->key[r->depth - 1];
}

static void refuse_anchor(struct reader *r, const struct conf_place *at, const void *anchor, const void *tag)
{
	if (anchor)
		errors_add(r->errors, at, NULL, "the anchor `&%.80s` is not allowed: write the value out",
			   (const char *)anchor);
	if (tag)
		errors_add(r->errors, at, NULL, "the tag `%.80s` is not allowed: remove it", (const char *)tag);
}

static int on_scalar(struct reader *r, const yaml_event_t *event)
{
	struct conf_place at = mark(r, event->start_mark);
	const char *text = (const char *)event->data.scalar.value;
	struct tree_node *node;

	refuse_anchor(r, &at, event->data.scalar.anchor, event->data.scalar.tag);
	if (strlen(text) != event->data.scalar.length) {
		errors_add(r->errors, &at, NULL, "a text holds a NUL byte: remove it");
		return -1;
	}
	if (key_expected(r)) {
		r->key[r->depth - 1] = xstrdup(text);
		r->key_place[r->depth - 1] = at;
		return 0;
	}
	node = tree_new(TREE_SCALAR, &at);
	node->text = xstrdup(text);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	node->absent = !*text && node->plain;
	place_node(r, node);
	return 0;
}

static int on_start(struct reader *r, enum tree_kind kind, yaml_mark_t start, const void *anchor, const void *tag)
{
	struct conf_place at = mark(r, start);

	refuse_anchor(r, &at, anchor, tag);
	if (key_expected(r)) {
		errors_add(r->errors, &at, NULL, "a key must be a plain word");
		return -1;
	}
	if (r->depth == READER_DEPTH) {
		errors_add(r->errors, &at, NULL, "nests deeper than %d levels", READER_DEPTH);
		return -1;
	}
	r->open[r->depth] = place_node(r, tree_new(kind, &at));
	r->key[r->depth] = NULL;
	r->depth++;
	return 0;
}

/* 0: go on; 1: the stream is at its end; -1: give up. */
static int on_event(struct reader *r, const yaml_event_t *event)
{
	struct conf_place at = mark(r, event->start_mark);

	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, TREE_SEQUENCE, event->start_mark, event->data.sequence_start.anchor,
				event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, TREE_MAPPING, event->start_mark, event->data.mapping_start.anchor,
				event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return 0;
	case YAML_ALIAS_EVENT:
		errors_add(r->errors, &at, NULL, "the alias `*%.80s` is not allowed: write the value out",
			   (const char *)event->data.alias.anchor);
		return -1;
	case YAML_DOCUMENT_START_EVENT:
		if (r->documents++) {
			errors_add(r->errors, &at, NULL, "a second document begins here: a file holds one");
			return -1;
		}
		return 0;
	case YAML_STREAM_END_EVENT:
		return 1;
	default:
		return 0;
	}
}

static int parse(struct reader *r)
{
	int code = 0;

	while (!code) {
		yaml_event_t event;

		if (!yaml_parser_parse(&r->parser, &event)) {
			yaml_mark_t m = r->parser.problem_mark;
			struct conf_place at = mark(r, m);

			/* What is wrong with the bytes themselves has an offset only. */
			if (r->parser.error == YAML_READER_ERROR)
				at.line = 0;
			errors_add(r->errors, &at, NULL, "is not YAML: %s%s%s",
				   r->parser.problem ? r->parser.problem : "?", r->parser.context ? ", " : "",
				   r->parser.context ? r->parser.context : "");
			return -1;
		}
		code = on_event(r, &event);
		yaml_event_delete(&event);
	}
	return code < 0 ? -1 : 0;
}

struct tree_node *reader_read(const char *file, struct conf_errors *errors)
{
	struct reader r = { .file = file, .errors = errors };
	struct conf_place top = { file, 1, 1 };
	struct buf text = BUF_INIT;
	int code;

	if (load(file, &text, errors)) {
		buf_dispose(&text);
		return NULL;
	}
	if (!yaml_parser_initialize(&r.parser))
		abort();
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.data, text.size);
	code = parse(&r);
	for (int i = 0; i < r.depth; i++)
		free(r.key[i]);
	yaml_parser_delete(&r.parser);
	buf_dispose(&text);
	if (!code && r.root && !tree_empty(r.root) && r.root->kind != TREE_MAPPING) {
		errors_add(errors, &r.root->place, NULL, "is %s, but the file must be a mapping: `key: value` lines",
			   tree_kind_name(r.root));
		code = -1;
	}
	if (code || tree_empty(r.root)) {
		tree_free(r.root);
		return code ? NULL : tree_new(TREE_MAPPING, &top);
	}
	return r.root;
}
