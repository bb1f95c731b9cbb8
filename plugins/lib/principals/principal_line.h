/* principal_line.h - reading one line of a file of principals; for principals.c only. */
#ifndef PRINCIPALS_PRINCIPAL_LINE_H
#define PRINCIPALS_PRINCIPAL_LINE_H

#include "principals/principals.h"

/* NULL, or what is wrong. `principal` is to be disposed of in any case. */
const char *principal_line_read(const struct principals_kind *kind, const char *line, size_t size,
				struct principal *principal);

#endif
