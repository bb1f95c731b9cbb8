/*
 * errors.h - all that is wrong with a configuration, collected so that it can be told at once.
 *
 * A line reads `file:line:column: path: what, and what to do`. Not thread-safe.
 */
#ifndef CONF_ERRORS_H
#define CONF_ERRORS_H

#include <stdarg.h>
#include <stddef.h>

/* Beyond so many, errors are only counted: nobody reads on. */
#define CONF_ERRORS_MAX 200

/*
 * Where something was written. `file` is borrowed from the configuration; a line of 0: `file` is all there
 * is to tell.
 */
struct conf_place {
	const char *file; /* NULL: nowhere */
	int line;         /* from 1 */
	int column;       /* from 1 */
};

struct conf_errors {
	char **lines;              /* owned */
	struct conf_place *places; /* owned; of each line; forgotten by errors_sort */
	size_t count;
	size_t more; /* that were not kept */
};

#define CONF_ERRORS_INIT                                                                                               \
	{                                                                                                              \
		NULL, NULL, 0, 0                                                                                       \
	}

/* `place` and `path` may be NULL. Control characters are shown as `?`, secrets as `***`. */
void __attribute__((format(printf, 4, 5)))
errors_add(struct conf_errors *errors, const struct conf_place *place, const char *path, const char *format, ...);
/* Writes `file:line:column` (or `file`) to `text`; returns `text`. */
char *errors_place(const struct conf_place *place, char *text, size_t size);
/* Into the order of the places: by file as in `files`, line, column; what has no line comes last. */
void errors_sort(struct conf_errors *errors, const char *const *files, size_t count);
void errors_dispose(struct conf_errors *errors);

#endif
