/*
 * conf.h - a configuration that has been read and checked, as the files of this folder share it.
 * What the rest of the program calls is in plan.h and show.h.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>

#include "conf/include.h"
#include "conf/schema.h"
#include "loader/loader.h"

struct json_object;

/* A mapping of the file, read by a table. */
struct conf_applied {
	char *path; /* owned: "executors[0]" */
	const struct drover_option *table;
	void *self;                   /* owned, of the table */
	const struct tree_node *node; /* NULL: nothing is written */
	const struct tree_node *used; /* a connection's mapping, which has options, too; or NULL */
	char *used_path;              /* owned: "connections.k1.kafka"; or NULL */
	struct json_object *given;    /* owned: the values that are not defaults, secrets resolved */
	struct json_object *derived;  /* owned: where values come from that no file has: name → text */
};

struct conf_instance {
	enum plugin_kind kind;
	char *path;                            /* owned: "executors[0]" */
	const char *name;                      /* never NULL; borrowed */
	const struct tree_node *node;          /* or NULL: a default instance */
	struct loaded_plugin plugin;           /* module is NULL where it could not be loaded */
	const struct drover_plugin_info *info; /* of this kind, or NULL */
	struct conf_applied named;             /* struct schema_named_instance */
	struct conf_applied common;            /* the kind's: struct schema_executor, … */
	struct conf_applied match, capacity;   /* of executors, where they are written */
	struct conf_applied options;           /* the plugin's own */
};

struct conf_instances {
	struct conf_instance *items; /* owned */
	size_t count;
};

struct conf_credential {
	const char *name;           /* borrowed from the tree */
	struct conf_applied values; /* struct schema_credential */
	char *certificate;          /* owned: its text, or NULL */
};

struct conf {
	struct include_set files;
	char **variables; /* owned: names of overrides */
	struct tree_node *tree;
	struct conf_errors *errors; /* borrowed */
	char *plugin_path;
	char *secret_key;                     /* owned: `secret_key` as a whole path, or NULL */
	struct json_object *secret_variables; /* owned: names of the variables that hold secrets */
	struct conf_applied top;
	struct conf_applied tables[SCHEMA_TABLES];
	struct conf_instance store;
	struct conf_instance dispatcher; /* named.self is NULL: there is none */
	struct conf_instances lists[SCHEMA_MONITORS - SCHEMA_SOURCES + 1];
	struct conf_credential *credentials; /* owned */
	size_t credential_count;
	struct json_object *cluster_keys; /* owned: the public keys that are believed, as text */
};

static inline const struct conf_instances *conf_list(const struct conf *c, enum schema_id id)
{
	return &c->lists[id - SCHEMA_SOURCES];
}

/* load.c: reads and checks everything. Always filled as far as possible; right only if no error was added. */
void conf_load(struct conf *c, const char *file, struct conf_errors *errors);
void conf_dispose(struct conf *c);

/* section.c: the members of `node` (NULL: none) that the table has; the defaults for the others. */
void section_read(struct conf *c, struct conf_applied *a, const struct tree_node *node, const char *path,
		  const struct drover_option *table, size_t self_size);
/* Adds to it what a connection's mapping has of the options that may be there. */
void section_use(struct conf *c, struct conf_applied *a, const struct tree_node *used, const char *path);
/* What is written for an option, here or in the connection; or NULL. */
const struct tree_node *section_member(const struct conf_applied *a, const char *name);
/* An error for each member that is in none of the tables; NULL tables are empty. */
void section_unknown(struct conf *c, const struct tree_node *node, const char *path,
		     const struct drover_option *const *tables, size_t count);
/* An error for each required option that has no value. */
void section_required(struct conf *c, const struct conf_applied *a);
/* Is it a mapping or empty? Otherwise an error, and NULL. */
const struct tree_node *section_mapping(struct conf *c, const struct tree_node *node, const char *path);
/* A value that no file has; `origin` says where it comes from ("credential prod"). */
void section_derive(struct conf *c, struct conf_applied *a, const char *name, const char *value, const char *origin);
/* The same of any JSON that the option takes; takes `value`. */
void section_derive_json(struct conf *c, struct conf_applied *a, const char *name, struct json_object *value,
			 const char *origin);
bool section_given(const struct conf_applied *a, const char *name);
void section_dispose(struct conf_applied *a);
/* The place of an option's value, else of its mapping, else of the file. */
const struct conf_place *section_place(const struct conf *c, const struct conf_applied *a, const char *name);

/* connection.c: the connection that the instance uses; its options are added to the instance's. */
void connection_check_all(struct conf *c, const struct tree_node *node);
void connection_use(struct conf *c, struct conf_instance *i);

/* instance.c */
void instance_read(struct conf *c, struct conf_instance *i, enum schema_id section, const struct tree_node *node,
		   const char *path);
void instance_dispose(struct conf_instance *i);

/* inventory.c: can it be read? And the core's part: sources as whole paths, the command's too; NULL: no sources. */
void inventory_check(struct conf *c);
struct json_object *inventory_slice(const struct conf *c);

/* cluster.c: keys are read, and who needs some must have them. And the core's part. */
void cluster_check(struct conf *c);
struct json_object *cluster_slice(const struct conf *c);

/* crosscheck.c: what concerns several options at once. */
void crosscheck(struct conf *c);

#endif
