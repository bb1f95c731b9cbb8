/* guard.c - see guard.h. */
#define _GNU_SOURCE
#include "guard.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>

#include "lines.h"
#include "request.h"

struct framing {
	int hosts, lengths, encodings;
	bool odd_encoding, odd_name, odd_value, odd_line;
	struct lines lines;
};

/* RFC 9110, 5.6.2. Blanks before the colon, above all, hide a header from some programs and not from others. */
static bool is_token(const char *name)
{
	static const char characters[] = "!#$%&'*+-.^_`|~0123456789"
					 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return *name && !name[strspn(name, characters)];
}

/* RFC 9110, 5.5. A NUL ends a value in some programs and not in others. */
static bool is_value(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7F)
			return false;
	return true;
}

static enum MHD_Result count(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
			     const char *value, size_t value_size)
{
	struct framing *f = context;

	(void)kind;
	f->odd_name |= strlen(name) != name_size || !is_token(name);
	f->odd_value |= value && !is_value(value, value_size);
	f->odd_line |= !lines_take(&f->lines, name, name_size, value, value_size);
	if (!strcasecmp(name, "Host")) {
		f->hosts++;
	} else if (!strcasecmp(name, "Content-Length")) {
		f->lengths++;
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		f->encodings++;
		f->odd_encoding |= !value || strcasecmp(value, "chunked");
	}
	return MHD_YES;
}

void guard_framing(struct request *r, const char *version)
{
	struct framing f = { 0 };

	f.odd_line = !lines_take_version(&f.lines, version);
	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, count, &f);
	if (f.odd_name)
		problem_set(&r->problem, PROBLEM_REQUEST, "a header's name is malformed");
	if (f.odd_line)
		problem_set(&r->problem, PROBLEM_REQUEST,
			    "a header's line is folded, has a NUL, or does not end with CRLF");
	if (f.odd_value)
		problem_set(&r->problem, PROBLEM_REQUEST, "a header's value has control characters");
	if (f.hosts > 1)
		problem_set(&r->problem, PROBLEM_REQUEST, "the header Host is there %d times", f.hosts);
	else if (!f.hosts && strcmp(version, "HTTP/1.0"))
		problem_set(&r->problem, PROBLEM_REQUEST, "the header Host is missing");
	if (f.lengths > 1)
		problem_set(&r->problem, PROBLEM_REQUEST, "the header Content-Length is there %d times", f.lengths);
	else if (f.lengths && f.encodings)
		problem_set(&r->problem, PROBLEM_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
	else if (f.encodings > 1 || f.odd_encoding)
		problem_set(&r->problem, PROBLEM_REQUEST, "the only Transfer-Encoding that is known is chunked");
	else if (f.encodings && !strcmp(version, "HTTP/1.0"))
		problem_set(&r->problem, PROBLEM_REQUEST, "HTTP/1.0 has no Transfer-Encoding");
	/* Where the body ends is not certain: nothing behind the headers may be taken for a request. */
	if (r->problem.kind)
		r->hang_up = true;
}

/* The name in `name`, `name:port`, `[address]:port`. */
static bool host_name(const char *host, char *name, size_t room)
{
	const char *end = *host == '[' ? strchr(host, ']') : strchrnul(host, ':');
	size_t length;

	if (*host == '[')
		host++;
	if (!end || end < host)
		return false;
	length = (size_t)(end - host);
	if (!length || length >= room)
		return false;
	for (size_t i = 0; i < length; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	name[length] = '\0';
	end += *end == ']';
	if (*end == ':')
		end += 1 + strspn(end + 1, "0123456789");
	return !*end;
}

static bool is_loopback_name(const char *name)
{
	struct in6_addr ip6;
	struct in_addr ip4;

	if (inet_pton(AF_INET, name, &ip4) == 1)
		return ntohl(ip4.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, name, &ip6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&ip6);
	return !strcmp(name, "localhost");
}

static bool is_address(const char *name)
{
	struct in6_addr any;

	return inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1;
}

static bool is_ours(const struct request *r, const char *host)
{
	const struct drover_list *hosts = &r->server->options->hosts;
	char name[256];

	if (!host_name(host, name, sizeof(name)))
		return false;
	for (size_t i = 0; i < hosts->count; i++)
		if (!strcasecmp(hosts->items[i], name))
			return true;
	/* No page gets a browser to call it by an address: there are no names to be bound to one. */
	return is_loopback_name(name) || (r->server->options->allow && is_address(name));
}

void guard_origin(struct request *r, const char *method)
{
	const char *host = request_header(r, "Host"), *origin = request_header(r, "Origin");
	const char *scheme = r->server->tls ? "https://" : "http://";

	/*
	 * A browser that was told that evil.example is 127.0.0.1 still says Host: evil.example. Where tokens are
	 * needed it has none, and clients call a server by names that it does not know.
	 */
	if (!r->server->listener.local && !r->server->options->tokens && host && !is_ours(r, host))
		problem_set(&r->problem, PROBLEM_FORBIDDEN,
			    "the Host is not a name of this machine; other names are configured as `hosts`");
	if (strcmp(method, "POST") || !origin)
		return;
	if (!host || strncasecmp(origin, scheme, strlen(scheme)) || strcasecmp(origin + strlen(scheme), host))
		problem_set(&r->problem, PROBLEM_FORBIDDEN, "posts from pages of other origins are refused");
}

static bool is_json(const char *type)
{
	static const char wanted[] = "application/json";

	if (!type || strncasecmp(type, wanted, sizeof(wanted) - 1))
		return false;
	type += sizeof(wanted) - 1;
	return !*type || *type == ';' || *type == ' ';
}

void guard_body(struct request *r)
{
	const char *length = request_header(r, "Content-Length"), *type = request_header(r, "Content-Type");
	bool has_body = request_header(r, "Transfer-Encoding") || (length && strtoull(length, NULL, 10));

	if (length && strtoull(length, NULL, 10) > (unsigned long long)r->server->options->body_limit) {
		problem_set(&r->problem, PROBLEM_TOO_LARGE, "at most %lld bytes are taken: option body_limit",
			    (long long)r->server->options->body_limit);
		r->hang_up = true;
	}
	if (r->route && route_is_first_generation(r->route))
		return;
	if ((has_body || type) && !is_json(type))
		problem_set(&r->problem, PROBLEM_MEDIA_TYPE, "the body must be application/json");
}

/* RFC 9110, 12.5.1: whether one media range, with its parameters, allows a type. */
static bool range_allows(const char *range, size_t size, const char *type)
{
	const char *parameters = memchr(range, ';', size), *slash = strchr(type, '/'), *q;
	size_t length = parameters ? (size_t)(parameters - range) : size;

	while (length && strchr(" \t", range[length - 1]))
		length--;
	for (q = parameters; q && q + 2 < range + size; q++)
		if (strchr("; \t", q[-1]) && tolower((unsigned char)q[0]) == 'q' && q[1] == '=' &&
		    strtod(q + 2, NULL) <= 0)
			return false;
	if (length == 3 && !memcmp(range, "*/*", 3))
		return true;
	if (length == (size_t)(slash - type) + 2 && !strncasecmp(range, type, length - 1) && range[length - 1] == '*')
		return true;
	return length == strlen(type) && !strncasecmp(range, type, length);
}

void guard_accept(struct request *r)
{
	const char *accept = request_header(r, "Accept");
	const char *type = r->route->produces;

	if (!accept || !accept[strspn(accept, " \t,")])
		return;
	while (*accept) {
		size_t size;

		accept += strspn(accept, " \t,");
		size = strcspn(accept, ",");
		if (size && range_allows(accept, size, type))
			return;
		accept += size;
	}
	problem_set(&r->problem, PROBLEM_NOT_ACCEPTABLE, "the answer is %s, which the header Accept does not take",
		    type);
}
