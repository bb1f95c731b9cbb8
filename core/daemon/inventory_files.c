/* inventory_files.c - see inventory_files.h. */
#include "daemon/inventory_files.h"

#include <fts.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"

#define FILES_MAX 20000

static void add_file(crypto_generichash_state *all, const char *path, const struct stat *st)
{
	crypto_generichash_update(all, (const unsigned char *)path, strlen(path) + 1);
	if (!st)
		return;
	crypto_generichash_update(all, (const unsigned char *)&st->st_ino, sizeof(st->st_ino));
	crypto_generichash_update(all, (const unsigned char *)&st->st_size, sizeof(st->st_size));
	crypto_generichash_update(all, (const unsigned char *)&st->st_mtim, sizeof(st->st_mtim));
	crypto_generichash_update(all, (const unsigned char *)&st->st_ctim, sizeof(st->st_ctim));
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Links are followed, as Ansible does; fts finds the circles that they may make. */
static void add_tree(crypto_generichash_state *all, char *path, int *left)
{
	char *const paths[] = { path, NULL };
	FTS *walk = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	FTSENT *entry;

	while (walk && *left > 0 && (entry = fts_read(walk))) {
		bool seen = entry->fts_info == FTS_F || entry->fts_info == FTS_D;

		if (entry->fts_info == FTS_DP)
			continue;
		add_file(all, entry->fts_path, seen ? entry->fts_statp : NULL);
		--*left;
	}
	if (walk)
		fts_close(walk);
}

static void add_beside(crypto_generichash_state *all, const char *source, const char *folder, int *left)
{
	const char *slash = strrchr(source, '/');
	struct buf path = BUF_INIT;

	buf_printf(&path, "%.*s/%s", (int)(slash ? slash - source : 0), source, folder);
	add_tree(all, path.data, left);
	buf_dispose(&path);
}

void inventory_files_mark(struct json_object *sources, unsigned char mark[INVENTORY_MARK_SIZE])
{
	crypto_generichash_state all;
	int left = FILES_MAX;

	crypto_generichash_init(&all, NULL, 0, INVENTORY_MARK_SIZE);
	for (size_t i = 0; i < json_object_array_length(sources); i++) {
		const char *source = json_object_get_string(json_object_array_get_idx(sources, i));
		char *path = xstrdup(source);
		struct stat st;

		add_tree(&all, path, &left);
		if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
			add_beside(&all, source, "group_vars", &left);
			add_beside(&all, source, "host_vars", &left);
		}
		free(path);
	}
	crypto_generichash_final(&all, mark, INVENTORY_MARK_SIZE);
}
