/* unit_log.c - see unit_log.h. */
#define _GNU_SOURCE
#include "proc/unit_log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/log.h"

/* The plugin's calls carry no unit, so this is the process's. */
static struct {
	bool in_unit;
	pthread_mutex_t lock;
	char **texts;
	size_t count, room;
} unit_log_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

void unit_log_begin(void)
{
	unit_log_state.in_unit = true;
}

void unit_log(enum drover_log_level level, const char *format, va_list args)
{
	struct buf line = BUF_INIT;
	ssize_t ignored;

	if (!unit_log_state.in_unit) {
		log_vwrite((enum log_level)level, format, args);
		return;
	}
	buf_printf(&line, "<%d>", (int)level & 7);
	buf_vprintf(&line, format, args);
	for (char *p = line.data; *p; p++)
		if (*p == '\n')
			*p = ' '; /* one line, whatever its text says */
	buf_char(&line, '\n');
	ignored = write(STDERR_FILENO, line.data, line.size);
	(void)ignored;
	buf_dispose(&line);
}

const char *unit_format(const char *format, va_list args)
{
	struct buf text = BUF_INIT;
	char *made;

	buf_append(&text, "", 0);
	buf_vprintf(&text, format, args);
	made = buf_take(&text);
	pthread_mutex_lock(&unit_log_state.lock);
	if (unit_log_state.count == unit_log_state.room) {
		unit_log_state.room = unit_log_state.room ? unit_log_state.room * 2 : 8;
		unit_log_state.texts = xrealloc(unit_log_state.texts, unit_log_state.room * sizeof(char *));
	}
	unit_log_state.texts[unit_log_state.count++] = made;
	pthread_mutex_unlock(&unit_log_state.lock);
	return made;
}

void unit_format_release(void)
{
	pthread_mutex_lock(&unit_log_state.lock);
	for (size_t i = 0; i < unit_log_state.count; i++)
		free(unit_log_state.texts[i]);
	unit_log_state.count = 0;
	pthread_mutex_unlock(&unit_log_state.lock);
}
