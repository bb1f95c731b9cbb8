/*
 * helper.h - the process that the units of an executor share (`helper` in drover/executor.h): started,
 * started again when it ends, and ended with the executor host.
 */
#ifndef PROC_HELPER_H
#define PROC_HELPER_H

#include <stdbool.h>
#include <sys/types.h>

struct drover_error;
struct executor_host;
struct helper;

/* Starts the plugin's helper; *helper is NULL where it has none. The host's own, to be freed. */
int helper_new(struct executor_host *host, struct helper **helper, struct drover_error *err);
/* Kills it and what it has started, and waits until that is gone. NULL is fine. */
void helper_free(struct helper *helper);
/* True: that was the helper's process; it will be started again. */
bool helper_reaped(struct helper *helper, pid_t pid, int status);
/* Is that the helper's process? */
bool helper_is(const struct helper *helper, pid_t pid);

#endif
