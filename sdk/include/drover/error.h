/*
 * drover/error.h - the codes and the error object that every call of the SDK uses.
 *
 * A function returns 0, or one of the negative codes below. The caller owns the
 * struct drover_error and passes it last; a NULL error is allowed and means that the
 * caller only wants the code. No function keeps a pointer to it. Any thread.
 */
#ifndef DROVER_ERROR_H
#define DROVER_ERROR_H

#include <stdarg.h>
#include <stdio.h>

/* What a caller can act on. Everything else is DROVER_EFAULT with a message. */
enum drover_code {
	DROVER_EINVALID = -1,   /* the input is wrong; trying again will not help */
	DROVER_ENOTFOUND = -2,  /* no such thing */
	DROVER_ECONFLICT = -3,  /* it exists already, or somebody else holds it */
	DROVER_ERETRY = -4,     /* the same call may succeed later (busy, away, full disk) */
	DROVER_ETIMEOUT = -5,   /* a deadline passed */
	DROVER_ECANCELLED = -6, /* somebody asked for an end */
	DROVER_ENOMEM = -7,     /* memory */
	DROVER_ELIMIT = -8,     /* a configured bound was reached; the message names the option */
	DROVER_EDENIED = -9,    /* not allowed */
	DROVER_EFAULT = -10     /* an operation failed; the message says which and why */
};

#define DROVER_ERROR_SIZE 512

struct drover_error {
	int code;                        /* 0 or enum drover_code */
	char message[DROVER_ERROR_SIZE]; /* one sentence without a final full stop, UTF-8 */
};

/* Fills `err` (may be NULL) and returns `code`, so that `return drover_error_set(…)` works. */
static inline int __attribute__((format(printf, 3, 4)))
drover_error_set(struct drover_error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->message, sizeof(err->message), format, args);
	va_end(args);
	return code;
}

#endif
