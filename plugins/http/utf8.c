/* utf8.c - see utf8.h. The ranges are those of table 3-7 of the Unicode standard. */
#include "utf8.h"

static bool between(unsigned char c, unsigned char low, unsigned char high)
{
	return c >= low && c <= high;
}

size_t utf8_length(const unsigned char *text, size_t size)
{
	unsigned char low = 0x80, high = 0xBF;
	size_t length;

	if (!size)
		return 0;
	if (text[0] < 0x80)
		return 1;
	if (between(text[0], 0xC2, 0xDF))
		length = 2;
	else if (between(text[0], 0xE0, 0xEF))
		length = 3;
	else if (between(text[0], 0xF0, 0xF4))
		length = 4;
	else
		return 0;
	if (length > size)
		return 0;
	if (text[0] == 0xE0)
		low = 0xA0;
	else if (text[0] == 0xED)
		high = 0x9F;
	else if (text[0] == 0xF0)
		low = 0x90;
	else if (text[0] == 0xF4)
		high = 0x8F;
	if (!between(text[1], low, high))
		return 0;
	for (size_t i = 2; i < length; i++)
		if (!between(text[i], 0x80, 0xBF))
			return 0;
	return length;
}

bool utf8_is_text(const void *data, size_t size)
{
	const unsigned char *text = data;

	while (size) {
		size_t length = text[0] ? utf8_length(text, size) : 0;

		if (!length)
			return false;
		text += length;
		size -= length;
	}
	return true;
}
