/* channel.c - see channel.h. */
#include "channel.h"

#include <endian.h>
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The result of a module that prints 5 MB holds it three times. More than this is no result. */
#define FRAME_MAX (256u << 20)
#define READ_SIZE (256u << 10)
#define DEPTH 64

int channel_read(struct channel *c, struct drover_error *err)
{
	ssize_t n;

	if (c->room - c->size < READ_SIZE) {
		size_t room = c->room ? c->room * 2 : READ_SIZE * 2;
		char *data = realloc(c->data, room);

		if (!data)
			return drover_error_set(err, DROVER_ENOMEM, "no memory for a result of Ansible");
		c->data = data;
		c->room = room;
	}
	n = recv(c->fd, c->data + c->size, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return DROVER_ERETRY;
	if (n < 0)
		return drover_error_set(err, DROVER_EFAULT, "cannot read what Ansible tells: %s", strerror(errno));
	c->size += (size_t)n;
	return n > 0;
}

struct json_object *channel_next(struct channel *c, struct drover_error *err)
{
	struct json_tokener *tokener;
	struct json_object *frame;
	uint32_t size;

	if (c->size < sizeof(size))
		return NULL;
	memcpy(&size, c->data, sizeof(size));
	size = le32toh(size);
	if (size > FRAME_MAX) {
		drover_error_set(err, DROVER_EINVALID, "Ansible's process sent a frame of %u bytes", size);
		return NULL;
	}
	if (c->size - sizeof(size) < size)
		return NULL;
	tokener = json_tokener_new_ex(DEPTH);
	frame = json_tokener_parse_ex(tokener, c->data + sizeof(size), (int)size);
	if (!frame)
		drover_error_set(err, DROVER_EINVALID, "Ansible's process sent no JSON: %s",
				 json_tokener_error_desc(json_tokener_get_error(tokener)));
	json_tokener_free(tokener);
	c->size -= sizeof(size) + size;
	memmove(c->data, c->data + sizeof(size) + size, c->size);
	return frame;
}

static int write_all(int fd, const char *data, size_t size, struct drover_error *err)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
		struct pollfd wait = { .fd = fd, .events = POLLOUT };

		if (n < 0 && errno == EAGAIN)
			poll(&wait, 1, -1);
		else if (n < 0 && errno != EINTR)
			return drover_error_set(err, DROVER_EFAULT, "Ansible's process is gone");
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

int channel_write(struct channel *c, struct json_object *message, struct drover_error *err)
{
	size_t size;
	const char *text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &size);
	uint32_t head = htole32((uint32_t)size);
	int rc = write_all(c->fd, (const char *)&head, sizeof(head), err);

	return rc ? rc : write_all(c->fd, text, size, err);
}

void channel_dispose(struct channel *c)
{
	close(c->fd);
	free(c->data);
}
