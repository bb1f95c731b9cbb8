/*
 * unit_log.h - the log and the formatted texts of plugins in an executor host and its unit processes.
 *
 * A unit process does not write to the daemon's log: its lines go by its standard error to the
 * executor host, which bounds them. `<N>` at a line's begin is its level, as in sd-daemon(3).
 */
#ifndef PROC_UNIT_LOG_H
#define PROC_UNIT_LOG_H

#include <stdarg.h>

#include <drover/plugin.h>

/* From now on this process is a unit process. */
void unit_log_begin(void);
/* Any thread. */
void unit_log(enum drover_log_level level, const char *format, va_list args);

/* Text that lives until the next release. */
const char *unit_format(const char *format, va_list args);
void unit_format_release(void);

#endif
