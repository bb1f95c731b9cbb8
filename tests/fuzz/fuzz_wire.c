/* fuzz_wire.c - any bytes as frames of a unit's process, and as records of a spool (libFuzzer). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proc/wire.h"
#include "spool/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_frames(const char *data, size_t size)
{
	struct wire_header header;
	struct wire_reader payload;
	size_t used, bytes;

	while (wire_next(data, size, 1 << 20, &header, &payload, &used) == 1) {
		if (!used || used > size)
			abort();
		wire_get_u32(&payload);
		wire_get_i64(&payload);
		wire_get_string(&payload);
		wire_get_bytes(&payload, &bytes);
		wire_get_end(&payload);
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
