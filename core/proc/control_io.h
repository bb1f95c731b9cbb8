/*
 * control_io.h - one message over a control connection: a JSON object, perhaps with a descriptor.
 *
 * SOCK_SEQPACKET, so a message arrives whole or not at all; at most CONTROL_IO_MAX bytes. What is
 * larger (a slice) goes as a memfd. Both ends use these.
 */
#ifndef PROC_CONTROL_IO_H
#define PROC_CONTROL_IO_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

#define CONTROL_IO_MAX (128u << 10)

/* Puts `message` (taken over). `pass`: a descriptor to give along, or -1; it stays the caller's. False: not sent. */
bool control_io_send(int fd, struct json_object *message, int pass, bool wait);

/*
 * Gets one, never waits. 1: `*message` (owned by the caller) and `*passed` (owned, or -1); 0: none
 * now; -1: the other side is gone or sent what is no message.
 */
int control_io_receive(int fd, struct json_object **message, int *passed);

/* A sealed memory file that holds `text`, to be read from its begin; -1 and errno. */
int control_io_memfd(const char *name, const char *text);
/* Reads a descriptor to its end. Owned by the caller; NULL and errno. At most `limit` bytes. */
char *control_io_read_all(int fd, size_t limit, size_t *size);

#endif
