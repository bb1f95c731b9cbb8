/* fold.c - see fold.h. */
#include "cli/fold.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cli/field.h"
#include "cli/rows.h"

/* Of different outputs so many bytes are kept; then heads only, to the second bound; then nothing. */
#define KEPT_WHOLE ((size_t)64 * 1024 * 1024)
#define KEPT_MOST ((size_t)96 * 1024 * 1024)
#define HEAD_SIZE 1024

static void hash_bytes(crypto_generichash_state *state, const void *data, size_t size)
{
	uint64_t length = size;

	/* The length first: "ab" "c" must not be "a" "bc". */
	crypto_generichash_update(state, (const unsigned char *)&length, sizeof(length));
	crypto_generichash_update(state, data, size);
}

static void hash_text(crypto_generichash_state *state, const char *text)
{
	hash_bytes(state, text, strlen(text));
}

static void make_key(const struct fold *fold, struct json_object *row, const struct buf *out, const struct buf *err,
		     unsigned char key[FOLD_KEY_SIZE])
{
	static const char *const texts[] = { "status", "phase", "message", "signal", "remote_process" };
	crypto_generichash_state state;
	int64_t rc = field_int(row, "rc", INT64_MIN);

	crypto_generichash_init(&state, NULL, 0, FOLD_KEY_SIZE);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		hash_text(&state, field_text(row, texts[i]));
	hash_bytes(&state, &rc, sizeof(rc));
	if (!fold->no_output) {
		hash_bytes(&state, out->data, out->size);
		hash_bytes(&state, err->data, err->size);
	}
	crypto_generichash_final(&state, key, FOLD_KEY_SIZE);
}

/* Keeps an output, or less of it where very much is kept already. */
static void keep(struct fold *fold, struct fold_group *group, struct buf *into, const struct buf *bytes)
{
	size_t size = bytes->size;

	if (fold->kept + size > KEPT_WHOLE && size > HEAD_SIZE)
		size = HEAD_SIZE;
	if (fold->no_output || fold->kept + size > KEPT_MOST)
		size = 0;
	group->cut |= size < bytes->size && !fold->no_output;
	fold->kept += size;
	buf_append(into, bytes->data, size);
}

static struct fold_group *new_group(struct fold *fold, struct json_object *row, const struct buf *out,
				    const struct buf *err)
{
	struct fold_group *group = xcalloc(1, sizeof(*group));

	group->status = xstrdup(field_word(row, "status"));
	group->phase = xstrdup(field_word(row, "phase"));
	group->message = xstrdup(field_text(row, "message"));
	group->signal = xstrdup(field_word(row, "signal"));
	group->remote = xstrdup(field_word(row, "remote_process"));
	group->has_rc = json_object_is_type(field(row, "rc"), json_type_int);
	group->rc = field_int(row, "rc", 0);
	group->truncated = field_bool(row, "truncated");
	keep(fold, group, &group->out, out);
	keep(fold, group, &group->err, err);
	return group;
}

void fold_add(struct fold *fold, struct json_object *row)
{
	struct buf out = rows_bytes(row, "stdout"), err = rows_bytes(row, "stderr");
	unsigned char key[FOLD_KEY_SIZE];
	struct fold_group *group;

	make_key(fold, row, &out, &err, key);
	HASH_FIND(hh, fold->groups, key, FOLD_KEY_SIZE, group);
	if (!group) {
		group = new_group(fold, row, &out, &err);
		memcpy(group->key, key, sizeof(key));
		HASH_ADD(hh, fold->groups, key, FOLD_KEY_SIZE, group);
	}
	if (group->count == group->room) {
		group->room = group->room ? group->room * 2 : 4;
		group->names = xrealloc(group->names, group->room * sizeof(*group->names));
	}
	group->names[group->count++] = xstrdup(field_text(row, "host"));
	buf_dispose(&out);
	buf_dispose(&err);
}

static int compare(const void *x, const void *y)
{
	const struct fold_group *a = *(struct fold_group *const *)x, *b = *(struct fold_group *const *)y;
	bool ok_a = !strcmp(a->status, "ok"), ok_b = !strcmp(b->status, "ok");

	if (ok_a != ok_b)
		return ok_a ? -1 : 1;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->names[0], b->names[0]);
}

struct fold_group **fold_sorted(struct fold *fold, size_t *count)
{
	struct fold_group **sorted = xcalloc(HASH_COUNT(fold->groups) + 1, sizeof(*sorted));
	size_t n = 0;

	for (struct fold_group *group = fold->groups; group; group = group->hh.next)
		sorted[n++] = group;
	qsort(sorted, n, sizeof(*sorted), compare);
	*count = n;
	return sorted;
}

static void free_group(struct fold_group *group)
{
	for (size_t i = 0; i < group->count; i++)
		free(group->names[i]);
	free(group->names);
	free(group->status);
	free(group->phase);
	free(group->message);
	free(group->signal);
	free(group->remote);
	buf_dispose(&group->out);
	buf_dispose(&group->err);
	free(group);
}

void fold_dispose(struct fold *fold)
{
	struct fold_group *group, *next;

	HASH_ITER (hh, fold->groups, group, next) {
		HASH_DEL(fold->groups, group);
		free_group(group);
	}
}
