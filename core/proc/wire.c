/* wire.c - see wire.h. */
#include "proc/wire.h"

#include <string.h>

#define STRING_NULL UINT32_MAX

size_t wire_begin(struct buf *b, enum wire_type type, uint64_t unit)
{
	struct wire_header header = { 0, (uint32_t)type, unit };
	size_t place = b->size;

	buf_append(b, &header, sizeof(header));
	return place;
}

void wire_finish(struct buf *b, size_t place)
{
	uint32_t length = (uint32_t)(b->size - place - sizeof(struct wire_header));

	memcpy(b->data + place, &length, sizeof(length));
}

void wire_put_u32(struct buf *b, uint32_t value)
{
	buf_append(b, &value, sizeof(value));
}

void wire_put_i64(struct buf *b, int64_t value)
{
	buf_append(b, &value, sizeof(value));
}

void wire_put_bytes(struct buf *b, const void *data, size_t size)
{
	wire_put_u32(b, (uint32_t)size);
	buf_append(b, data, size);
}

void wire_put_string(struct buf *b, const char *text)
{
	if (!text) {
		wire_put_u32(b, STRING_NULL);
		return;
	}
	wire_put_bytes(b, text, strlen(text) + 1); /* with its NUL: the reader need not copy it */
}

/* The next `size` bytes, or NULL and failed. */
static const char *take(struct wire_reader *r, size_t size)
{
	const char *at = r->at;

	if (r->failed || (size_t)(r->end - r->at) < size) {
		r->failed = true;
		return NULL;
	}
	r->at += size;
	return at;
}

uint32_t wire_get_u32(struct wire_reader *r)
{
	uint32_t value = 0;
	const char *at = take(r, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

int64_t wire_get_i64(struct wire_reader *r)
{
	int64_t value = 0;
	const char *at = take(r, sizeof(value));

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

const char *wire_get_bytes(struct wire_reader *r, size_t *size)
{
	uint32_t length = wire_get_u32(r);
	const char *at = take(r, length);

	*size = at ? length : 0;
	return at;
}

const char *wire_get_string(struct wire_reader *r)
{
	uint32_t length = wire_get_u32(r);
	const char *at;

	if (length == STRING_NULL)
		return NULL;
	at = take(r, length);
	if (at && (!length || memchr(at, '\0', length) != at + length - 1)) {
		r->failed = true;
		return NULL;
	}
	return at;
}

bool wire_get_end(const struct wire_reader *r)
{
	return !r->failed && r->at == r->end;
}

int wire_next(const char *data, size_t size, size_t limit, struct wire_header *header, struct wire_reader *payload,
	      size_t *used)
{
	if (size < sizeof(*header))
		return 0;
	memcpy(header, data, sizeof(*header));
	if (header->length > limit)
		return -1;
	if (size - sizeof(*header) < header->length)
		return 0;
	payload->at = data + sizeof(*header);
	payload->end = payload->at + header->length;
	payload->failed = false;
	*used = sizeof(*header) + header->length;
	return 1;
}
