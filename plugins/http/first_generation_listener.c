/* first_generation_listener.c - the plain listener for the first generation's clients: who may connect, and its life. */
#include "first_generation.h"

#include <stdlib.h>
#include <string.h>

#include "allow.h"
#include "http.h"
#include "listen.h"
#include "server.h"
#include "zone.h"

#define UNIT_SIZE_MOST 10000

/* The options of that listener, and what it needs beside them. */
struct plain {
	struct http options; /* first: what `struct http.plain` points to */
	struct allow_list allow;
};

static char *member(const struct http *options, const char *key)
{
	for (size_t i = 0; i < options->first_generation.count; i++)
		if (!strcmp(options->first_generation.pairs[i].key, key))
			return options->first_generation.pairs[i].value;
	return NULL;
}

int64_t first_generation_unit_size(const struct http *options)
{
	const char *text = member(options, "unit_size");
	long size = text && !text[strspn(text, "0123456789")] && strlen(text) < 7 ? strtol(text, NULL, 10) : 0;

	return size >= 1 && size <= UNIT_SIZE_MOST ? size : 0;
}

static int prefixed(const struct drover_error *inner, struct drover_error *err)
{
	return drover_error_set(err, inner->code, "first_generation.%s", inner->message);
}

int first_generation_check(const struct http *options, struct drover_error *err)
{
	static const char *const known[] = { "listen", "allow_from", "unit_size", "port_file" };
	const char *listen = member(options, "listen"), *allow_from = member(options, "allow_from");
	struct drover_error inner = { 0 };
	struct listen_address address;
	struct allow_list allow;
	struct zone *zone;

	if (zone_open(&zone, options->timezone, err))
		return DROVER_EINVALID;
	zone_close(zone);
	for (size_t i = 0; i < options->first_generation.count; i++) {
		const char *key = options->first_generation.pairs[i].key;
		bool found = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			found |= !strcmp(key, known[k]);
		if (!found)
			return drover_error_set(
				err, DROVER_EINVALID,
				"first_generation.%.40s: there are only listen, allow_from, unit_size and port_file",
				key);
	}
	if (member(options, "unit_size") && !first_generation_unit_size(options))
		return drover_error_set(err, DROVER_EINVALID,
					"first_generation.unit_size: must be a whole number from 1 to %d",
					UNIT_SIZE_MOST);
	if (!listen && !allow_from && member(options, "unit_size"))
		return 0;
	if (!options->first_generation.count)
		return 0;
	if (!listen || !allow_from)
		return drover_error_set(
			err, DROVER_EINVALID,
			"first_generation: both are needed: {listen: ADDRESS:PORT, allow_from: [NETWORK]}");
	if (listen_parse(listen, &address, &inner) || allow_parse(&allow, allow_from, &inner))
		return prefixed(&inner, err);
	allow_dispose(&allow);
	if (address.any.sa_family == AF_UNIX)
		return drover_error_set(err, DROVER_EINVALID,
					"first_generation.listen: nobody on a unix socket has an address to allow");
	return 0;
}

int first_generation_open(struct http *self, const struct drover_source_services *services, void *core,
			  struct drover_error *err)
{
	struct plain *plain = calloc(1, sizeof(*plain));
	struct drover_error inner = { 0 };
	int code;

	if (!member(self, "listen")) {
		free(plain);
		return 0;
	}
	if (!plain)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	plain->options = *self;
	plain->options.listen = member(self, "listen");
	plain->options.port_file = member(self, "port_file");
	plain->options.tls = (struct drover_map){ 0 };
	plain->options.tokens = NULL;
	plain->options.allow = &plain->allow;
	code = allow_parse(&plain->allow, member(self, "allow_from"), &inner);
	if (!code)
		code = server_open(&plain->options.server, &plain->options, services, core, &inner);
	if (code) {
		prefixed(&inner, err);
		allow_dispose(&plain->allow);
		free(plain);
		return code;
	}
	drover_log(DROVER_LOG_WARNING,
		   "the first generation's calls are served on %s without encryption and without tokens: whoever sends "
		   "from %s may execute anything on every host",
		   plain->options.server->listener.text, member(self, "allow_from"));
	self->plain = &plain->options;
	return 0;
}

void first_generation_close(struct http *self)
{
	struct plain *plain = (struct plain *)self->plain;

	if (!plain)
		return;
	server_close(plain->options.server);
	allow_dispose(&plain->allow);
	free(plain);
	self->plain = NULL;
}
