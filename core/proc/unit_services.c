/* unit_services.c - see unit_services.h. Everything here runs in the unit process, in the thread of `run`. */
#define _GNU_SOURCE
#include "proc/unit_services.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <drover/crash_point.h>

#include "proc/messages.h"
#include "proc/unit_grants.h"
#include "proc/unit_log.h"
#include "proc/unit_names.h"

/* While corked, so much waits. */
#define CORK_SIZE (64u << 10)
#define MESSAGE_SIZE 4096
#define WORD_SIZE 256
/* A result that is larger is left out: half a JSON value would be none. */
#define RESULT_SIZE (1u << 20)

void unit_flush(struct drover_unit *unit)
{
	size_t sent = 0;

	while (sent < unit->out.size) {
		ssize_t n = send(unit->socket, unit->out.data + sent, unit->out.size - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			_exit(1); /* nobody will ever hear of this unit */
		sent += (size_t)n;
	}
	if (unit->out.room > CORK_SIZE * 4)
		buf_dispose(&unit->out);
	unit->out.size = 0;
}

static void flush_if_due(struct drover_unit *unit)
{
	if (!unit->corked || unit->out.size >= CORK_SIZE)
		unit_flush(unit);
}

static void __attribute__((format(printf, 2, 3))) note(struct drover_unit *unit, const char *format, ...)
{
	struct buf text = BUF_INIT;
	size_t place;
	va_list args;

	va_start(args, format);
	buf_vprintf(&text, format, args);
	va_end(args);
	place = wire_begin(&unit->out, WIRE_NOTE, 0);
	wire_put_string(&unit->out, text.data);
	wire_finish(&unit->out, place);
	buf_dispose(&text);
	unit_flush(unit);
}

static const void *get_self(const struct drover_unit *unit)
{
	return unit->self;
}

static const struct drover_unit_info *get_info(const struct drover_unit *unit)
{
	return &unit->unit->info;
}

static const struct drover_credential *get_credential(const struct drover_unit *unit)
{
	return unit->credential;
}

/* The first half and the last half of `limit` bytes. Returns what is to be sent, in `kept` where it was cut. */
static const void *cut(const void *data, size_t *size, uint64_t *total, size_t limit, struct buf *kept)
{
	const char *bytes = data;
	size_t head = limit / 2;

	if (data && !*size)
		*size = strlen(bytes);
	if (!data)
		*size = 0;
	if (*total < *size)
		*total = *size;
	if (*size <= limit)
		return data;
	buf_append(kept, bytes, head);
	buf_append(kept, bytes + *size - (limit - head), limit - head);
	*size = limit;
	return kept->data;
}

/* At most `limit` bytes, not ending within a character of UTF-8. */
static const char *cut_text(const char *text, size_t limit, char *kept)
{
	size_t size = text ? strnlen(text, limit) : 0;

	if (!text || size < limit)
		return text;
	size = limit - 1;
	while (size > limit - 4 && ((unsigned char)text[size] & 0xc0) == 0x80)
		size--;
	memcpy(kept, text, size);
	kept[size] = '\0';
	return kept;
}

static void put_report(struct drover_unit *unit, size_t position, enum drover_status status, struct drover_report *r)
{
	struct buf out = BUF_INIT, err = BUF_INIT;
	char message[MESSAGE_SIZE], signal[WORD_SIZE], via[WORD_SIZE], waiting[WORD_SIZE];
	size_t limit = (size_t)unit->unit->info.output_limit, place;

	r->out = cut(r->out, &r->out_size, &r->out_total, limit, &out);
	r->err = cut(r->err, &r->err_size, &r->err_total, limit, &err);
	r->message = cut_text(r->message, sizeof(message), message);
	r->signal = cut_text(r->signal, sizeof(signal), signal);
	r->via = cut_text(r->via, sizeof(via), via);
	r->waiting_for = cut_text(r->waiting_for, sizeof(waiting), waiting);
	if (r->result && strnlen(r->result, RESULT_SIZE) == RESULT_SIZE)
		r->result = NULL;
	if ((unsigned)r->changed > DROVER_CHANGED_YES)
		r->changed = DROVER_CHANGED_UNKNOWN;
	if ((unsigned)r->phase >= DROVER_PHASE_COUNT)
		r->phase = DROVER_PHASE_NONE;
	if ((unsigned)r->remote >= DROVER_REMOTE_COUNT)
		r->remote = DROVER_REMOTE_UNKNOWN;
	CRASH_POINT("result.report");
	place = wire_begin(&unit->out, WIRE_RESULT, 0);
	message_put_result(&unit->out, position, status, r);
	wire_finish(&unit->out, place);
	buf_dispose(&out);
	buf_dispose(&err);
}

static int report(struct drover_unit *unit, const char *host, enum drover_status status,
		  const struct drover_report *given, size_t given_size)
{
	struct drover_report r = { .out = NULL };
	ssize_t position = host ? unit_names_find(unit, host) : -1;
	int rc = 0;

	memcpy(&r, given, given_size < sizeof(r) ? given_size : sizeof(r));
	if (position < 0) {
		note(unit, "reported %.255s, which is not in this unit", host ? host : "no host");
		rc = DROVER_ENOTFOUND;
	} else if (unit->marks[position] & UNIT_REPORTED) {
		note(unit, "reported %s twice; the first report stands", host);
		rc = DROVER_ECONFLICT;
	} else if (!drover_status_is_final(status) && status != DROVER_RUNNING) {
		note(unit, "reported %s with %d, which is no final status", host, (int)status);
		rc = DROVER_EINVALID;
	} else {
		if (status != DROVER_RUNNING)
			unit->marks[position] |= UNIT_REPORTED;
		put_report(unit, (size_t)position, status, &r);
		flush_if_due(unit);
	}
	unit_format_release();
	return rc;
}

static void cork(struct drover_unit *unit, bool corked)
{
	unit->corked = corked;
	flush_if_due(unit);
}

const struct drover_executor_services unit_services = {
	.size = sizeof(unit_services),
	.self = get_self,
	.info = get_info,
	.begin = grants_begin,
	.next = grants_next,
	.report = report,
	.cork = cork,
	.stop_fd = grants_stop_fd,
	.stopping = grants_stopping,
	.format = unit_format,
	.watched = live_watched,
	.output = live_output,
	.want = grants_want,
	.grant = grants_of,
	.event_fd = grants_event_fd,
	.mark = unit_mark,
	.adopt = unit_adopt,
	.credential = get_credential,
};

const struct drover_host unit_host = {
	.size = sizeof(unit_host),
	.abi_minor = DROVER_ABI_MINOR,
	.version = DROVER_VERSION,
	.log = unit_log,
	.executor = &unit_services,
};
