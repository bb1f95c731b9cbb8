/*
 * interrupt.h - Ctrl-C as something to read: while it is open, SIGINT and SIGTERM do not end the program but
 * make a descriptor readable. For client.h's `wake`.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <stdbool.h>

/* Returns the descriptor, or -1 (then the signals do what they always do). */
int interrupt_open(void);
/* Was there a signal since? Waits for one up to `wait_ms`. */
bool interrupt_take(int fd, int wait_ms);
/* The signals do again what they always do. */
void interrupt_close(int fd);

#endif
