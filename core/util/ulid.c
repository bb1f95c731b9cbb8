/* ulid.c - see ulid.h. */
#include "util/ulid.h"

#include <stdlib.h>
#include <sys/random.h>

#include "util/clock.h"

void ulid_from(uint64_t time, const unsigned char bytes[16], char text[ULID_SIZE])
{
	static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's base 32 */

	for (int i = 9; i >= 0; i--, time >>= 5)
		text[i] = alphabet[time & 31];
	for (int i = 0; i < 16; i++)
		text[10 + i] = alphabet[bytes[i] & 31];
	text[26] = '\0';
}

void ulid_make(char text[ULID_SIZE])
{
	unsigned char noise[16];

	if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise))
		abort();
	ulid_from((uint64_t)clock_utc_ms(), noise, text);
}
