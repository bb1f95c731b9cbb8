/*
 * wipe.h - JSON that holds secrets, overwritten before its memory is given back.
 *
 * Only strings are overwritten, in place: what json-c copied elsewhere while it parsed or printed is
 * not reached. That is why the daemon's processes write no core dumps either (proc/nodump.h).
 */
#ifndef CONF_WIPE_H
#define CONF_WIPE_H

struct json_object;

/* As json_object_put by the last holder of all its parts; every string in it is overwritten first. NULL is allowed. */
void wipe_put(struct json_object *json);

#endif
