/* mux.c - the client's half of OpenSSH's PROTOCOL.mux, as far as a session needs it. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "session.h"

#define VERSION 4
#define REQUEST 1
#define ESCAPE_CHAR '~' /* ssh's default; the master heeds it on a terminal alone */
#define FAILED 255      /* ssh's exit status for all that is not the command's */
#define PACKET_MOST (256 * 1024)

/* Kinds of messages. */
#define HELLO 0x00000001u
#define NEW_SESSION 0x10000002u
#define EXIT_MESSAGE 0x80000004u
#define SESSION_OPENED 0x80000006u

struct packet {
	unsigned char *data;
	size_t size, room, at;
};

static void put(struct packet *self, const void *data, size_t size)
{
	if (self->size + size > self->room) {
		self->room = (self->size + size) * 2;
		self->data = realloc(self->data, self->room);
		if (!self->data)
			abort();
	}
	memcpy(self->data + self->size, data, size);
	self->size += size;
}

static void put_number(struct packet *self, uint32_t value)
{
	value = htobe32(value);
	put(self, &value, sizeof(value));
}

static void put_text(struct packet *self, const char *text)
{
	put_number(self, (uint32_t)strlen(text));
	put(self, text, strlen(text));
}

static bool get_number(struct packet *self, uint32_t *value)
{
	if (self->size - self->at < sizeof(*value))
		return false;
	memcpy(value, self->data + self->at, sizeof(*value));
	*value = be32toh(*value);
	self->at += sizeof(*value);
	return true;
}

static bool write_all(int fd, const void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool read_all(int fd, void *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)data + done, size - done);

		if (!n || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool send_packet(int fd, const struct packet *self)
{
	uint32_t size = htobe32((uint32_t)self->size);

	return write_all(fd, &size, sizeof(size)) && write_all(fd, self->data, self->size);
}

/* The kind of the next message, and what is in it; 0: there is none. */
static uint32_t receive_packet(int fd, struct packet *self)
{
	uint32_t size, kind = 0;

	if (!read_all(fd, &size, sizeof(size)))
		return 0;
	size = be32toh(size);
	if (size > PACKET_MOST)
		return 0;
	self->data = realloc(self->data, size + 1);
	if (!self->data)
		abort();
	self->size = self->room = size;
	self->at = 0;
	return read_all(fd, self->data, size) && get_number(self, &kind) ? kind : 0;
}

static int dial(const struct session *self)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (self->control_path_size >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, self->control_path, self->control_path_size);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static bool greet(int fd, struct packet *packet)
{
	uint32_t version;

	put_number(packet, HELLO);
	put_number(packet, VERSION);
	return send_packet(fd, packet) && receive_packet(fd, packet) == HELLO && get_number(packet, &version) &&
	       version == VERSION;
}

static void put_environment(struct packet *packet, const struct session *self)
{
	for (char **entry = environ; *entry; entry++) {
		char name[256];
		size_t size = strcspn(*entry, "="), i = 0;

		if (size >= sizeof(name) || !(*entry)[size])
			continue;
		memcpy(name, *entry, size);
		name[size] = '\0';
		while (i < self->send_env_count && fnmatch(self->send_env[i], name, 0))
			i++;
		if (i < self->send_env_count)
			put_text(packet, *entry);
	}
}

static bool send_descriptor(int fd, int sent)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .room = "" };
	struct iovec byte = { .iov_base = "", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	ssize_t n;

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &sent, sizeof(int));
	do
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

static bool open_session(int fd, struct packet *packet, const struct session *self)
{
	const char *terminal = getenv("TERM");

	packet->size = 0;
	put_number(packet, NEW_SESSION);
	put_number(packet, REQUEST);
	put_text(packet, ""); /* reserved */
	put_number(packet, self->tty);
	put_number(packet, 0); /* X11 */
	put_number(packet, 0); /* the agent */
	put_number(packet, self->subsystem);
	put_number(packet, ESCAPE_CHAR);
	put_text(packet, terminal ? terminal : "");
	put_text(packet, self->command);
	put_environment(packet, self);
	return send_packet(fd, packet) && send_descriptor(fd, STDIN_FILENO) && send_descriptor(fd, STDOUT_FILENO) &&
	       send_descriptor(fd, STDERR_FILENO) && receive_packet(fd, packet) == SESSION_OPENED;
}

/* As ssh has its terminal while a session lasts. */
static bool enter_raw_mode(struct termios *before)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before))
		return false;
	raw = *before;
	raw.c_iflag |= IGNPAR;
	raw.c_iflag &= ~(tcflag_t)(ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXANY | IXOFF | IUCLC);
	raw.c_lflag &= ~(tcflag_t)(ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHONL | IEXTEN);
	raw.c_oflag &= ~(tcflag_t)OPOST;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	return !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
}

/* Until the master ends it; what it says of the terminal is the master's to tell. */
static int wait_for_end(int fd, struct packet *packet)
{
	int status = FAILED;

	for (uint32_t kind, id, said; (kind = receive_packet(fd, packet));)
		if (kind == EXIT_MESSAGE && get_number(packet, &id) && get_number(packet, &said))
			status = (int)said;
	return status;
}

int mux_run(const struct session *self)
{
	struct packet packet = { 0 };
	struct termios before;
	int fd = dial(self), status = -1;

	if (fd >= 0 && greet(fd, &packet) && open_session(fd, &packet, self)) {
		bool raw = self->tty && enter_raw_mode(&before);

		status = wait_for_end(fd, &packet);
		if (raw)
			tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	}
	if (fd >= 0)
		close(fd);
	free(packet.data);
	return status;
}
