/* log.c - see log.h. */
#include "util/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"

static struct {
	char who[64];
	struct log_options options;
	bool journal;
	pthread_mutex_t lock; /* of the secrets */
	char **secrets;
	size_t count;
} log_state = { .who = "drover", .options = { LOG_LEVEL_INFO, false }, .lock = PTHREAD_MUTEX_INITIALIZER };

void log_open(const char *who, const struct log_options *options)
{
	snprintf(log_state.who, sizeof(log_state.who), "%s", who);
	if (options)
		log_state.options = *options;
	log_state.journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_secret(const char *secret)
{
	if (!secret || strlen(secret) < 4)
		return;
	pthread_mutex_lock(&log_state.lock);
	log_state.secrets = xrealloc(log_state.secrets, (log_state.count + 1) * sizeof(char *));
	log_state.secrets[log_state.count++] = xstrdup(secret);
	pthread_mutex_unlock(&log_state.lock);
}

void log_redact(char *text)
{
	pthread_mutex_lock(&log_state.lock);
	for (size_t i = 0; i < log_state.count; i++) {
		size_t size = strlen(log_state.secrets[i]);
		char *at = text;

		while ((at = strstr(at, log_state.secrets[i]))) {
			memcpy(at, "***", 3);
			memmove(at + 3, at + size, strlen(at + size) + 1);
			at += 3;
		}
	}
	pthread_mutex_unlock(&log_state.lock);
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

static void append_json_string(struct buf *line, const char *text)
{
	buf_char(line, '"');
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			buf_printf(line, "\\%c", *p);
		else if (*p < 0x20)
			buf_printf(line, "\\u%04x", *p);
		else
			buf_char(line, (char)*p);
	}
	buf_char(line, '"');
}

/* Control characters would let a host's output forge lines or move a terminal's cursor. */
static void append_plain(struct buf *line, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			buf_printf(line, "\\x%02x", *p);
		else
			buf_char(line, (char)*p);
	}
}

void log_vwrite(enum log_level level, const char *format, va_list args)
{
	struct buf text = BUF_INIT, line = BUF_INIT;
	char time[32];
	ssize_t ignored;

	if (level > log_state.options.level)
		return;
	buf_vprintf(&text, format, args);
	log_redact(text.data);
	clock_format(clock_utc_ms(), time, sizeof(time));
	if (log_state.options.json) {
		buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"part\":", time, level_name(level));
		append_json_string(&line, log_state.who);
		buf_string(&line, ",\"message\":");
		append_json_string(&line, text.data);
		buf_string(&line, "}\n");
	} else {
		if (log_state.journal)
			buf_printf(&line, "<%d>", (int)level);
		else
			buf_printf(&line, "%s %-7s ", time, level_name(level));
		buf_printf(&line, "%s: ", log_state.who);
		append_plain(&line, text.data);
		buf_char(&line, '\n');
	}
	ignored = write(STDERR_FILENO, line.data, line.size);
	(void)ignored;
	buf_dispose(&text);
	buf_dispose(&line);
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_vwrite(level, format, args);
	va_end(args);
}
