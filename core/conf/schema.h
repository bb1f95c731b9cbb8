/*
 * schema.h - what the configuration may hold, as data: the daemon's own options are tables like a
 * plugin's, so that checking, `config show` and the reference page come from one mechanism.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <drover/option.h>

#include "loader/loader.h"

enum schema_shape {
	SCHEMA_TABLE,    /* a mapping of options */
	SCHEMA_INSTANCE, /* one plugin's instance */
	SCHEMA_LIST,     /* a list of instances */
	SCHEMA_NAMED,    /* a mapping from names to mappings of options */
	SCHEMA_FREE      /* a mapping that is checked elsewhere */
};

enum schema_id {
	SCHEMA_NODE,
	SCHEMA_CAPACITY,
	SCHEMA_LEASE,
	SCHEMA_LIMITS,
	SCHEMA_LOG,
	SCHEMA_INVENTORY,
	SCHEMA_CLUSTER,
	SCHEMA_TABLES, /* how many tables there are */
	SCHEMA_STORE = SCHEMA_TABLES,
	SCHEMA_DISPATCHER,
	SCHEMA_SOURCES,
	SCHEMA_EXECUTORS,
	SCHEMA_SINKS,
	SCHEMA_MONITORS,
	SCHEMA_CREDENTIALS,
	SCHEMA_CONNECTIONS,
	SCHEMA_PROJECTS,
	SCHEMA_SECTIONS
};

struct schema_section {
	const char *name;
	enum schema_shape shape;
	const struct drover_option
		*table; /* SCHEMA_TABLE, SCHEMA_NAMED; of instances: what the kind has beside the plugin's own */
	size_t self_size;
	enum plugin_kind kind; /* of instances */
	const char *help;
};

/* By enum schema_id, ended by a NULL name. */
extern const struct schema_section schema_sections[];
/* Beside the sections: `include`, `plugin_path`. */
extern const struct drover_option schema_top[];
/* Of every instance: `plugin`, `name`, `use`. */
extern const struct drover_option schema_instance[];
/* An executor's two mappings. */
extern const struct drover_option schema_match[];
extern const struct drover_option schema_capacity_own[];

/* Durations are ms, sizes bytes. */
struct schema_node {
	char *name, *state_dir, *user;
	struct drover_list pools;
	int isolation;
	int64_t drain, core_silence, idle_exit;
};

struct schema_capacity {
	int64_t hosts, units, reserve;
};

struct schema_lease {
	int64_t renew, take_over, read_gap, stop_after, permit, permit_lost, changes;
};

struct schema_limits {
	int64_t hosts, unit_size, output, output_default, results, results_spool, results_patience, offers, offer_bytes;
	int64_t store_patience, attempts, waves;
};

struct schema_log {
	int level, format;
};

struct schema_inventory {
	struct drover_list sources;
	char *command;
	int64_t refresh, timeout, output_limit;
	int64_t hosts_limit, groups_limit, members_limit;
	int vars;
};

struct schema_cluster {
	char *name, *signing_key;
	struct drover_list public_keys;
	int64_t unit_life, unit_limit, remember, refresh;
};

struct schema_paths {
	struct drover_list include, plugin_path;
	char *secret_key;
};

struct schema_named_instance {
	char *plugin, *name, *use;
};

struct schema_dispatcher {
	int64_t ahead, look, again, again_most;
};

struct schema_store {
	int64_t keep;
};

struct schema_executor {
	struct drover_map match, capacity;
	char *run_as;
	int64_t call_timeout;
	int64_t live_rate, live_unit_rate; /* bytes a second */
};

struct schema_matching {
	char *hosts;
};

struct schema_sink {
	int64_t spool_limit, call_timeout;
	struct drover_list events;
};

struct schema_monitor {
	int64_t interval, call_timeout;
};

struct schema_credential {
	char *user, *key, *certificate, *passphrase, *password, *become_password;
	struct drover_list allow;
};

/* The words of the choices, by index. */
extern const char *const schema_isolations[]; /* auto, cgroup, subreaper */
extern const char *const schema_levels[];     /* error, warning, info, debug */
extern const char *const schema_formats[];    /* text, json */
extern const char *const schema_variables[];  /* connection, all */

#endif
