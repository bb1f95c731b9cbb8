/* control_io.c - see control_io.h. */
#define _GNU_SOURCE
#include "proc/control_io.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/buf.h"

union descriptor_room {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr aligned;
};

bool control_io_send(int fd, struct json_object *message, int pass, bool wait)
{
	size_t size;
	const char *text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &size);
	struct iovec part = { (void *)(uintptr_t)text, size };
	union descriptor_room room = { { 0 } };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (pass >= 0) {
		struct cmsghdr *c;

		header.msg_control = room.bytes;
		header.msg_controllen = sizeof(room.bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	do {
		n = size > CONTROL_IO_MAX ? -1 : sendmsg(fd, &header, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT));
	} while (n < 0 && errno == EINTR && size <= CONTROL_IO_MAX);
	json_object_put(message);
	return n >= 0;
}

static int passed_descriptor(struct msghdr *header)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int control_io_receive(int fd, struct json_object **message, int *passed)
{
	char *text = xmalloc(CONTROL_IO_MAX + 1);
	struct iovec part = { text, CONTROL_IO_MAX };
	union descriptor_room room;
	struct msghdr header = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)
	};
	ssize_t n;
	int rc;

	do {
		n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	*message = NULL;
	*passed = -1;
	rc = n < 0 && errno == EAGAIN ? 0 : -1;
	if (n > 0) {
		*passed = passed_descriptor(&header);
		text[n] = '\0';
		*message = header.msg_flags & MSG_TRUNC ? NULL : json_tokener_parse(text);
		rc = json_object_is_type(*message, json_type_object) ? 1 : -1;
	}
	if (rc < 0) {
		json_object_put(*message);
		*message = NULL;
		if (*passed >= 0)
			close(*passed);
		*passed = -1;
	}
	free(text);
	return rc;
}

int control_io_memfd(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t size = strlen(text), done = 0;

	while (fd >= 0 && done < size) {
		ssize_t n = write(fd, text + done, size - done);

		if (n < 0) {
			close(fd);
			return -1;
		}
		done += (size_t)n;
	}
	if (fd >= 0) {
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
		lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

char *control_io_read_all(int fd, size_t limit, size_t *size)
{
	struct buf text = BUF_INIT;

	for (;;) {
		ssize_t n;

		buf_reserve(&text, 4096);
		n = read(fd, text.data + text.size, text.room - text.size - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || text.size + (size_t)n > limit) {
			if (n >= 0)
				errno = EFBIG;
			buf_dispose(&text);
			return NULL;
		}
		if (!n)
			break;
		text.size += (size_t)n;
	}
	*size = text.size;
	return buf_take(&text);
}
