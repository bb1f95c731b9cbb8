/*
 * metrics.c - the core's metrics and this server's own, in Prometheus's text format 0.0.4.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#include "handlers.h"

#include <string.h>

#define PREFIX "drover_"
#define EXACT 9e15 /* whole numbers below it have a double of their own */

struct exposition {
	struct writer *w;
	char name[128]; /* of the last one: HELP and TYPE come once */
};

/* In a help text `\` and line ends are escaped, in a label's value the quote, too. */
static void escape(struct writer *w, const char *text, const char *special)
{
	for (; *text; text++) {
		if (strchr(special, *text))
			writer_append(w, "\\", 1);
		if (*text == '\n')
			writer_append(w, "n", 1);
		else
			writer_append(w, text, 1);
	}
}

/* `bound`: a histogram's label `le`, or NULL. */
static void write_labels(struct writer *w, const char *const *labels, const char *bound)
{
	const char *separator = "{";

	for (; labels && labels[0]; labels += 2) {
		writer_printf(w, "%s%s=\"", separator, labels[0]);
		escape(w, labels[1] ? labels[1] : "", "\\\"\n");
		writer_append(w, "\"", 1);
		separator = ",";
	}
	if (bound)
		writer_printf(w, "%sle=\"%s\"}", separator, bound);
	else if (*separator == ',')
		writer_append(w, "}", 1);
}

/* Whole numbers are written as such, so that counters never lose their last digits. */
static void write_value(struct writer *w, double value)
{
	if (value > -EXACT && value < EXACT && value == (double)(int64_t)value)
		writer_printf(w, " %lld\n", (long long)value);
	else
		writer_printf(w, " %.15g\n", value);
}

static void write_histogram(struct writer *w, const struct drover_metric *m)
{
	int64_t count = 0;
	char bound[32];

	for (size_t i = 0; i <= m->bucket_count; i++) {
		count += m->buckets[i];
		if (i < m->bucket_count)
			snprintf(bound, sizeof(bound), "%g", m->bounds[i]);
		else
			strcpy(bound, "+Inf");
		writer_printf(w, PREFIX "%s_bucket", m->name);
		write_labels(w, m->labels, bound);
		write_value(w, (double)count);
	}
	writer_printf(w, PREFIX "%s_sum", m->name);
	write_labels(w, m->labels, NULL);
	write_value(w, m->value);
	writer_printf(w, PREFIX "%s_count", m->name);
	write_labels(w, m->labels, NULL);
	write_value(w, (double)count);
}

static void write_metric(void *context, const struct drover_metric *m)
{
	static const char *const types[] = {
		[DROVER_COUNTER] = "counter", [DROVER_GAUGE] = "gauge", [DROVER_HISTOGRAM] = "histogram"
	};
	struct exposition *e = context;

	if (strcmp(e->name, m->name)) {
		snprintf(e->name, sizeof(e->name), "%s", m->name);
		writer_printf(e->w, "# HELP " PREFIX "%s ", m->name);
		escape(e->w, m->help, "\\\n");
		writer_printf(e->w, "\n# TYPE " PREFIX "%s %s\n", m->name, types[m->type]);
	}
	if (m->type == DROVER_HISTOGRAM) {
		write_histogram(e->w, m);
		return;
	}
	writer_printf(e->w, PREFIX "%s", m->name);
	write_labels(e->w, m->labels, NULL);
	write_value(e->w, m->value);
}

/* ---------------------------------------------------------------------------------- this server */

static void write_own(struct exposition *e, enum drover_metric_type type, const char *name, const char *help,
		      const char *const *labels, int64_t value)
{
	write_metric(e, &(struct drover_metric){ .size = sizeof(struct drover_metric),
						 .name = name,
						 .help = help,
						 .type = type,
						 .labels = labels,
						 .value = (double)value });
}

static void write_tally(void *context, const struct route *route, int status, int64_t count)
{
	char code[16];
	const char *labels[] = { "method", route ? route->method : "", "route", route ? route->path : "", "code", code,
				 NULL };

	snprintf(code, sizeof(code), "%d", status);
	write_own(context, DROVER_COUNTER, "http_requests_total", "Requests answered, by route and status.", labels,
		  count);
}

static void write_server(struct exposition *e, struct server *server)
{
	struct connections_state connections = connections_look(&server->connections);

	tally_each(server->tally, write_tally, e);
	write_own(e, DROVER_GAUGE, "http_connections", "Connections that are open.", NULL, (int64_t)connections.open);
	write_own(e, DROVER_COUNTER, "http_connections_closed_total",
		  "Connections closed because they sent no request for too long, or to make room.", NULL,
		  connections.closed);
	write_own(e, DROVER_GAUGE, "http_event_clients", "Event streams and requests that wait for a task's end.", NULL,
		  atomic_load(&server->clients));
	write_own(e, DROVER_GAUGE, "http_queue_requests", "Requests that wait for a thread.", NULL,
		  (int64_t)workers_queued(&server->workers));
	write_own(e, DROVER_GAUGE, "http_body_bytes", "Memory that requests' bodies take.", NULL,
		  atomic_load(&server->body_bytes));
}

int metrics_show(struct request *r)
{
	struct exposition e = { .w = &r->out };

	r->content_type = "text/plain; version=0.0.4; charset=utf-8";
	r->server->services->metrics(r->server->core, write_metric, &e);
	write_server(&e, r->server);
	return MHD_HTTP_OK;
}
