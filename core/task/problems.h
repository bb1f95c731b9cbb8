/* problems.h - what is wrong with a request, all of it, each with the place (RFC 6901 pointer). */
#ifndef TASK_PROBLEMS_H
#define TASK_PROBLEMS_H

#include <drover/source.h>

struct problems {
	drover_problem_fn *tell;
	void *context;
	size_t count;
	size_t room; /* more than so many are not told */
};

/* `pointer` NULL: the text is no JSON. Counts it and tells it. */
void __attribute__((format(printf, 3, 4)))
problems_add(struct problems *problems, const char *pointer, const char *format, ...);

#endif
