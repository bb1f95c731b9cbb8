/* ulid.h - ULIDs (github.com/ulid/spec): 48 bits of time, 80 random bits, 26 characters. */
#ifndef UTIL_ULID_H
#define UTIL_ULID_H

#include <stdint.h>

#define ULID_SIZE 27

/* Writes one and its NUL. Any thread. */
void ulid_make(char text[ULID_SIZE]);
/* One of that time (UTC ms), and of bytes instead of chance. */
void ulid_from(uint64_t time, const unsigned char bytes[16], char text[ULID_SIZE]);

#endif
