/* problem.c - see problem.h. */
#include "problem.h"

#include <stdarg.h>
#include <stdio.h>

#define ERRORS_KEPT 100

static const struct {
	int status;
	const char *type;
	const char *title;
} kinds[PROBLEM_KINDS] = {
	[PROBLEM_SYNTAX] = { 400, "syntax", "Not valid JSON" },
	[PROBLEM_REQUEST] = { 400, "bad-request", "Bad request" },
	[PROBLEM_PARAMETERS] = { 400, "invalid-parameters", "Invalid query parameters" },
	[PROBLEM_UNAUTHORIZED] = { 401, "unauthorized", "A token is needed" },
	[PROBLEM_FORBIDDEN] = { 403, "forbidden", "Forbidden" },
	[PROBLEM_NOT_FOUND] = { 404, "not-found", "Not found" },
	[PROBLEM_METHOD] = { 405, "method-not-allowed", "Method not allowed" },
	[PROBLEM_NOT_ACCEPTABLE] = { 406, "not-acceptable", "Not acceptable" },
	[PROBLEM_CONFLICT] = { 409, "conflict", "Conflict" },
	[PROBLEM_TOO_LARGE] = { 413, "too-large", "The body is too large" },
	[PROBLEM_MEDIA_TYPE] = { 415, "unsupported-media-type", "Unsupported media type" },
	[PROBLEM_RANGE] = { 416, "range", "Range not satisfiable" },
	[PROBLEM_INVALID_TASK] = { 422, "invalid-task", "Invalid task" },
	[PROBLEM_INVALID] = { 422, "invalid-body", "Invalid body" },
	[PROBLEM_LIMIT] = { 422, "limit", "A limit was reached" },
	[PROBLEM_FAULT] = { 500, "fault", "Internal fault" },
	[PROBLEM_UNAVAILABLE] = { 503, "unavailable", "Try again later" },
};

void problem_dispose(struct problem *p)
{
	writer_dispose(&p->errors);
}

int problem_set(struct problem *p, enum problem_kind kind, const char *format, ...)
{
	va_list args;

	if (!p->kind) {
		p->kind = kind;
		va_start(args, format);
		vsnprintf(p->detail, sizeof(p->detail), format, args);
		va_end(args);
	}
	return problem_status(p);
}

int problem_set_code(struct problem *p, int code, const struct drover_error *err)
{
	static const enum problem_kind of_code[] = {
		[-DROVER_EINVALID] = PROBLEM_INVALID,     [-DROVER_ENOTFOUND] = PROBLEM_NOT_FOUND,
		[-DROVER_ECONFLICT] = PROBLEM_CONFLICT,   [-DROVER_ERETRY] = PROBLEM_UNAVAILABLE,
		[-DROVER_ETIMEOUT] = PROBLEM_UNAVAILABLE, [-DROVER_ECANCELLED] = PROBLEM_UNAVAILABLE,
		[-DROVER_ENOMEM] = PROBLEM_UNAVAILABLE,   [-DROVER_ELIMIT] = PROBLEM_LIMIT,
		[-DROVER_EDENIED] = PROBLEM_FORBIDDEN,    [-DROVER_EFAULT] = PROBLEM_FAULT,
	};

	if (code >= 0 || -code >= (int)(sizeof(of_code) / sizeof(*of_code)))
		return problem_set(p, PROBLEM_FAULT, "%s", err->message);
	return problem_set(p, of_code[-code], "%s", err->message);
}

void problem_add(struct problem *p, const char *where, const char *place, const char *detail)
{
	if (++p->count > ERRORS_KEPT)
		return;
	writer_object(&p->errors, NULL);
	writer_string(&p->errors, where, place);
	writer_string(&p->errors, "detail", detail);
	writer_object_end(&p->errors);
}

int problem_status(const struct problem *p)
{
	return kinds[p->kind].status;
}

void problem_write(const struct problem *p, struct writer *w)
{
	char type[64];

	snprintf(type, sizeof(type), "/problems/%s", kinds[p->kind].type);
	writer_object(w, NULL);
	writer_string(w, "type", type);
	writer_string(w, "title", kinds[p->kind].title);
	writer_int(w, "status", kinds[p->kind].status);
	if (*p->detail)
		writer_string(w, "detail", p->detail);
	if (p->count) {
		writer_array(w, "errors");
		writer_append(w, p->errors.data, p->errors.size);
		writer_array_end(w);
	}
	if (p->count > ERRORS_KEPT)
		writer_int(w, "errors_left_out", (int64_t)(p->count - ERRORS_KEPT));
	writer_object_end(w);
}
