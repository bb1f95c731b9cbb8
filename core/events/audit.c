/* audit.c - see audit.h. */
#include "events/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "events/event_json.h"
#include "spool/event.h"
#include "spool/spool.h"
#include "util/buf.h"

void audit_init(struct audit *audit)
{
	*audit = (struct audit){ .spools = NULL };
	pthread_mutex_init(&audit->lock, NULL);
	pthread_cond_init(&audit->changed, NULL);
}

void audit_dispose(struct audit *audit)
{
	free(audit->spools);
	pthread_cond_destroy(&audit->changed);
	pthread_mutex_destroy(&audit->lock);
}

void audit_add(struct audit *audit, struct spool_writer *spool)
{
	audit->spools = xrealloc(audit->spools, (audit->count + 1) * sizeof(struct spool_writer *));
	audit->spools[audit->count++] = spool;
	if (spool_last_seq(spool) > audit->seq)
		audit->seq = audit->synced = spool_last_seq(spool);
}

static int64_t next_seq(const struct audit *audit)
{
	struct timespec now;
	int64_t micros;

	clock_gettime(CLOCK_REALTIME, &now);
	micros = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	return micros > audit->seq ? micros : audit->seq + 1;
}

/* Under the lock: the same line, with the same number, to all of them. */
static int append(struct audit *audit, const struct drover_audit *line, const char *node, struct drover_error *err)
{
	struct buf json = BUF_INIT, record = BUF_INIT;
	struct drover_event event = { .size = sizeof(event), .kind = DROVER_EVENT_AUDIT };
	int code = 0;

	event.seq = audit->seq = next_seq(audit);
	event.task = line->task ? line->task : "";
	event_json_audit(line, event.seq, node, &json);
	event.json = json.data;
	event.json_size = json.size;
	event_encode(&event, &record);
	for (size_t i = 0; i < audit->count && !code; i++) {
		code = spool_append(audit->spools[i], event.seq, record.data, record.size, err);
		if (!code)
			code = spool_flush(audit->spools[i], err);
	}
	buf_dispose(&json);
	buf_dispose(&record);
	return code;
}

/* Under the lock, which is given up meanwhile: waits for the disk with all that has been appended so far. */
static void sync_all(struct audit *audit)
{
	int64_t target = audit->seq;
	int *files = xcalloc(audit->count, sizeof(*files));
	bool bad = false;

	audit->syncing = true;
	for (size_t i = 0; i < audit->count; i++)
		files[i] = spool_file(audit->spools[i]);
	pthread_mutex_unlock(&audit->lock);
	for (size_t i = 0; i < audit->count; i++) {
		bad |= files[i] < 0 || fdatasync(files[i]);
		if (files[i] >= 0)
			close(files[i]);
	}
	free(files);
	pthread_mutex_lock(&audit->lock);
	audit->syncing = false;
	if (bad)
		audit->failed = target;
	else
		audit->synced = target;
	pthread_cond_broadcast(&audit->changed);
}

int audit_write(struct audit *audit, const struct drover_audit *line, const char *node, struct drover_error *err)
{
	struct drover_error why = { 0 };
	int64_t seq;
	int code;

	if (!audit->count)
		return 0;
	pthread_mutex_lock(&audit->lock);
	code = append(audit, line, node, &why);
	seq = audit->seq;
	while (!code && audit->synced < seq && audit->failed < seq)
		if (audit->syncing)
			pthread_cond_wait(&audit->changed, &audit->lock);
		else
			sync_all(audit);
	if (!code && audit->synced < seq)
		code = drover_error_set(&why, DROVER_EFAULT, "the disk did not take it");
	pthread_mutex_unlock(&audit->lock);
	return code ? drover_error_set(err, DROVER_ERETRY, "the audit log cannot be written: %s", why.message) : 0;
}
