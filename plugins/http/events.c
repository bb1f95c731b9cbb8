/*
 * events.c - the changes of a task as server-sent events (the HTML standard, 9.2).
 *
 * A stream subscribes first and looks at the task then, whose number of its last change divides what
 * is to come: changes up to that number are in the store and are replayed from there, where the client
 * asks for it, those above it come as events. So nothing is missed or sent twice. While the store's
 * rows are replayed, events are held back. Replayed rows carry no id: a client that is cut off among
 * them asks again from where it began.
 *
 * What is not sent yet is bounded by `event_buffer`: a reader that is too slow for it is cut off, and
 * gets what it missed from the store when it comes again. All that wait together are bounded by
 * `event_memory`: beyond it those are cut off that have more than their share. What hosts print is nowhere to
 * be had again, and is left out before that: from a quarter of the buffer on.
 *
 * Threads: a worker creates it and replays; events come on a thread of the core; the connection's
 * thread reads. Their common ground is under `lock`, which may be held when the server's is taken.
 */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "params.h"
#include "show.h"

#define EVERY_KIND (1u << DROVER_EVENT_TASK | 1u << DROVER_EVENT_UNIT | 1u << DROVER_EVENT_HOST)

#define TOKEN_CHECK 1000 /* ms between two looks at the token that a stream was opened with */
#define OUTPUT_SHARE 4   /* of the buffer: a quarter */

#define REPLAY_ROWS 500
#define BLOCK_SIZE 16384
#define SHARE_LEAST 8192 /* of the memory for all readers */
#define FINAL_STATUSES (~(1u << DROVER_PENDING | 1u << DROVER_RUNNING) & ((1u << DROVER_STATUS_COUNT) - 1))

struct stream {
	struct server *server; /* borrowed */
	struct job job;
	struct parked parked;
	void *subscription;
	struct principal token; /* what it was opened with, owned; role NONE: no token was needed */
	int64_t since;          /* rows changed after it are replayed; -1: none */
	int64_t key, after_id;
	bool final;             /* the task had ended when it was looked at */
	bool output;            /* what hosts print is wanted, too */
	struct writer greeting; /* the task as it was looked at: sent behind what is replayed */

	pthread_mutex_t lock; /* of what is below */
	int64_t snapshot;     /* changes up to it come from the store */
	struct writer out;    /* to be sent, from `sent` on */
	size_t sent;
	struct writer held; /* events that wait for the end of the replay, each behind a struct held */
	bool replaying;
	bool ended;       /* nothing is added to `out` any more */
	bool cut;         /* it is closed at once */
	bool gone;        /* the connection has ended */
	int64_t beat;     /* workers_now() of the last thing sent */
	int64_t left_out; /* events of output, since the last one that was not */
	int64_t counted;  /* of waiting(), in the server's event_bytes */
};

struct held {
	int64_t seq;
	size_t size;
	bool last;
};

/* --------------------------------------------------------------------------------------- writing */

static void frame(struct writer *w, const char *kind, int64_t id, const char *json, size_t size)
{
	writer_printf(w, "event: %s\n", kind);
	if (id)
		writer_printf(w, "id: %lld\n", (long long)id);
	writer_append(w, "data: ", 6);
	writer_append(w, json, size);
	writer_append(w, "\n\n", 2);
}

/* Under the lock: bytes that the reader has not had. */
static int64_t waiting(const struct stream *s)
{
	return (int64_t)(s->out.size - s->sent + s->held.size);
}

/* Under the lock. Returns what waits for all readers. */
static int64_t count(struct stream *s)
{
	int64_t change = waiting(s) - s->counted;

	s->counted += change;
	return atomic_fetch_add(&s->server->event_bytes, change) + change;
}

/* What each reader may leave unread when all together leave too much. */
static int64_t share(const struct stream *s)
{
	int64_t clients = atomic_load(&s->server->clients), part;

	part = s->server->options->event_memory / (clients > 0 ? clients : 1);
	if (part > s->server->options->event_buffer)
		part = s->server->options->event_buffer;
	return part > SHARE_LEAST ? part : SHARE_LEAST;
}

/* Under the lock: sends the reader what is there, or cuts it off where that is too much. */
static void flush(struct stream *s)
{
	const struct http *options = s->server->options;
	bool crowded = count(s) > options->event_memory;

	if (s->out.failed || s->held.failed || waiting(s) > options->event_buffer ||
	    (crowded && waiting(s) > share(s))) {
		s->cut = true;
		writer_dispose(&s->out);
		writer_dispose(&s->held);
		s->sent = 0;
		count(s);
	}
	server_resume(s->server, &s->parked);
}

/* Whether this is the event of a task's end. */
static bool is_last(const struct drover_event *event)
{
	struct json_object *json, *state;
	bool last = false;

	if (event->kind != DROVER_EVENT_TASK)
		return false;
	json = json_tokener_parse(event->json);
	if (json_object_is_type(json, json_type_object) && json_object_object_get_ex(json, "state", &state))
		for (int i = DROVER_TASK_DONE; i < DROVER_TASK_STATE_COUNT; i++)
			last |= !strcmp(json_object_get_string(state),
					drover_task_state_name((enum drover_task_state)i));
	json_object_put(json);
	return last;
}

/* Under the lock. Events of units have no number: they are told as they happen and kept nowhere. */
static bool is_new(const struct stream *s, int64_t seq)
{
	return !seq || seq > s->snapshot;
}

/* Under the lock: at the end of what is to be sent, or of what is held back while the replay goes on. */
static void add_frame(struct stream *s, const char *kind, const struct drover_event *event, bool last)
{
	struct held head = { .seq = event->seq, .last = last };
	size_t start = s->held.size;

	if (!s->replaying) {
		frame(&s->out, kind, event->seq, event->json, event->json_size);
		s->ended = last;
		return;
	}
	writer_append(&s->held, &head, sizeof(head));
	frame(&s->held, kind, event->seq, event->json, event->json_size);
	head.size = s->held.size - start - sizeof(head);
	if (!s->held.failed)
		memcpy(s->held.data + start, &head, sizeof(head));
}

/* Under the lock. Whether there is room for it; says how many had none as soon as one has. */
static bool may_show(struct stream *s)
{
	char json[64];

	if (waiting(s) > s->server->options->event_buffer / OUTPUT_SHARE) {
		s->left_out++;
		return false;
	}
	if (s->left_out) {
		snprintf(json, sizeof(json), "{\"kind\":\"gap\",\"events\":%lld}", (long long)s->left_out);
		add_frame(s, "gap", &(struct drover_event){ .json = json, .json_size = strlen(json) }, false);
		s->left_out = 0;
	}
	return true;
}

static void on_event(void *context, const struct drover_event *event)
{
	static const char *const kinds[] = { [DROVER_EVENT_TASK] = "task",
					     [DROVER_EVENT_UNIT] = "unit",
					     [DROVER_EVENT_HOST] = "host",
					     [DROVER_EVENT_OUTPUT] = "output" };
	bool last = is_last(event);
	struct stream *s = context;

	if ((size_t)event->kind >= sizeof(kinds) / sizeof(*kinds) || !kinds[event->kind])
		return;
	pthread_mutex_lock(&s->lock);
	if (!s->ended && !s->cut && !s->gone && is_new(s, event->seq) &&
	    (event->kind != DROVER_EVENT_OUTPUT || may_show(s))) {
		add_frame(s, kinds[event->kind], event, last);
		flush(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --------------------------------------------------------------------------------------- replay */

struct replay {
	struct stream *stream;
	struct writer rows;
	struct writer row;
	int64_t count;
	bool more;
};

static int replay_row(void *context, const struct drover_result_row *row)
{
	struct replay *replay = context;
	struct stream *s = replay->stream;

	if (replay->count == REPLAY_ROWS || (int64_t)replay->rows.size > share(s) / 2) {
		replay->more = true;
		return 1;
	}
	replay->count++;
	s->after_id = row->id;
	if (row->seq > s->snapshot)
		return 0; /* its event comes */
	replay->row.size = 0;
	replay->row.separate = false;
	show_host_event(&replay->row, row);
	frame(&replay->rows, "host", 0, replay->row.data, replay->row.size);
	replay->rows.failed |= replay->row.failed;
	return 0;
}

/* Under the lock: the replay is over, what was held back follows. */
static void release(struct stream *s)
{
	struct held head;

	writer_append(&s->out, s->greeting.data, s->greeting.size);
	s->replaying = false;
	s->ended = s->final;
	for (size_t at = 0; at < s->held.size && !s->ended; at += sizeof(head) + head.size) {
		memcpy(&head, s->held.data + at, sizeof(head));
		if (!is_new(s, head.seq))
			continue;
		writer_append(&s->out, s->held.data + at + sizeof(head), head.size);
		s->ended = head.last;
	}
	writer_dispose(&s->held);
	writer_dispose(&s->greeting);
}

/* Reads the next page of rows into `out`. */
static void replay_page(struct stream *s)
{
	struct replay replay = { .stream = s };
	struct drover_result_filter filter = { .size = sizeof(filter),
					       .task_key = s->key,
					       .statuses = FINAL_STATUSES,
					       .after_id = s->after_id,
					       .since_seq = s->since,
					       .limit = REPLAY_ROWS + 1 };
	struct drover_error err = { 0 };
	int code = 0;

	if (s->since >= 0)
		code = s->server->services->results(s->server->core, &filter, replay_row, &replay, &err);
	pthread_mutex_lock(&s->lock);
	writer_append(&s->out, replay.rows.data, replay.rows.size);
	s->cut |= code < 0 || replay.rows.failed;
	if (!replay.more)
		release(s);
	flush(s);
	pthread_mutex_unlock(&s->lock);
	if (code < 0)
		drover_log(DROVER_LOG_WARNING, "cannot replay events: %s", err.message);
	writer_dispose(&replay.rows);
	writer_dispose(&replay.row);
}

/* ---------------------------------------------------------------------------------- the stream's life */

static void stream_free(struct stream *s)
{
	if (s->subscription)
		s->server->services->unsubscribe(s->server->core, s->subscription);
	server_leave_client(s->server);
	pthread_mutex_destroy(&s->lock);
	atomic_fetch_sub(&s->server->event_bytes, s->counted);
	writer_dispose(&s->out);
	writer_dispose(&s->held);
	writer_dispose(&s->greeting);
	principal_dispose(&s->token);
	free(s);
}

/* Woken by the reader when it has nothing to read, at the connection's end, and by time. */
static enum job_result work(struct job *job)
{
	struct stream *s = (struct stream *)((char *)job - offsetof(struct stream, job));
	bool gone, replay, still = !s->token.role || tokens_still(&s->server->tokens, &s->token);
	int64_t now = workers_now(), pause = s->server->options->heartbeat;

	pthread_mutex_lock(&s->lock);
	gone = s->gone;
	if (!still)
		s->cut = true;
	if (!still)
		flush(s);
	replay = s->replaying && s->sent == s->out.size && !s->cut;
	if (!s->replaying && !s->ended && !s->cut && now - s->beat >= pause) {
		writer_append(&s->out, ":\n\n", 3);
		s->beat = now;
		flush(s);
	}
	job->due = (now - s->beat < pause ? s->beat : now) + pause;
	if (s->token.role && job->due > now + TOKEN_CHECK)
		job->due = now + TOKEN_CHECK;
	pthread_mutex_unlock(&s->lock);
	if (gone) {
		stream_free(s);
		return JOB_GONE;
	}
	if (replay)
		replay_page(s);
	return JOB_KEPT;
}

/* Under the lock: a reader that never has all keeps no more in memory than it has not had. */
static void forget_sent(struct stream *s)
{
	if (s->sent == s->out.size) {
		writer_dispose(&s->out);
		s->sent = 0;
	} else if (s->sent > s->out.size / 2) {
		memmove(s->out.data, s->out.data + s->sent, s->out.size - s->sent);
		s->out.size -= s->sent;
		s->sent = 0;
	}
	count(s);
}

/* The library's thread asks for what is to be sent. 0 only when the connection is suspended. */
static ssize_t read_some(void *context, uint64_t position, char *buffer, size_t room)
{
	struct stream *s = context;
	size_t size;
	ssize_t n = 0;

	(void)position;
	pthread_mutex_lock(&s->lock);
	size = s->out.size - s->sent;
	if (s->cut) {
		n = MHD_CONTENT_READER_END_WITH_ERROR;
	} else if (size) {
		size = size < room ? size : room;
		memcpy(buffer, s->out.data + s->sent, size);
		s->sent += size;
		s->beat = workers_now();
		n = (ssize_t)size;
		forget_sent(s);
	} else if (s->ended || !server_park(s->server, &s->parked)) {
		n = MHD_CONTENT_READER_END_OF_STREAM;
	} else if (s->replaying) {
		workers_wake(&s->server->workers, &s->job);
	}
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void on_response_end(void *context)
{
	struct stream *s = context;

	/* Both under the lock: a worker that sees `gone` frees the stream. */
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	workers_wake(&s->server->workers, &s->job);
	pthread_mutex_unlock(&s->lock);
}

/* ------------------------------------------------------------------------------------ the request */

static int greet(void *context, const struct drover_task *task)
{
	struct stream *s = context;
	struct writer event = { NULL };

	show_task_event(&event, task);
	frame(&s->greeting, "task", task->seq, event.data, event.size);
	s->greeting.failed |= event.failed;
	writer_dispose(&event);
	pthread_mutex_lock(&s->lock);
	s->snapshot = task->seq;
	pthread_mutex_unlock(&s->lock);
	s->key = task->key;
	s->final = drover_task_state_is_final(task->state);
	return 0;
}

/* From the header that browsers send, or the parameter; -1: neither is there. */
static int64_t last_event_id(struct request *r)
{
	const char *text = request_header(r, "Last-Event-ID");
	long long value;
	char *end;

	if (!text)
		return params_int(r, "last_event_id", -1, 0, INT64_MAX);
	errno = 0;
	value = strtoll(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno)
		problem_set(&r->problem, PROBLEM_REQUEST, "the Last-Event-ID is none that was given here");
	return value;
}

static struct stream *stream_new(struct request *r, int64_t since)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->server = r->server;
	s->parked.connection = r->connection;
	s->job.run = work;
	if (!principal_copy(&s->token, &r->access.token)) {
		free(s);
		return NULL;
	}
	s->since = since;
	s->replaying = true;
	s->beat = workers_now();
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

static int open_stream(struct request *r, struct stream *s)
{
	const struct drover_source_services *services = r->server->services;
	struct drover_error err = { 0 };
	unsigned kinds = EVERY_KIND | (s->output ? 1u << DROVER_EVENT_OUTPUT : 0);
	int code = services->subscribe(r->server->core, r->arguments[0], kinds, on_event, s, &s->subscription, &err);

	if (!code)
		code = services->task(r->server->core, r->arguments[0], greet, s, &err);
	if (code == DROVER_ENOTFOUND)
		problem_set(&r->problem, PROBLEM_NOT_FOUND, "there is no task %.160s", r->arguments[0]);
	else if (code)
		problem_set_code(&r->problem, code, &err);
	return code;
}

int events_stream(struct request *r)
{
	int64_t since = last_event_id(r), key;
	bool output = params_bool(r, "output", false);
	struct stream *s;

	r->content_type = "text/event-stream";
	if (r->problem.kind || (r->head && tasks_find(r, &key)))
		return 0;
	if (r->head)
		return MHD_HTTP_OK;
	if (!server_enter_client(r->server))
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "too many clients wait: option event_clients");
	s = stream_new(r, since);
	if (!s) {
		server_leave_client(r->server);
		return problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	}
	s->output = output;
	if (!open_stream(r, s)) {
		r->response =
			MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_some, s, on_response_end);
		if (!r->response)
			problem_set(&r->problem, PROBLEM_UNAVAILABLE, "not enough memory");
	}
	if (r->problem.kind)
		stream_free(s);
	else
		workers_wake(&r->server->workers, &s->job);
	return MHD_HTTP_OK;
}
