/*
 * output.c - one host's standard output or error, as the bytes that they are, whole or a part of them.
 *
 * Its entity tag is the digest by which the store keeps it. What is not sent is not read: not for HEAD, nor
 * where the client has it already; and what is sent is copied once, out of the store.
 */
#include "handlers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "range.h"

struct download {
	struct request *r;
	int status;
};

/* A response of a size that nobody reads: the library sends no body for HEAD, nor with 304. */
static ssize_t read_nothing(void *context, uint64_t position, char *buffer, size_t room)
{
	(void)context, (void)position, (void)buffer, (void)room;
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static void answer_head(struct request *r, int64_t size)
{
	r->response = MHD_create_response_from_callback((uint64_t)size, 1024, read_nothing, NULL, NULL);
	if (!r->response)
		problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
}

/* RFC 9110, 13.2.2: If-None-Match comes first, then Range, which only GET has. */
static int choose(void *context, struct drover_output_info *info)
{
	struct download *d = context;
	struct request *r = d->r;
	int64_t first = 0, last = info->kept - 1;
	enum range_kind kind = RANGE_ALL;
	char etag[72];

	snprintf(etag, sizeof(etag), "\"%s\"", *info->digest ? info->digest : "empty");
	request_add_header(r, "ETag", "%s", etag);
	request_add_header(r, "Accept-Ranges", "bytes");
	request_add_header(r, "Drover-Total-Bytes", "%lld", (long long)info->total);
	if (range_none_match(request_header(r, "If-None-Match"), etag)) {
		d->status = MHD_HTTP_NOT_MODIFIED;
		answer_head(r, info->kept);
		return 0;
	}
	r->content_type = "application/octet-stream";
	if (!r->head && range_allowed(request_header(r, "If-Range"), etag))
		kind = range_read(request_header(r, "Range"), info->kept, &first, &last);
	if (kind == RANGE_OUTSIDE) {
		request_add_header(r, "Content-Range", "bytes */%lld", (long long)info->kept);
		problem_set(&r->problem, PROBLEM_RANGE, "there are %lld bytes", (long long)info->kept);
		return 0;
	}
	if (kind == RANGE_PART) {
		request_add_header(r, "Content-Range", "bytes %lld-%lld/%lld", (long long)first, (long long)last,
				   (long long)info->kept);
		d->status = MHD_HTTP_PARTIAL_CONTENT;
	}
	if (r->head) {
		answer_head(r, info->kept);
		return 0;
	}
	info->first = first;
	info->count = last - first + 1;
	return 0;
}

static int take_bytes(void *context, struct drover_bytes bytes)
{
	struct request *r = ((struct download *)context)->r;

	r->response = MHD_create_response_from_buffer(bytes.size, (void *)bytes.data, MHD_RESPMEM_MUST_COPY);
	if (!r->response)
		problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	return 0;
}

static int answer(struct request *r, int stream)
{
	struct download d = { .r = r, .status = MHD_HTTP_OK };
	struct drover_error err = { 0 };
	int64_t key;
	int code;

	if (tasks_find(r, &key))
		return 0;
	code = r->server->services->output_part(r->server->core, key, r->arguments[1], stream, choose, take_bytes, &d,
						&err);
	if (code == DROVER_ENOTFOUND)
		return problem_set(&r->problem, PROBLEM_NOT_FOUND, "the task has no host %.255s", r->arguments[1]);
	if (code)
		return problem_set_code(&r->problem, code, &err);
	return d.status;
}

int results_stdout(struct request *r)
{
	return answer(r, 1);
}

int results_stderr(struct request *r)
{
	return answer(r, 2);
}
