/*
 * fake_host.h - a plugin's host for tests and benchmarks: loads NAME.so, checks what a host must check
 * before it trusts a module, and makes instances with options by name.
 *
 * Whatever is wrong is said on standard error and ends the program: a test has no use for less.
 */
#ifndef TESTS_SDK_FAKE_HOST_H
#define TESTS_SDK_FAKE_HOST_H

#include <drover/plugin.h>

/*
 * Loads NAME.so from the folder $DROVER_PLUGIN_PATH or, without it, from `plugins` in the build folder
 * that the running program is in. Never unloaded; borrowed. Log lines of warnings and errors go to
 * standard error.
 */
const struct drover_module *fake_host_load(const char *name);

/*
 * An instance: zeroed, its defaults set, then `options`, pairs of name and value as a user would write
 * them, ended by NULL (or NULL for none); `check` has been called. Strings, secrets, whole numbers, booleans, choices,
 * durations and sizes; each value of a list by a pair of its own, a mapping's as `key=value`. Freed by fake_host_free, after the
 * plugin's own `close`.
 */
void *fake_host_new(const struct drover_plugin_info *info, const char *const *options);
void fake_host_free(const struct drover_plugin_info *info, void *self);

/* Lines that plugins have logged as warnings or errors so far. */
int fake_host_complaints(void);

#endif
