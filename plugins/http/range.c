/* range.c - see range.h. */
#include "range.h"

#include <string.h>
#include <strings.h>

/* Digits; a number that is too large stays the largest there is. */
static bool read_number(const char **text, int64_t *value)
{
	const char *at = *text;

	*value = 0;
	for (; *at >= '0' && *at <= '9'; at++)
		*value = *value > (INT64_MAX - 9) / 10 ? INT64_MAX : *value * 10 + (*at - '0');
	if (at == *text)
		return false;
	*text = at;
	return true;
}

static enum range_kind read_suffix(const char *text, int64_t size, int64_t *first, int64_t *last)
{
	int64_t count;

	if (!read_number(&text, &count) || *text)
		return RANGE_ALL;
	if (!count || !size)
		return RANGE_OUTSIDE;
	*first = count < size ? size - count : 0;
	*last = size - 1;
	return RANGE_PART;
}

enum range_kind range_read(const char *text, int64_t size, int64_t *first, int64_t *last)
{
	int64_t from, to = INT64_MAX;

	if (!text || strncasecmp(text, "bytes=", 6))
		return RANGE_ALL;
	text += 6;
	if (*text == '-')
		return read_suffix(text + 1, size, first, last);
	if (!read_number(&text, &from) || *text++ != '-')
		return RANGE_ALL;
	if (*text && (!read_number(&text, &to) || *text || to < from))
		return RANGE_ALL;
	if (from >= size)
		return RANGE_OUTSIDE;
	*first = from;
	*last = to < size ? to : size - 1;
	return RANGE_PART;
}

bool range_allowed(const char *if_range, const char *etag)
{
	return !if_range || !strcmp(if_range, etag);
}

bool range_none_match(const char *list, const char *etag)
{
	size_t size = strlen(etag);

	if (!list)
		return false;
	if (!strcmp(list, "*"))
		return true;
	while (*list) {
		size_t length;

		list += strspn(list, ", \t");
		if (!strncmp(list, "W/", 2))
			list += 2;
		if (*list != '"')
			return false; /* no list of entity tags */
		length = strcspn(list + 1, "\"") + 2;
		if (length == size && !memcmp(list, etag, size))
			return true;
		if (length > strlen(list))
			return false;
		list += length;
		list += strspn(list, " \t");
		if (*list && *list != ',')
			return false;
	}
	return false;
}
