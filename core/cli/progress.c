/* progress.c - see progress.h. */
#include "cli/progress.h"

#include <inttypes.h>
#include <string.h>

#include <drover/status.h>

#include "cli/field.h"
#include "cli/term.h"
#include "util/buf.h"
#include "util/clock.h"

#define LINE_EVERY_MS 10000
#define BAR_WIDTH 20
#define STALLED_MS 2000   /* without a change for so long, a rate says nothing any more */
#define RATE_AFTER_MS 500 /* … nor does one taken over less than this */

void progress_begin(struct progress *progress, const struct cli *cli)
{
	*progress = (struct progress){ .cli = cli, .start = clock_boot_ms(), .first_done = -1 };
}

int64_t progress_done(struct json_object *task)
{
	struct json_object *counts = field(task, "counts");
	int64_t done = 0;

	for (int i = DROVER_OK; i < DROVER_STATUS_COUNT; i++)
		done += field_int(counts, drover_status_name(i), 0);
	return done;
}

static void bar(struct buf *line, int64_t done, int64_t total)
{
	int64_t full = total > 0 ? done * BAR_WIDTH / total : 0;

	buf_char(line, '[');
	for (int64_t i = 0; i < BAR_WIDTH; i++)
		buf_char(line, i < full ? '=' : i == full && full ? '>' : ' ');
	buf_string(line, "] ");
}

static void remaining(struct buf *line, int64_t seconds)
{
	if (seconds < 100)
		buf_printf(line, "  eta %" PRId64 " s", seconds);
	else if (seconds < 6000)
		buf_printf(line, "  eta %" PRId64 " min", (seconds + 30) / 60);
	else
		buf_printf(line, "  eta %" PRId64 " h", (seconds + 1800) / 3600);
}

/*
 * One line without its end, at most `columns` wide (0: any): `[=====>    ] 2613/3000  ok 2600 …  eta 12 s`. When
 * nothing has changed for a while a rate says nothing: `3 left` then.
 */
static void make_line(const struct progress *progress, struct buf *line, struct json_object *task, int64_t now,
		      int columns)
{
	struct json_object *counts = field(task, "counts");
	int64_t done = progress_done(task), total = field_int(task, "hosts_total", 0), elapsed = now - progress->start;
	const char *state = field_word(task, "state");

	bar(line, done, total);
	buf_printf(line, "%" PRId64 "/%" PRId64, done, total);
	if (*state && strcmp(state, "running") && strcmp(state, "done"))
		buf_printf(line, "  %s", state);
	if (field_int(field(task, "waves"), "total", 0) > 1)
		buf_printf(line, "  wave %" PRId64 "/%" PRId64, field_int(field(task, "waves"), "open", 0),
			   field_int(field(task, "waves"), "total", 0));
	if (*field_word(task, "waiting_for_task"))
		buf_printf(line, "  behind task %s", field_word(task, "waiting_for_task"));
	if (*field_word(task, "waiting"))
		buf_printf(line, "  %s", field_word(task, "waiting"));
	for (int i = DROVER_OK; i < DROVER_STATUS_COUNT; i++) {
		int64_t count = field_int(counts, drover_status_name(i), 0);

		if (count)
			buf_printf(line, " %s%s %" PRId64, i == DROVER_OK ? " " : "", drover_status_name(i), count);
	}
	if (done < total && now - progress->changed > STALLED_MS)
		buf_printf(line, "  %" PRId64 " left", total - done);
	else if (done > progress->first_done && done < total && elapsed > RATE_AFTER_MS)
		remaining(line, ((total - done) * elapsed / (done - progress->first_done) + 999) / 1000);
	if (columns > 0 && line->size >= (size_t)columns) {
		line->size = (size_t)columns - 1;
		line->data[line->size] = '\0';
	}
}

void progress_show(struct progress *progress, struct json_object *task)
{
	struct buf line = BUF_INIT;
	int64_t now = clock_boot_ms(), done = progress_done(task);
	int64_t since = now - (progress->shown ? progress->shown : progress->start);
	bool terminal = progress->cli->stderr_terminal;

	if (progress->first_done < 0)
		progress->first_done = done;
	if (done > progress->last_done || !progress->changed)
		progress->changed = now;
	progress->last_done = done;
	if (!terminal && (!progress->cli->verbose || since < LINE_EVERY_MS))
		return;
	make_line(progress, &line, task, now, terminal ? term_columns() : 0);
	fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", line.data);
	fflush(stderr);
	progress->shown = now;
	progress->drawn = terminal;
	buf_dispose(&line);
}

void progress_clear(struct progress *progress)
{
	if (!progress->drawn)
		return;
	fputs("\r\033[K", stderr);
	fflush(stderr);
	progress->drawn = false;
}
