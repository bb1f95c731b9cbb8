/*
 * interrupt.h - Ctrl-C as something to read: while it is open, SIGINT and SIGTERM do not end the program but
 * make a descriptor readable. For client.h's `wake`.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

/* They nest: within an open one another may be opened and closed. */
struct interrupt {
	int fd;          /* -1: there is none, the signals do what they always do */
	sigset_t before; /* what was blocked before */
};

void interrupt_open(struct interrupt *interrupt);
/* Was there a signal since? Waits for one up to `wait_ms`. */
bool interrupt_take(struct interrupt *interrupt, int wait_ms);
/* The signals do again what they did; one that has come and was not taken does so now. */
void interrupt_close(struct interrupt *interrupt);

#endif
