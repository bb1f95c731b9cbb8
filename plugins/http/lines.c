/* lines.c - see lines.h. */
#include "lines.h"

#include <stdint.h>
#include <string.h>

/* `end` is the NUL behind a text of the buffer: another one, of the LF, must follow it. */
static bool ends_with_crlf(const char *end)
{
	return !end[0] && !end[1];
}

bool lines_take_version(struct lines *lines, const char *version)
{
	lines->next = NULL;
	return LINES_BY_LIBRARY || ends_with_crlf(version + strlen(version));
}

bool lines_take(struct lines *lines, const char *name, size_t name_size, const char *value, size_t value_size)
{
	const char *at = name + name_size + 1; /* behind the colon */

	if (LINES_BY_LIBRARY)
		return true;
	if (!value || (lines->next && lines->next != name))
		return false;
	/* As numbers: a value that was put together from several lines lies elsewhere. */
	if ((uintptr_t)value < (uintptr_t)at || (uintptr_t)value - (uintptr_t)at > strspn(at, " \t"))
		return false;
	lines->next = value + value_size + 2;
	return ends_with_crlf(value + value_size);
}
