/* marker.c - see marker.h. */
#include "proc/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc/subreaper.h"

void marker_set_unit(uint64_t handle)
{
	char *place = getenv(MARKER_UNIT);
	char text[sizeof(MARKER_NO_UNIT)];

	if (!place || strlen(place) != strlen(MARKER_NO_UNIT))
		return;
	snprintf(text, sizeof(text), "%016" PRIx64, handle);
	memcpy(place, text, strlen(text));
}

bool marker_get_unit(pid_t pid, uint64_t *handle)
{
	char text[32], *end;

	if (!subreaper_variable(pid, MARKER_UNIT, text, sizeof(text)) || !strcmp(text, MARKER_NO_UNIT))
		return false;
	*handle = strtoull(text, &end, 16);
	return end != text && !*end;
}
