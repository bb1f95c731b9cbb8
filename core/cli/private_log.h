/* private_log.h - what a private daemon's log says of its start. */
#ifndef CLI_PRIVATE_LOG_H
#define CLI_PRIVATE_LOG_H

#include <stddef.h>

/* Bytes; 0 where there is none. */
long private_log_size(const char *path);
/*
 * How often the core has said behind the byte `from` that it cannot start. `*reason` becomes the last time's "cannot …",
 * owned by the caller, who may have got one before.
 */
size_t private_log_core_failures(const char *path, long from, char **reason);
/* The last lines, to stderr. */
void private_log_show(const char *path);

#endif
