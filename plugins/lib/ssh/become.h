/*
 * become.h - another user on the host: by sudo, su or doas, with or without a password.
 *
 * What is sent makes the host say when it asks for the password and when the command begins, by two
 * random words on its standard error that nobody else there can know before. Until the second one has
 * come, nothing but the password is sent, and that only where it was asked for; what is said until
 * then belongs to no output.
 *
 *	sudo  -S with the first word as its prompt; -n where there is no password to give
 *	su    has no prompt of our choice: the first word is printed just before, and what comes then and
 *	      ends in a colon is its question. It reads standard input
 *	doas  the same, on a terminal, without which it asks nothing; -n without a password
 */
#ifndef LIB_SSH_BECOME_H
#define LIB_SSH_BECOME_H

#include <stdbool.h>
#include <stddef.h>

#include "ssh/fanout.h"

/* Of a whole fan-out. */
struct become {
	enum fanout_become_method method;
	const char *user, *password; /* borrowed */
	bool terminal;               /* the channel needs one: standard error is in standard output then */
	char prompt[64], start[64];
	char *command, *end; /* owned: as they are sent */
};

enum gate_wish { GATE_NOTHING, GATE_PASSWORD, GATE_WRONG, GATE_NO_PASSWORD };

/* Of one channel: what has been said so far. */
struct gate {
	const struct become *become; /* borrowed; NULL: nobody becomes anybody, the gate is open */
	bool open;
	bool armed; /* su and doas: it is they who speak now */
	bool given; /* the password was sent */
	enum gate_wish wish;
	size_t size;
	char said[1024];
};

/* `end` is the script that ends the command, for /bin/sh. Returns 0 or -ENOMEM. */
int become_make(struct become *b, const struct fanout_config *config, const char *end);
void become_dispose(struct become *b);
/* "sudo", for messages. */
const char *become_name(const struct become *b);

void gate_init(struct gate *g, const struct become *become);
/*
 * Takes in what was said; sets `wish`. Returns how many bytes at the end of `data` come after the
 * beginning of the command: all of them where the gate was open before.
 */
size_t gate_feed(struct gate *g, const char *data, size_t size);
/* What was said, as one printable line, without the password. Valid until the next call. */
const char *gate_said(const struct gate *g);

#endif
