/* problems.c - see problems.h. */
#include "task/problems.h"

#include <stdarg.h>
#include <stdio.h>

void problems_add(struct problems *problems, const char *pointer, const char *format, ...)
{
	char detail[1024];
	va_list args;

	if (problems->count++ >= problems->room || !problems->tell)
		return;
	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	problems->tell(problems->context, pointer, detail);
}
