/*
 * option.h - the option tables of drover/option.h applied: an instance's struct is made, filled,
 * checked and freed by its table.
 *
 * Values arrive as JSON: a string for a scalar (as the user wrote it: the table says what it
 * becomes), an array of strings for a list, an object of strings for a map. The configuration and
 * the slices that child processes get both take this way, so both accept the same.
 *
 * Messages do not name the option: the caller knows where the value came from. Any thread.
 */
#ifndef CONF_OPTION_H
#define CONF_OPTION_H

#include <stddef.h>

#include <drover/option.h>

struct drover_error;
struct json_object;

/* Host patterns in options may stand for so many names at most. */
#define OPTION_NODESET_LIMIT 1000000

/* The entry of that name, or NULL. `table` may be NULL. Borrowed. */
const struct drover_option *option_find(const struct drover_option *table, const char *name);
/* Size of the field in the plugin's struct; 0: no such type. */
size_t option_field_size(enum drover_option_type type);
/* "whole number", "duration", … for people. Static. */
const char *option_type_name(enum drover_option_type type);

/* Is that key's value in a mapping option a secret? */
bool option_is_secret(const struct drover_option *option, const char *key);

/* Zeroed, then filled with the defaults; never NULL. The table has passed option_check. Free with option_free. */
void *option_new(const struct drover_option *table, size_t self_size);
/* Frees the instance and all strings in it; secrets are overwritten first. `self` may be NULL. */
void option_free(const struct drover_option *table, void *self);

/* Sets the field of one option, replacing what is in it; on an error the field keeps its value. */
int option_assign(const struct drover_option *option, void *self, struct json_object *value, struct drover_error *err);
/* The same by name. DROVER_ENOTFOUND: no such option. */
int option_set(const struct drover_option *table, void *self, const char *name, struct json_object *value,
	       struct drover_error *err);

/* Is the table sound: names, offsets within `self_size`, bounds and defaults that parse? DROVER_EINVALID. */
int option_check(const struct drover_option *table, size_t self_size, struct drover_error *err);

/*
 * Builds an instance from a slice's "options" object (may be NULL: all defaults), in the process
 * that will use it. Secrets are made known to the log, so that it redacts them. `*self` is owned
 * by the caller: option_free. DROVER_EINVALID names the option.
 */
int slice_options(struct json_object *options, const struct drover_option *table, size_t self_size, void **self,
		  struct drover_error *err);

#endif
