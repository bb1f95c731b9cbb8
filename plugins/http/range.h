/*
 * range.h - parts of a representation and its validators: RFC 9110, 13 and 14. No memory, no request.
 */
#ifndef RANGE_H
#define RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range_kind {
	RANGE_ALL = 0, /* no range, or one that is to be ignored: the whole is sent */
	RANGE_PART,
	RANGE_OUTSIDE /* 416 */
};

/*
 * One range of bytes of `size`, as the header Range has it (NULL: none). `first` and `last` are set for
 * RANGE_PART. Several ranges at once, other units and what is malformed are ignored, as the RFC wants it.
 */
enum range_kind range_read(const char *text, int64_t size, int64_t *first, int64_t *last);

/* Whether If-Range (NULL: none) lets a Range be used: a strong comparison; dates never match. */
bool range_allowed(const char *if_range, const char *etag);

/* Whether If-None-Match (NULL: none) names it: a weak comparison. */
bool range_none_match(const char *list, const char *etag);

#endif
