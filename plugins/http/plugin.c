/* plugin.c - the source `http`: its options, and the life of an instance. */
#include <string.h>

#include <drover/source.h>

#include "first_generation.h"
#include "http.h"
#include "listen.h"
#include "route.h"
#include "server.h"
#include "tls.h"
#include "zone.h"

static const struct drover_option options[] = {
	DROVER_OPT_STRING(
		struct http, listen, "127.0.0.1:8007",
		"where to listen: ADDRESS:PORT, [ADDRESS]:PORT, localhost:PORT or unix:PATH; port 0 takes a free "
		"one; what other machines can reach needs `tls` and `tokens`"),
	DROVER_OPT_INT(struct http, workers, "4", "1", "64", "threads that answer requests"),
	DROVER_OPT_SIZE(struct http, body_limit, "64M", "1K", "1G", "the largest body of a request"),
	DROVER_OPT_SIZE(struct http, body_memory, "256M", "1K", "16G",
			"all bodies together, beyond it clients are told to wait"),
	DROVER_OPT_INT(struct http, connection_limit, "2048", "8", "100000",
		       "connections at once; when few places are left, those that wait for a request are closed"),
	DROVER_OPT_DURATION(
		struct http, connection_timeout, "30s", "1s", "1h",
		"a connection that is silent for so long is closed, and one whose next request's headers take "
		"longer; a whole body may take four times that"),
	DROVER_OPT_INT(struct http, event_clients, "1000", "0", "100000",
		       "event streams and requests waiting for a task's end at once"),
	DROVER_OPT_SIZE(struct http, event_buffer, "1M", "16K", "1G",
			"events kept for a slow reader; beyond it the connection is closed, to be resumed"),
	DROVER_OPT_SIZE(struct http, event_memory, "64M", "1M", "64G",
			"all of them together; beyond it readers that leave more than their share are closed"),
	DROVER_OPT_SIZE(struct http, page_size, "32M", "64K", "1G",
			"a page of results ends early when it has so many bytes"),
	DROVER_OPT_INT(struct http, hosts_limit, "100", "1", "1000", "hosts that one question for results may name"),
	DROVER_OPT_DURATION(struct http, wait_limit, "10m", "30s", "1d",
			    "the longest that a request may ask to wait for a task's end"),
	DROVER_OPT_DURATION(struct http, heartbeat, "15s", "1s", "45s",
			    "after so long without an event a stream gets a comment, so that nobody takes it for dead"),
	DROVER_OPT_STRING(struct http, port_file, NULL, "file that the bound address is written to"),
	DROVER_OPT_LIST(
		struct http, hosts,
		"further names that clients may call this server by, in the header Host; with `tokens` any is taken"),
	DROVER_OPT_MAP(struct http, tls,
		       "serves HTTPS: `{cert: FILE, key: FILE}`, PEM; both are read again when they change"),
	DROVER_OPT_STRING(
		struct http, tokens, NULL,
		"file of tokens, made by `drover token`; without it everybody who can connect may do everything"),
	DROVER_OPT_MAP(struct http, first_generation,
		       "a plain listener without tokens for clients of the first generation, with its calls only: "
		       "`{listen: ADDRESS:PORT, allow_from: [NETWORK, …]}`; `unit_size: N` is for their tasks on any "
		       "listener"),
	DROVER_OPT_STRING(
		struct http, timezone, NULL,
		"of the times in the first generation's calls, such as Asia/Shanghai; without it the machine's"),
	DROVER_OPT_END
};

static int check(const void *instance, struct drover_error *err)
{
	const struct http *self = instance;
	struct listen_address address;
	int code = listen_parse(self->listen, &address, err);

	if (!code)
		code = tls_check(&self->tls, err);
	if (code)
		return code;
	if (self->tokens && *self->tokens != '/')
		return drover_error_set(err, DROVER_EINVALID, "tokens: \"%s\" does not begin with /", self->tokens);
	if (self->tls.count && address.any.sa_family == AF_UNIX)
		return drover_error_set(err, DROVER_EINVALID, "tls: a unix socket has none");
	if ((code = first_generation_check(self, err)))
		return code;
	if (address.reachable && (!self->tls.count || !self->tokens))
		return drover_error_set(err, DROVER_EINVALID,
					"listen: other machines can reach %s, so it needs %s: without them listen on "
					"127.0.0.1, [::1] or unix:PATH",
					self->listen,
					self->tls.count ? "`tokens`"
					: self->tokens  ? "`tls`"
							: "`tls` and `tokens`");
	return 0;
}

static int start(void *instance, const struct drover_source_services *services, void *core, struct drover_error *err)
{
	struct http *self = instance;
	int code = zone_open(&self->zone, self->timezone, err);

	if (!code)
		code = server_open(&self->server, self, services, core, err);
	if (!code && self->first_generation.count && (code = first_generation_open(self, services, core, err)))
		server_close(self->server);
	if (code) {
		zone_close(self->zone);
		self->zone = NULL;
	}
	return code;
}

static int drain(void *instance, int64_t deadline, struct drover_error *err)
{
	struct http *self = instance;

	(void)deadline;
	(void)err;
	server_drain(self->server);
	if (self->plain)
		server_drain(self->plain->server);
	return 0;
}

static void stop(void *instance)
{
	struct http *self = instance;

	first_generation_close(self);
	server_close(self->server);
	self->server = NULL;
	zone_close(self->zone);
	self->zone = NULL;
}

static void describe(FILE *out)
{
	fputs("{\"routes\": ", out);
	route_describe(out);
	fputs("}", out);
}

DROVER_SOURCE(.name = "http", .version = "1.0", .summary = "tasks, results and events over HTTP",
	      .self_size = sizeof(struct http), .options = options, .check = check, .open = start, .drain = drain,
	      .close = stop, .describe = describe);
