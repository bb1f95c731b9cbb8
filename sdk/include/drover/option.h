/*
 * drover/option.h - a plugin's options as a table of data.
 *
 * The one table gives validation with file:line:column errors, `drover plugin describe`, its JSON
 * Schema, the sample configuration and the reference page. The host allocates a zeroed struct of
 * `self_size` bytes, fills it from the configuration by this table before the plugin's `check`
 * sees it, and frees it and every string in it after `close`. The plugin only reads the fields.
 *
 *	struct greet { char *word; int64_t pause; };
 *	static const struct drover_option options[] = {
 *		DROVER_OPT_STRING(struct greet, word, "hello", "what each host is greeted with"),
 *		DROVER_OPT_DURATION(struct greet, pause, "0s", "0s", "1h", "how long to wait first"),
 *		DROVER_OPT_END
 *	};
 *
 * A default of NULL leaves the field zero (NULL, 0, false, empty). Defaults are written as a user
 * would write them and are parsed and checked when the plugin is loaded.
 */
#ifndef DROVER_OPTION_H
#define DROVER_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum drover_option_type {
	DROVER_TYPE_END = 0,
	DROVER_TYPE_STRING = 1, /* char *                     */
	DROVER_TYPE_INT = 2,    /* int64_t                    */
	DROVER_TYPE_BOOL = 3,   /* bool: true/false, yes/no, on/off */
	DROVER_TYPE_DURATION =
		4,              /* int64_t milliseconds: `90s`, `5m`, `250ms`, `2h`, `30d`; a bare number is seconds */
	DROVER_TYPE_SIZE = 5,   /* int64_t bytes: `64K`, `10M`, `1G` (powers of 1024); a bare number is bytes */
	DROVER_TYPE_CHOICE = 6, /* int: the index in `choices` */
	DROVER_TYPE_LIST = 7,   /* struct drover_list: a YAML sequence of scalars, or one scalar */
	/* struct drover_map: a YAML mapping of scalars; a list in it comes with commas between. Of the keys in `choices`
	   (may be NULL) the values are secrets, written as such. */
	DROVER_TYPE_MAP = 8,
	DROVER_TYPE_SECRET = 9, /* char *; `{file: PATH}`, `{env: NAME}` or `{encrypted: …}`; never shown or logged */
	DROVER_TYPE_NODESET = 10 /* char *: host pattern, checked by the node-set parser */
};

/* NULL-terminated for convenience: items[count] is NULL. Owned by the host. */
struct drover_list {
	char **items;
	size_t count;
};

struct drover_pair {
	char *key;
	char *value;
};

struct drover_map {
	struct drover_pair *pairs;
	size_t count;
};

enum drover_option_flags {
	DROVER_REQUIRED = 1 << 0,   /* absent is an error */
	DROVER_RELOADABLE = 1 << 1, /* may change on SIGHUP without a restart of the process */
	DROVER_HIDDEN = 1 << 2,     /* for tests: left out of samples and reference pages */
	/* May also be written once for several instances, as `connections: {NAME: {PLUGIN: {…}}}`, with `use: NAME`. */
	DROVER_CONNECTION = 1 << 3
};

struct drover_option {
	const char *name; /* lower case, words joined by `_` */
	enum drover_option_type type;
	size_t offset;              /* of the field in the plugin's struct */
	const char *initial;        /* the default as a user would write it, or NULL */
	const char *minimum;        /* INT, DURATION, SIZE: inclusive bounds as a user would write them, or NULL */
	const char *maximum;        /* … */
	const char *const *choices; /* CHOICE: the words; MAP: keys of secrets; ended by NULL */
	const char *help;           /* what it means, one line, lower case, no full stop */
	unsigned flags;             /* enum drover_option_flags */
};

/* The field's offset; does not compile where the field is not of the option's C type. */
#define DROVER_FIELD_(self, field, ctype)                                                                              \
	(offsetof(self, field) +                                                                                       \
	 0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((self *)0)->field), ctype) ? 1 : -1]))

#define DROVER_OPT_(self, field, ctype, kind, ...)                                                                     \
	{                                                                                                              \
		.name = #field, .type = (kind), .offset = DROVER_FIELD_(self, field, ctype), __VA_ARGS__               \
	}

/* A trailing argument may add more: `.flags = DROVER_REQUIRED`. */
#define DROVER_OPT_STRING(self, field, def, text, ...)                                                                 \
	DROVER_OPT_(self, field, char *, DROVER_TYPE_STRING, .initial = (def), .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_SECRET(self, field, text, ...)                                                                      \
	DROVER_OPT_(self, field, char *, DROVER_TYPE_SECRET, .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_NODESET(self, field, def, text, ...)                                                                \
	DROVER_OPT_(self, field, char *, DROVER_TYPE_NODESET, .initial = (def), .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_INT(self, field, def, lo, hi, text, ...)                                                            \
	DROVER_OPT_(self, field, int64_t, DROVER_TYPE_INT, .initial = (def), .minimum = (lo), .maximum = (hi),         \
		    .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_DURATION(self, field, def, lo, hi, text, ...)                                                       \
	DROVER_OPT_(self, field, int64_t, DROVER_TYPE_DURATION, .initial = (def), .minimum = (lo), .maximum = (hi),    \
		    .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_SIZE(self, field, def, lo, hi, text, ...)                                                           \
	DROVER_OPT_(self, field, int64_t, DROVER_TYPE_SIZE, .initial = (def), .minimum = (lo), .maximum = (hi),        \
		    .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_BOOL(self, field, def, text, ...)                                                                   \
	DROVER_OPT_(self, field, bool, DROVER_TYPE_BOOL, .initial = (def), .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_CHOICE(self, field, words, def, text, ...)                                                          \
	DROVER_OPT_(self, field, int, DROVER_TYPE_CHOICE, .choices = (words), .initial = (def), .help = (text),        \
		    ##__VA_ARGS__)
#define DROVER_OPT_LIST(self, field, text, ...)                                                                        \
	DROVER_OPT_(self, field, struct drover_list, DROVER_TYPE_LIST, .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_MAP(self, field, text, ...)                                                                         \
	DROVER_OPT_(self, field, struct drover_map, DROVER_TYPE_MAP, .help = (text), ##__VA_ARGS__)
#define DROVER_OPT_END                                                                                                 \
	{                                                                                                              \
		.name = NULL, .type = DROVER_TYPE_END                                                                  \
	}

#endif
