/* ulid.h - ULIDs (github.com/ulid/spec): 48 bits of time, 80 random bits, 26 characters. */
#ifndef UTIL_ULID_H
#define UTIL_ULID_H

#define ULID_SIZE 27

/* Writes one and its NUL. Any thread. */
void ulid_make(char text[ULID_SIZE]);

#endif
