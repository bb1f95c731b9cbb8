/* list.c - every plugin on the path, for `drover plugin list`; see loader.h. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "loader/loader.h"
#include "util/buf.h"

static bool listed(const struct plugin_listing *listing, const char *name)
{
	for (size_t i = 0; i < listing->count; i++)
		if (!strcmp(listing->plugins[i].name, name))
			return true;
	return false;
}

/* `folder` is one of the list; a name found before hides this one, as loader_open would not see it. */
static void list_folder(const char *folder, const struct drover_host *host, struct plugin_listing *listing)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t size = strlen(entry->d_name);
		struct listed_plugin found = { 0 };
		struct drover_error err = { 0 };
		struct buf path = BUF_INIT;

		if (size <= 3 || strcmp(entry->d_name + size - 3, ".so"))
			continue;
		found.name = strndup(entry->d_name, size - 3);
		if (!found.name || listed(listing, found.name)) {
			free(found.name);
			continue;
		}
		buf_printf(&path, "%s/%s", folder, entry->d_name);
		found.path = buf_take(&path);
		if (loader_open(folder, found.name, host, &found.plugin, &err))
			found.error = xstrdup(err.message);
		listing->plugins = xrealloc(listing->plugins, (listing->count + 1) * sizeof(found));
		listing->plugins[listing->count++] = found;
	}
	if (dir)
		closedir(dir);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct listed_plugin *)a)->name, ((const struct listed_plugin *)b)->name);
}

void loader_list(const char *path_list, const struct drover_host *host, struct plugin_listing *listing)
{
	*listing = (struct plugin_listing){ 0 };
	while (*path_list) {
		size_t size = strcspn(path_list, ":");
		char *folder = strndup(path_list, size);

		if (folder && size)
			list_folder(folder, host, listing);
		free(folder);
		path_list += size + (path_list[size] == ':');
	}
	if (listing->count)
		qsort(listing->plugins, listing->count, sizeof(*listing->plugins), by_name);
}

void loader_listing_dispose(struct plugin_listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		free(listing->plugins[i].name);
		free(listing->plugins[i].path);
		free(listing->plugins[i].error);
		loader_dispose(&listing->plugins[i].plugin);
	}
	free(listing->plugins);
	*listing = (struct plugin_listing){ 0 };
}
