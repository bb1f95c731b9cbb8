/* request.c - see request.h. */
#define _GNU_SOURCE
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "guard.h"
#include "params.h"
#include "range.h"

#define RETRY_AFTER "2"
#define VALIDATED (1 << 20) /* bytes of an answer that gets an entity tag, at most */
#define SLOW_BODY 4         /* times connection_timeout for the whole body */

static void find_route(struct request *r, const char *method, const char *url)
{
	struct route_argument arguments[ROUTE_ARGUMENTS];
	char allow[32];
	bool path_known;

	r->route = route_find(r->head ? "GET" : method, url, arguments, &path_known, allow);
	if (r->server->options->allow && r->route && !route_is_first_generation(r->route)) {
		r->route = NULL;
		path_known = false;
	}
	access_identify(r);
	if (r->problem.kind)
		return;
	if (!r->route && !path_known) {
		problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no %.200s here", url);
	} else if (!r->route) {
		problem_set(&r->problem, PROBLEM_METHOD, "this takes only: %s", allow);
		request_add_header(r, "Allow", "%s", allow);
	} else {
		access_check_role(r);
		if (r->problem.kind)
			return;
		for (int i = 0; i < ROUTE_ARGUMENTS && arguments[i].text; i++) {
			r->arguments[i] = params_decode(arguments[i].text, arguments[i].size);
			if (!r->arguments[i])
				problem_set(&r->problem, PROBLEM_REQUEST, "the path is not percent-encoded UTF-8");
		}
		if (route_is_first_generation(r->route))
			return;
		guard_accept(r);
		params_read(r);
	}
}

static bool note_refusal(struct request *r, const char *method, const char *path)
{
	if ((r->problem.kind != PROBLEM_UNAUTHORIZED && r->problem.kind != PROBLEM_FORBIDDEN) || r->access.refused)
		return false;
	r->access.refused = true;
	refusals_note(&r->server->refusals, r, method, path);
	return true;
}

/* Who may not do it is told so at once: none of the body is read. */
void request_refused(struct request *r, const char *method, const char *url)
{
	const char *length = request_header(r, "Content-Length");

	if (!note_refusal(r, method, url))
		return;
	r->discard = true;
	if (request_header(r, "Transfer-Encoding") || (length && strcmp(length, "0")))
		r->hang_up = true;
}

struct request *request_new(struct server *server, struct MHD_Connection *connection, const char *method,
			    const char *url, const char *version)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->server = server;
	r->connection = connection;
	r->parked.connection = connection;
	r->parked.job = &r->job;
	r->head = !strcmp(method, "HEAD");
	r->content_type = "application/json";
	r->body_deadline = workers_now() + SLOW_BODY * server->options->connection_timeout;
	guard_framing(r, version);
	if (!r->problem.kind)
		guard_origin(r, method);
	if (!r->problem.kind)
		find_route(r, method, url);
	if (!strcmp(method, "POST"))
		guard_body(r);
	if (r->problem.kind || strcmp(method, "POST"))
		r->discard = true;
	request_refused(r, method, url);
	return r;
}

static void release_body(struct request *r)
{
	free(r->body);
	atomic_fetch_sub(&r->server->body_bytes, (long long)r->body_room);
	r->body = NULL;
	r->body_room = r->body_size = 0;
}

void request_free(struct request *r)
{
	release_body(r);
	access_dispose(&r->access);
	for (int i = 0; i < ROUTE_ARGUMENTS; i++)
		free(r->arguments[i]);
	for (size_t i = 0; i < r->parameter_count; i++) {
		free(r->parameters[i].name);
		free(r->parameters[i].value);
	}
	for (size_t i = 0; i < r->header_count; i++)
		free(r->headers[i].value);
	if (r->response)
		MHD_destroy_response(r->response);
	problem_dispose(&r->problem);
	writer_dispose(&r->out);
	free(r);
}

/* Makes room for `size` more bytes of the body, within the limits of this body and of all together. */
static bool reserve_body(struct request *r, size_t size)
{
	const struct http *options = r->server->options;
	size_t room = r->body_room ? r->body_room : 4096;
	char *body;

	if ((int64_t)(r->body_size + size) > options->body_limit) {
		problem_set(&r->problem, PROBLEM_TOO_LARGE, "at most %lld bytes are taken: option body_limit",
			    (long long)options->body_limit);
		return false;
	}
	while (room < r->body_size + size)
		room *= 2;
	if (room == r->body_room)
		return true;
	if (atomic_fetch_add(&r->server->body_bytes, (long long)(room - r->body_room)) + (long long)room >
	    options->body_memory + (long long)r->body_room)
		body = NULL;
	else
		body = realloc(r->body, room);
	if (!body) {
		atomic_fetch_sub(&r->server->body_bytes, (long long)(room - r->body_room));
		problem_set(&r->problem, PROBLEM_UNAVAILABLE, "too many large bodies at once: option body_memory");
		return false;
	}
	r->body = body;
	r->body_room = room;
	return true;
}

bool request_collect(struct request *r, const void *data, size_t size)
{
	if (workers_now() > r->body_deadline)
		return false;
	if (!r->discard && !reserve_body(r, size))
		r->discard = true;
	if (r->discard) {
		r->discarded += size;
		return r->discarded <= REQUEST_DISCARD_LIMIT;
	}
	memcpy(r->body + r->body_size, data, size);
	r->body_size += size;
	return true;
}

bool request_handle(struct request *r)
{
	int status;

	if (!r->problem.kind && !access_audit(r)) {
		request_respond(r);
		return true;
	}
	if (!r->problem.kind || (r->problem.kind == PROBLEM_PARAMETERS && *r->route->parameters)) {
		status = r->route->handler(r);
		if (status == ROUTE_LATER)
			return false;
		r->status = status;
	}
	if (r->problem.kind)
		access_audit_failure(r);
	if (r->route)
		note_refusal(r, r->route->method, r->route->path);
	request_respond(r);
	return true;
}

/*
 * A validator for what is asked for again and again: the answer's digest. What is large is left alone, so that
 * no time goes into what nobody asks for twice.
 */
static void add_validator(struct request *r)
{
	unsigned char digest[16];
	char hex[2 * sizeof(digest) + 1], etag[sizeof(hex) + 2];

	if (r->status != MHD_HTTP_OK || r->response || r->problem.kind || !r->route ||
	    strcmp(r->route->method, "GET") || r->route->role == ROLE_ANYBODY ||
	    strcmp(r->route->produces, "application/json") || r->out.size > VALIDATED)
		return;
	crypto_generichash(digest, sizeof(digest), (const unsigned char *)r->out.data, r->out.size, NULL, 0);
	snprintf(etag, sizeof(etag), "\"%s\"", sodium_bin2hex(hex, sizeof(hex), digest, sizeof(digest)));
	request_add_header(r, "ETag", "%s", etag);
	r->validated = true;
	if (range_none_match(request_header(r, "If-None-Match"), etag)) {
		writer_dispose(&r->out);
		r->status = MHD_HTTP_NOT_MODIFIED;
	}
}

void request_respond(struct request *r)
{
	char *data;
	size_t size;

	/* Before the answer leaves: a client that has it may ask again at once. */
	release_body(r);
	if (r->out.failed)
		problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory for the answer");
	if (r->problem.kind) {
		if (r->response)
			MHD_destroy_response(r->response);
		r->response = NULL;
		writer_dispose(&r->out);
		problem_write(&r->problem, &r->out);
		r->status = problem_status(&r->problem);
		r->content_type = "application/problem+json";
		if (r->problem.kind == PROBLEM_UNAVAILABLE)
			request_add_header(r, "Retry-After", RETRY_AFTER);
	}
	add_validator(r);
	if (!r->response) {
		data = writer_take(&r->out, &size);
		r->response = MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);
		if (!r->response) {
			free(data);
			return;
		}
	}
	MHD_add_response_header(r->response, "Content-Type", r->content_type);
	MHD_add_response_header(r->response, "Cache-Control", r->validated ? "private, no-cache" : "no-store");
	MHD_add_response_header(r->response, "X-Content-Type-Options", "nosniff");
	for (size_t i = 0; i < r->header_count; i++)
		MHD_add_response_header(r->response, r->headers[i].name, r->headers[i].value);
	if (r->hang_up)
		MHD_add_response_header(r->response, "Connection", "close");
}

void request_add_header(struct request *r, const char *name, const char *format, ...)
{
	va_list args;
	char *value;

	if (r->header_count == REQUEST_HEADERS)
		return;
	va_start(args, format);
	if (vasprintf(&value, format, args) >= 0)
		r->headers[r->header_count++] = (struct request_header){ name, value };
	va_end(args);
}

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}
