/* tail.c - see tail.h. */
#include "cli/tail.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include <drover/error.h>

#include "cli/field.h"
#include "cli/lines.h"
#include "cli/rows.h"
#include "cli/term.h"

struct tail_host {
	char *name; /* owned */
	struct lines lines[2];
	int64_t shown[2]; /* bytes of each stream that have come */
	bool done;
	UT_hash_handle hh;
};

/* The lines of one stream of one host on their way. */
struct way {
	struct tail *tail;
	struct tail_host *host;
	int stream; /* 1, 2 */
};

void tail_line(const struct cli *cli, const char *host, int stream, const char *line, size_t size)
{
	FILE *out = stream == 2 ? stderr : stdout;

	if (cli->json) {
		struct json_object *object = json_object_new_object();

		json_object_object_add(object, "kind", json_object_new_string("line"));
		json_object_object_add(object, "host", host ? json_object_new_string(host) : NULL);
		json_object_object_add(object, "stream", json_object_new_string(stream == 2 ? "stderr" : "stdout"));
		rows_add_bytes(object, "text", line, size);
		term_json_line(cli, object, false);
		json_object_put(object);
		return;
	}
	if (host) {
		term_line(cli, out, host);
		fputs(": ", out);
	}
	term_bytes(cli, out, line, size);
	fputc('\n', out);
}

static int show_line(void *context, const char *line, size_t size)
{
	struct way *way = context;

	tail_line(way->tail->cli, way->tail->bare ? NULL : way->host->name, way->stream, line, size);
	return ferror(stdout) ? DROVER_EFAULT : 0;
}

/* Bare bytes go on as they come, but not to a terminal, which is shown lines that were made harmless. */
static int show(struct way *way, const char *data, size_t size)
{
	const struct cli *cli = way->tail->cli;
	FILE *out = way->stream == 2 ? stderr : stdout;

	way->host->shown[way->stream - 1] += (int64_t)size;
	if (!way->tail->bare || cli->json || (way->stream == 2 ? cli->stderr_terminal : cli->stdout_terminal))
		return lines_take(&way->host->lines[way->stream - 1], data, size, show_line, way);
	fwrite(data, 1, size, out);
	return ferror(stdout) ? DROVER_EFAULT : 0;
}

static int show_fetched(void *context, const char *data, size_t size)
{
	return show(context, data, size);
}

static struct tail_host *find_host(struct tail *tail, const char *name)
{
	struct tail_host *host;

	HASH_FIND_STR(tail->hosts, name, host);
	if (host)
		return host;
	host = xcalloc(1, sizeof(*host));
	host->name = xstrdup(name);
	HASH_ADD_KEYPTR(hh, tail->hosts, host->name, strlen(host->name), host);
	return host;
}

static bool wanted(const struct tail *tail, const char *name)
{
	for (size_t i = 0; tail->only && i < tail->only->count; i++)
		if (!strcmp(tail->only->names[i], name))
			return true;
	return !tail->only;
}

/* Some bytes of a stream never came: they are named, since what follows would be taken for what they were. */
static int tell_gap(struct way *way, int64_t bytes)
{
	int rc = lines_end(&way->host->lines[way->stream - 1], show_line, way);

	fflush(stdout);
	fprintf(stderr, "drover: %" PRId64 " bytes of %s's standard %s are not shown here; drover logs %s --host %s\n",
		bytes, way->host->name, way->stream == 2 ? "error" : "output", way->tail->id, way->host->name);
	return rc;
}

/* How many bytes of a stream the task keeps. */
static int learn_limit(struct tail *tail, struct drover_error *err)
{
	char *path = session_task_path(tail->session, tail->id, "");
	struct json_object *task = NULL;
	int rc = tail->limit ? 0 : client_call(&tail->session->client, "GET", path, NULL, &task, err);

	if (task)
		tail->limit = field_int(task, "output_limit", 1);
	json_object_put(task);
	free(path);
	return rc;
}

static int fetch(struct way *way, int64_t from, struct drover_error *err)
{
	struct client *client = &way->tail->session->client;
	struct buf rest = BUF_INIT;
	char header[64], *path;
	int rc;

	buf_string(&rest, "/hosts/");
	client_escape(client, &rest, way->host->name);
	buf_string(&rest, way->stream == 2 ? "/stderr" : "/stdout");
	path = session_task_path(way->tail->session, way->tail->id, rest.data);
	snprintf(header, sizeof(header), "Range: bytes=%" PRId64 "-", from);
	rc = client_raw(client, path, from ? header : NULL, false, show_fetched, way, err);
	free(path);
	buf_dispose(&rest);
	return rc;
}

/*
 * What of a stream did not come live. Where only head and tail were kept, a place in the stream is none in what was
 * kept: then either all of that is shown or nothing more.
 */
static int fetch_rest(struct way *way, int64_t total, struct drover_error *err)
{
	int64_t shown = way->host->shown[way->stream - 1];
	int rc;

	if (shown >= total)
		return 0;
	if (!shown)
		return fetch(way, 0, err);
	rc = learn_limit(way->tail, err);
	if (rc)
		return rc;
	return total <= way->tail->limit ? fetch(way, shown, err) : tell_gap(way, total - shown);
}

static void print_event(const struct cli *cli, struct json_object *event)
{
	term_json_line(cli, event, false);
}

static int take_end(struct tail *tail, struct json_object *event, struct drover_error *err)
{
	static const char *const totals[] = { "stdout_bytes", "stderr_bytes" };
	const char *name = field_text(event, "host");
	struct tail_host *host = find_host(tail, name);
	int rc = 0;

	if (host->done)
		return 0;
	for (int stream = 1; stream <= 2 && !rc; stream++) {
		struct way way = { tail, host, stream };

		rc = fetch_rest(&way, field_int(event, totals[stream - 1], 0), err);
		if (!rc)
			rc = lines_end(&host->lines[stream - 1], show_line, &way);
	}
	if (!rc && tail->cli->json)
		print_event(tail->cli, event);
	host->done = !rc;
	return rc;
}

static int take_output(struct tail *tail, struct json_object *event)
{
	struct tail_host *host = find_host(tail, field_text(event, "host"));
	int stream = !strcmp(field_text(event, "stream"), "stderr") ? 2 : 1;
	struct way way = { tail, host, stream };
	int64_t *shown = &host->shown[stream - 1], offset = field_int(event, "offset", *shown), known;
	struct buf data;
	int rc = 0;

	if (host->done)
		return 0;
	data = rows_bytes(event, "data");
	if (offset > *shown) {
		rc = tell_gap(&way, offset - *shown);
		*shown = offset;
	}
	/* After a new connection something may come again. */
	known = *shown - offset;
	if (!rc && known < (int64_t)data.size)
		rc = show(&way, data.data + known, data.size - (size_t)known);
	buf_dispose(&data);
	return rc;
}

int tail_event(struct tail *tail, const char *kind, struct json_object *event, struct drover_error *err)
{
	const char *name = field_text(event, "host");
	int rc = 0;

	if (!strcmp(kind, "host") && *name && wanted(tail, name))
		rc = take_end(tail, event, err);
	else if (!strcmp(kind, "output") && *name && wanted(tail, name))
		rc = take_output(tail, event);
	else if (!strcmp(kind, "task") && tail->cli->json)
		print_event(tail->cli, event);
	if (fflush(stdout) || ferror(stdout))
		rc = drover_error_set(err, DROVER_EFAULT, "standard output is closed");
	return rc;
}

void tail_dispose(struct tail *tail)
{
	struct tail_host *host, *next;

	HASH_ITER (hh, tail->hosts, host, next) {
		HASH_DEL(tail->hosts, host);
		lines_dispose(&host->lines[0]);
		lines_dispose(&host->lines[1]);
		free(host->name);
		free(host);
	}
}
