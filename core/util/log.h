/*
 * log.h - the daemon's log: one line an event, on standard error, as text or as JSON lines.
 *
 * Text on a terminal or in the journal carries its level as `<6>` only where the journal reads it.
 * Any thread; a line is one write(2). Registered secrets never appear: they are replaced by `***`.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdarg.h>
#include <stdbool.h>

/* As syslog(3) numbers them; the same as enum drover_log_level. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

struct log_options {
	enum log_level level; /* lines above it are dropped */
	bool json;
};

/* `who` names the process in each line ("core", "executor: shell"); copied. Before any thread starts. */
void log_open(const char *who, const struct log_options *options);
/* A string to be replaced wherever it would appear; copied; those shorter than 4 bytes are ignored. */
void log_secret(const char *secret);
void __attribute__((format(printf, 2, 3))) log_write(enum log_level level, const char *format, ...);
void log_vwrite(enum log_level level, const char *format, va_list args);
/* Replaces registered secrets in `text` in place by `***` (and shortens it). */
void log_redact(char *text);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
