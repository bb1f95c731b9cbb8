/*
 * loader.h - finds plugins on a path of folders, loads them and checks them before anything else
 * of them runs.
 *
 * A plugin is NAME.so, NAME of `a-z 0-9 _`. It is loaded with RTLD_NOW | RTLD_LOCAL and never
 * unloaded. Messages name the plugin and the file: "plugin shell: /x/shell.so was built for ABI 2,
 * this program has 1". Main thread.
 */
#ifndef LOADER_LOADER_H
#define LOADER_LOADER_H

#include <stddef.h>

#include <drover/dispatcher.h>
#include <drover/executor.h>
#include <drover/monitor.h>
#include <drover/plugin.h>
#include <drover/sink.h>
#include <drover/source.h>

enum plugin_kind {
	PLUGIN_SOURCE = 0,
	PLUGIN_DISPATCHER = 1,
	PLUGIN_EXECUTOR = 2,
	PLUGIN_SINK = 3,
	PLUGIN_MONITOR = 4,
	PLUGIN_KINDS = 5
};

struct loaded_plugin {
	char *path;                         /* owned, absolute */
	const struct drover_module *module; /* the plugin's, for ever; its entries have been checked */
};

/* A plugin's name, as loader_list found it. */
struct listed_plugin {
	char *name;                  /* owned */
	char *path;                  /* owned */
	struct loaded_plugin plugin; /* module is NULL where `error` says something */
	char *error;                 /* owned, or NULL */
};

struct plugin_listing {
	struct listed_plugin *plugins; /* owned, by name */
	size_t count;
};

/* A host table with the log alone: enough to load a plugin and to check its options. Static. */
extern const struct drover_host loader_host;

/*
 * The folders to look in, separated by colons: `configured` if given, else $DROVER_PLUGIN_PATH, else
 * `plugins` beside the running program if there is such a folder, else PREFIX/lib/drover/plugins. Owned by the caller.
 */
char *loader_path(const char *configured);

/* "source", "executor", … Static. */
const char *loader_kind_name(enum plugin_kind kind);
/* What the module declares for that kind, or NULL. Borrowed, static. */
const struct drover_plugin_info *loader_info(const struct drover_module *module, enum plugin_kind kind);

/*
 * Loads NAME.so from the first folder that has it. `host` must live for ever. Errors: DROVER_EINVALID
 * (name, ABI, a table that is not sound), DROVER_ENOTFOUND, DROVER_EDENIED (as root: the file or its
 * folder may be written by everybody), DROVER_EFAULT.
 */
int loader_open(const char *path_list, const char *name, const struct drover_host *host, struct loaded_plugin *plugin,
		struct drover_error *err);
/* The same for a file that is known already: the `path` of a slice. */
int loader_open_file(const char *path, const struct drover_host *host, struct loaded_plugin *plugin,
		     struct drover_error *err);
/* Frees what belongs to the struct; the plugin stays loaded. */
void loader_dispose(struct loaded_plugin *plugin);

/* Every plugin on the path, broken ones with what is wrong. loader_listing_dispose frees it. */
void loader_list(const char *path_list, const struct drover_host *host, struct plugin_listing *listing);
void loader_listing_dispose(struct plugin_listing *listing);

/* verify.c: is the module what its struct says, and of this name? DROVER_EINVALID. */
int verify_module(const struct drover_module *module, const char *name, struct drover_error *err);

#endif
