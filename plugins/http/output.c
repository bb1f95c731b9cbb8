/* output.c - one host's standard output or error, as the bytes that they are, whole or a range of them. */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stream {
	struct request *r;
	int64_t first, last; /* of the bytes sent, where a range was asked for */
	bool ranged;
};

static bool parse_number(const char **text, int64_t *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*value = strtoll(*text, &end, 10);
	*text = end;
	return true;
}

/*
 * RFC 9110, 14.1.2: one range of bytes. What is no such range is ignored, as the RFC wants it. False: it
 * lies outside.
 */
static bool read_range(struct stream *s, int64_t size)
{
	const char *text = request_header(s->r, "Range");
	int64_t suffix;

	if (!text || strncmp(text, "bytes=", 6))
		return true;
	text += 6;
	if (*text == '-') {
		text++;
		if (!parse_number(&text, &suffix) || *text)
			return true;
		s->first = suffix < size ? size - suffix : 0;
		s->last = size - 1;
		s->ranged = true;
		return suffix && size;
	}
	s->last = INT64_MAX;
	if (!parse_number(&text, &s->first) || *text++ != '-')
		return true;
	if ((*text && !parse_number(&text, &s->last)) || *text || s->last < s->first)
		return true;
	if (s->last >= size)
		s->last = size - 1;
	s->ranged = true;
	return s->first < size;
}

static int send_bytes(void *context, struct drover_bytes bytes, int64_t total)
{
	struct stream *s = context;
	struct request *r = s->r;

	request_add_header(r, "Accept-Ranges", "bytes");
	request_add_header(r, "Drover-Total-Bytes", "%lld", (long long)total);
	if (!read_range(s, (int64_t)bytes.size)) {
		request_add_header(r, "Content-Range", "bytes */%zu", bytes.size);
		problem_set(&r->problem, PROBLEM_RANGE, "there are %zu bytes", bytes.size);
		return 0;
	}
	r->content_type = "application/octet-stream";
	if (!s->ranged) {
		writer_append(&r->out, bytes.data, bytes.size);
		return 0;
	}
	request_add_header(r, "Content-Range", "bytes %lld-%lld/%zu", (long long)s->first, (long long)s->last,
			   bytes.size);
	writer_append(&r->out, (const char *)bytes.data + s->first, (size_t)(s->last - s->first + 1));
	return 0;
}

static int answer(struct request *r, int stream)
{
	struct stream s = { .r = r };
	struct drover_error err = { 0 };
	int64_t key;
	int code;

	if (tasks_find(r, &key))
		return 0;
	code = r->server->services->output(r->server->core, key, r->arguments[1], stream, send_bytes, &s, &err);
	if (code == DROVER_ENOTFOUND)
		return problem_set(&r->problem, PROBLEM_NOT_FOUND, "the task has no host %.255s", r->arguments[1]);
	if (code)
		return problem_set_code(&r->problem, code, &err);
	return s.ranged ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;
}

int results_stdout(struct request *r)
{
	return answer(r, 1);
}

int results_stderr(struct request *r)
{
	return answer(r, 2);
}
