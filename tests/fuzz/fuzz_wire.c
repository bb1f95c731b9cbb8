/* fuzz_wire.c - any bytes as frames of a unit's process, and as records of a spool (libFuzzer). */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proc/messages.h"
#include "proc/wire.h"
#include "spool/event.h"

#define LIMIT (1 << 20)

/* Every byte and every string that was given lies within the frame: a copy of it has exactly its size. */
static size_t touch(const void *data, size_t size)
{
	size_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += ((const unsigned char *)data)[i];
	return sum;
}

static size_t touch_text(const char *text)
{
	return text ? touch(text, strlen(text)) : 0;
}

static bool read_unit(struct wire_reader *r)
{
	struct exec_unit unit;
	struct drover_target *targets;
	int64_t *indexes;
	bool good = message_get_unit(r, &unit);

	if (!good || unit.info.count > LIMIT)
		return false;
	targets = calloc(unit.info.count + 1, sizeof(*targets));
	indexes = calloc(unit.info.count + 1, sizeof(*indexes));
	good = message_get_targets(r, unit.info.count, targets, indexes);
	for (size_t i = 0; good && i < unit.info.count; i++) {
		touch_text(targets[i].name);
		touch_text(targets[i].vars);
		if (!targets[i].name || targets[i].port < 0 || targets[i].port > 65535)
			abort();
	}
	if (good && (!unit.info.task || !unit.info.type || unit.begun > unit.info.count))
		abort();
	free(targets);
	free(indexes);
	return good;
}

static bool read_result(struct wire_reader *r)
{
	struct drover_report report;
	enum drover_status status;
	size_t position;

	if (!message_get_result(r, &position, &status, &report))
		return false;
	touch(report.out, report.out_size);
	touch(report.err, report.err_size);
	touch_text(report.message);
	touch_text(report.result);
	if ((int)status < 0 || status >= DROVER_STATUS_COUNT || (int)report.phase < 0 ||
	    report.phase >= DROVER_PHASE_COUNT)
		abort();
	return true;
}

static bool read_message(const struct wire_header *header, struct wire_reader *r)
{
	struct exec_ended ended;
	struct exec_output output;

	switch (header->type) {
	case WIRE_EXECUTE:
		return read_unit(r);
	case WIRE_RESULT:
		return read_result(r);
	case WIRE_ENDED:
		if (!message_get_ended(r, &ended))
			return false;
		touch_text(ended.message);
		touch_text(ended.tail);
		return true;
	case WIRE_OUTPUT:
		if (!message_get_output(r, &output))
			return false;
		touch(output.data, output.size);
		return true;
	default:
		wire_get_u32(r);
		wire_get_i64(r);
		touch_text(wire_get_string(r));
		return wire_get_end(r);
	}
}

static void read_frames(const char *data, size_t size)
{
	struct wire_header header;
	struct wire_reader payload;
	size_t used;

	while (wire_next(data, size, LIMIT, &header, &payload, &used) == 1) {
		if (!used || used > size)
			abort();
		fuzz_accepted += read_message(&header, &payload);
		data += used;
		size -= used;
	}
}

/* What is taken for an event lies within the record. */
static void read_event(const char *data, size_t size)
{
	struct drover_event event;

	if (event_decode(data, size, &event))
		return;
	if (event.json < data || event.json + event.json_size >= data + size || !memchr(event.task, '\0', size))
		abort();
	if (event.host && (event.host < data || event.host >= data + size))
		abort();
	fuzz_accepted++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly that size, so that reading beyond it is seen. */
	char *copy = malloc(size ? size : 1);

	if (size)
		memcpy(copy, data, size);
	read_frames(copy, size);
	read_event(copy, size);
	free(copy);
	return 0;
}
