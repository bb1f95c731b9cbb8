/* errors.c - see errors.h. */
#include "conf/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/log.h"

char *errors_place(const struct conf_place *place, char *text, size_t size)
{
	if (place->line)
		snprintf(text, size, "%s:%d:%d", place->file, place->line, place->column);
	else
		snprintf(text, size, "%s", place->file);
	return text;
}

void errors_add(struct conf_errors *errors, const struct conf_place *place, const char *path, const char *format, ...)
{
	struct buf line = BUF_INIT;
	va_list args;

	if (errors->count == CONF_ERRORS_MAX) {
		errors->more++;
		return;
	}
	if (place && place->file && place->line)
		buf_printf(&line, "%s:%d:%d: ", place->file, place->line, place->column);
	else if (place && place->file)
		buf_printf(&line, "%s: ", place->file);
	if (path && *path)
		buf_printf(&line, "%s: ", path);
	va_start(args, format);
	buf_vprintf(&line, format, args);
	va_end(args);
	log_redact(line.data);
	for (char *c = line.data; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	/* What several instances share is wrong for each of them. */
	for (size_t i = 0; i < errors->count; i++)
		if (!strcmp(errors->lines[i], line.data)) {
			buf_dispose(&line);
			return;
		}
	errors->lines = xrealloc(errors->lines, (errors->count + 1) * sizeof(char *));
	errors->places = xrealloc(errors->places, (errors->count + 1) * sizeof(*errors->places));
	errors->places[errors->count] = place ? *place : (struct conf_place){ NULL, 0, 0 };
	errors->lines[errors->count++] = buf_take(&line);
}

/* A line and what it is sorted by. */
struct ranked {
	char *text;
	size_t file;
	struct conf_place place;
	size_t added;
};

static int by_place(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return x->added < y->added ? -1 : 1;
}

void errors_sort(struct conf_errors *errors, const char *const *files, size_t count)
{
	struct ranked *all = xcalloc(errors->count + 1, sizeof(*all));

	for (size_t i = 0; i < errors->count; i++) {
		struct ranked *r = &all[i];

		*r = (struct ranked){ errors->lines[i], count, errors->places[i], i };
		for (size_t f = 0; f < count && r->file == count; f++)
			if (r->place.line && !strcmp(r->place.file, files[f]))
				r->file = f;
	}
	qsort(all, errors->count, sizeof(*all), by_place);
	for (size_t i = 0; i < errors->count; i++) {
		errors->lines[i] = all[i].text;
		/* It refers to a file's name, which ends with the configuration. */
		errors->places[i] = (struct conf_place){ NULL, 0, 0 };
	}
	free(all);
}

void errors_dispose(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->lines[i]);
	free(errors->lines);
	free(errors->places);
	*errors = (struct conf_errors)CONF_ERRORS_INIT;
}
