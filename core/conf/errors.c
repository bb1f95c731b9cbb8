/* errors.c - see errors.h. */
#include "conf/errors.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/buf.h"

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
	for (char *c = line.data; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	errors->lines = xrealloc(errors->lines, (errors->count + 1) * sizeof(char *));
	errors->lines[errors->count++] = buf_take(&line);
}

void errors_dispose(struct conf_errors *errors)
{
	for (size_t i = 0; i < errors->count; i++)
		free(errors->lines[i]);
	free(errors->lines);
	*errors = (struct conf_errors)CONF_ERRORS_INIT;
}
