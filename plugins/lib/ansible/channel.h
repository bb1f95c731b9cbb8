/* channel.h - the frames of python/channel.py: four bytes of length (little endian), then JSON. */
#ifndef LIB_ANSIBLE_CHANNEL_H
#define LIB_ANSIBLE_CHANNEL_H

#include <drover/error.h>

struct json_object;

struct channel {
	int fd; /* non-blocking */
	char *data;
	size_t size, room;
};

/* Bytes that are there are read. >0: some were; 0: the end; DROVER_ERETRY: none now; else an error. */
int channel_read(struct channel *channel, struct drover_error *err);
/* The next whole frame, owned by the caller; NULL: there is none yet, or (err->code) it is not one. */
struct json_object *channel_next(struct channel *channel, struct drover_error *err);
/* Waits until all is written. Errors: DROVER_EFAULT: the other side is gone. */
int channel_write(struct channel *channel, struct json_object *message, struct drover_error *err);
void channel_dispose(struct channel *channel);

#endif
