/* server.c - see server.h. */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"
#include "request.h"

#define LIBRARY_THREADS 2
#define FAREWELL 2 /* seconds that answers get to leave when the server closes */

/* ------------------------------------------------------------------------------------ parking */

bool server_park(struct server *server, struct parked *parked)
{
	bool park;

	pthread_mutex_lock(&server->lock);
	park = !server->stopping;
	if (park) {
		MHD_suspend_connection(parked->connection);
		TAILQ_INSERT_TAIL(&server->parked, parked, entry);
		parked->in = true;
	}
	pthread_mutex_unlock(&server->lock);
	return park;
}

static void resume(struct server *server, struct parked *parked)
{
	TAILQ_REMOVE(&server->parked, parked, entry);
	parked->in = false;
	MHD_resume_connection(parked->connection);
	pthread_cond_broadcast(&server->changed);
}

void server_resume(struct server *server, struct parked *parked)
{
	pthread_mutex_lock(&server->lock);
	if (parked->in)
		resume(server, parked);
	pthread_mutex_unlock(&server->lock);
}

bool server_enter_client(struct server *server)
{
	if (atomic_fetch_add(&server->clients, 1) < server->options->event_clients)
		return true;
	server_leave_client(server);
	return false;
}

void server_leave_client(struct server *server)
{
	atomic_fetch_sub(&server->clients, 1);
}

/* --------------------------------------------------------------------------- the library's calls */

static enum job_result work(struct job *job)
{
	struct request *r = (struct request *)((char *)job - offsetof(struct request, job));

	if (r->admission == ADMISSION_ASKED) {
		access_check_task(r);
		r->admission = ADMISSION_TOLD;
	} else if (!request_handle(r))
		return JOB_KEPT;
	server_resume(r->server, &r->parked);
	return JOB_GONE;
}

static enum MHD_Result answer(struct request *r)
{
	if (!r->response)
		request_respond(r);
	if (!r->response)
		return MHD_NO;
	tally_add(r->server->tally, r->route, r->status);
	return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

/* What takes a question to the store is asked before the body is read, too; then the library calls again. */
static void ask_admission(struct request *r)
{
	r->admission = ADMISSION_ASKED;
	if (server_park(r->server, &r->parked)) {
		workers_wake(&r->server->workers, &r->job);
		return;
	}
	problem_set(&r->problem, PROBLEM_UNAVAILABLE, "the daemon is stopping");
	r->admission = ADMISSION_NONE;
	r->discard = true;
}

static enum MHD_Result end_admission(struct request *r, const char *url, const char *method)
{
	r->admission = ADMISSION_NONE;
	r->job = (struct job){ .run = work }; /* the one that ended is not touched any more */
	if (r->problem.kind)
		r->discard = true;
	request_refused(r, method, url);
	return r->hang_up ? answer(r) : MHD_YES;
}

/* The headers are there. What is refused and has a long body, or one of unknown length, is answered at once. */
static enum MHD_Result begin(struct server *server, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, void **state)
{
	struct request *r = request_new(server, connection, method, url, version);
	const char *length;

	connections_begin(&server->connections, connection);
	if (!r)
		return MHD_NO;
	*state = r;
	r->job.run = work;
	pthread_mutex_lock(&server->lock);
	server->requests++;
	pthread_mutex_unlock(&server->lock);
	if (!r->problem.kind && access_needs_task(r))
		ask_admission(r);
	if (!r->discard)
		return MHD_YES;
	length = request_header(r, "Content-Length");
	if (request_header(r, "Transfer-Encoding") || request_header(r, "Expect") ||
	    (length && strtoull(length, NULL, 10) > REQUEST_DISCARD_LIMIT)) {
		problem_set(&r->problem, PROBLEM_TOO_LARGE, "a request of this kind has no body");
		r->hang_up = true;
	}
	return r->hang_up ? answer(r) : MHD_YES;
}

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			     const char *version, const char *data, size_t *size, void **state)
{
	struct request *r = *state;

	if (!r)
		return begin(context, connection, url, method, version, state);
	if (r->admission == ADMISSION_TOLD)
		return end_admission(r, url, method);
	if (*size) {
		bool go_on = request_collect(r, data, *size);

		*size = 0;
		return go_on ? MHD_YES : MHD_NO;
	}
	if (r->response)
		return answer(r);
	if (r->problem.kind || r->route->place == ROUTE_DIRECT) {
		request_handle(r);
		return answer(r);
	}
	if (!server_park(r->server, &r->parked)) {
		problem_set(&r->problem, PROBLEM_UNAVAILABLE, "the daemon is stopping");
		return answer(r);
	}
	workers_wake(&r->server->workers, &r->job);
	return MHD_YES;
}

static void complete(void *context, struct MHD_Connection *connection, void **state,
		     enum MHD_RequestTerminationCode code)
{
	struct server *server = context;

	(void)code;
	connections_end(&server->connections, connection);
	if (!*state)
		return;
	request_free(*state);
	*state = NULL;
	pthread_mutex_lock(&server->lock);
	server->requests--;
	pthread_cond_broadcast(&server->changed);
	pthread_mutex_unlock(&server->lock);
}

/* Paths and parameters are decoded by params.c, which refuses what is malformed. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

static void __attribute__((format(printf, 2, 0))) log_line(void *context, const char *format, va_list args)
{
	char line[512];

	(void)context;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	drover_log(DROVER_LOG_DEBUG, "libmicrohttpd: %s", line);
}

/* -------------------------------------------------------------------------------- open and close */

static int start_library(struct server *server, struct drover_error *err)
{
	const struct http *options = server->options;
	const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	const struct MHD_OptionItem secure[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_retrieve },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	server->daemon = MHD_start_daemon(
		flags | (server->tls ? MHD_USE_TLS : 0), 0, NULL, NULL, serve, server, MHD_OPTION_EXTERNAL_LOGGER,
		log_line, NULL, MHD_OPTION_LISTEN_SOCKET, server->listener.fd, MHD_OPTION_THREAD_POOL_SIZE,
		(unsigned)LIBRARY_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connection_limit,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((options->connection_timeout + 999) / 1000),
		MHD_OPTION_NOTIFY_COMPLETED, complete, server, MHD_OPTION_NOTIFY_CONNECTION, connections_notify,
		&server->connections, LINES_OPTION, 1, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL,
		MHD_OPTION_ARRAY, server->tls ? secure : secure + 2, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!server->daemon)
		return drover_error_set(err, DROVER_EFAULT, "cannot start the HTTP server on %s",
					server->listener.text);
	return 0;
}

static int open_guards(struct server *server, struct drover_error *err)
{
	const struct http *options = server->options;
	int code = 0;

	if (options->tokens)
		code = tokens_open(&server->tokens, options->tokens, err);
	if (!code && options->tls.count)
		code = tls_open(&server->tls, &options->tls, server->listener.fd, err);
	return code;
}

int server_open(struct server **out, const struct http *options, const struct drover_source_services *services,
		void *core, struct drover_error *err)
{
	struct server *server = calloc(1, sizeof(*server));
	struct listen_address address;
	int code, workers;

	if (!server)
		return drover_error_set(err, DROVER_ENOMEM, "not enough memory");
	server->options = options;
	server->services = services;
	server->core = core;
	TAILQ_INIT(&server->parked);
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->changed, NULL);
	code = DROVER_ENOMEM;
	if (!(server->tally = tally_new())) {
		drover_error_set(err, code, "not enough memory");
		goto no_listener;
	}
	if ((code = listen_parse(options->listen, &address, err)))
		goto no_listener;
	if ((code = listen_open(&server->listener, &address, options->listen, err)))
		goto no_listener;
	if ((workers = workers_start(&server->workers, (size_t)options->workers))) {
		code = drover_error_set(err, DROVER_EFAULT, "cannot start threads: %s", strerror(workers));
		goto no_workers;
	}
	refusals_init(&server->refusals, server);
	connections_init(&server->connections, &server->workers, (size_t)options->connection_limit,
			 options->connection_timeout);
	if ((code = open_guards(server, err)))
		goto no_guards;
	if ((code = start_library(server, err)))
		goto no_guards;
	if (options->port_file && (code = listen_write_address(&server->listener, options->port_file, err))) {
		server_close(server);
		return code;
	}
	drover_log(DROVER_LOG_INFO, "listening on %s", server->listener.text);
	*out = server;
	return 0;

no_guards:
	tls_close(server->tls);
	tokens_close(&server->tokens);
	workers_stop(&server->workers);
	connections_dispose(&server->connections);
	refusals_dispose(&server->refusals);
no_workers:
	close(server->listener.fd);
	listen_remove(&server->listener);
no_listener:
	tally_free(server->tally);
	free(server);
	return code;
}

void server_drain(struct server *server)
{
	server->draining = true;
}

/*
 * Nobody is suspended from here on: event streams see their end, requests that wait are answered, those
 * with a worker when that is done. Then what has been answered gets a moment to leave.
 */
static void finish_requests(struct server *server)
{
	struct parked *parked, *next;
	struct timespec until;

	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	for (parked = TAILQ_FIRST(&server->parked); parked; parked = next) {
		next = TAILQ_NEXT(parked, entry);
		if (parked->job)
			workers_wake(&server->workers, parked->job);
		else
			resume(server, parked);
	}
	while (!TAILQ_EMPTY(&server->parked))
		pthread_cond_wait(&server->changed, &server->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += FAREWELL;
	while (server->requests && pthread_cond_timedwait(&server->changed, &server->lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&server->lock);
}

void server_close(struct server *server)
{
	MHD_socket fd = MHD_quiesce_daemon(server->daemon); /* accepts nobody from now on */

	listen_remove(&server->listener);
	if (server->options->port_file)
		unlink(server->options->port_file);
	finish_requests(server);
	MHD_stop_daemon(server->daemon);
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
	refusals_finish(&server->refusals);
	workers_stop(&server->workers);
	connections_dispose(&server->connections);
	refusals_dispose(&server->refusals);
	tls_close(server->tls);
	tokens_close(&server->tokens);
	pthread_cond_destroy(&server->changed);
	pthread_mutex_destroy(&server->lock);
	tally_free(server->tally);
	free(server);
}
