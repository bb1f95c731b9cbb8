/* unit_names.h - finds a host of a unit by its name, in constant time for units of any size. */
#ifndef PROC_UNIT_NAMES_H
#define PROC_UNIT_NAMES_H

#include <sys/types.h>

struct drover_unit;

/* The host's position, or -1. The table is made at the first call. */
ssize_t unit_names_find(struct drover_unit *unit, const char *name);

#endif
