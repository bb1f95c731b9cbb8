/* connections.c - see connections.h. */
#include "connections.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#define SWEEP 1000 /* ms between two looks at the deadlines */

struct connection {
	int fd;
	bool waiting; /* in the list */
	bool closed;  /* shut down here; the library closes it */
	int64_t since;
	TAILQ_ENTRY(connection) entry;
};

/* Under the lock, as all below: the library closes a descriptor after it has told so, so it is still this one's. */
static void close_first(struct connections *c)
{
	struct connection *first = TAILQ_FIRST(&c->waiting);

	TAILQ_REMOVE(&c->waiting, first, entry);
	first->waiting = false;
	first->closed = true;
	c->closed++;
	c->count--;
	shutdown(first->fd, SHUT_RDWR);
}

static void begin_waiting(struct connections *c, struct connection *connection)
{
	connection->since = workers_now();
	connection->waiting = true;
	TAILQ_INSERT_TAIL(&c->waiting, connection, entry);
}

static void end_waiting(struct connections *c, struct connection *connection)
{
	if (connection->waiting)
		TAILQ_REMOVE(&c->waiting, connection, entry);
	connection->waiting = false;
}

static enum job_result sweep(struct job *job)
{
	struct connections *c = (struct connections *)((char *)job - offsetof(struct connections, sweep));
	int64_t now = workers_now();
	struct connection *first;

	pthread_mutex_lock(&c->lock);
	while ((first = TAILQ_FIRST(&c->waiting)) && first->since + c->deadline <= now)
		close_first(c);
	pthread_mutex_unlock(&c->lock);
	job->due = now + SWEEP;
	return JOB_KEPT;
}

void connections_init(struct connections *c, struct workers *workers, size_t limit, int64_t deadline)
{
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->waiting);
	c->count = 0;
	c->closed = 0;
	c->crowded = limit - limit / 8;
	c->deadline = deadline;
	c->workers = workers;
	c->sweep = (struct job){ .run = sweep };
	workers_wake(workers, &c->sweep);
}

void connections_dispose(struct connections *c)
{
	pthread_mutex_destroy(&c->lock);
}

static struct connection *start(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *started = info ? calloc(1, sizeof(*started)) : NULL;

	if (started)
		started->fd = info->connect_fd;
	return started;
}

void connections_notify(void *context, struct MHD_Connection *connection, void **state,
			enum MHD_ConnectionNotificationCode code)
{
	struct connection *known = code == MHD_CONNECTION_NOTIFY_STARTED ? start(connection) : *state;
	struct connections *c = context;

	*state = known;
	if (!known)
		return; /* no memory: this one is left to the library's own time */
	pthread_mutex_lock(&c->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		c->count++;
		begin_waiting(c, known);
		while (c->count > c->crowded && TAILQ_FIRST(&c->waiting) != known)
			close_first(c);
	} else {
		end_waiting(c, known);
		c->count -= !known->closed;
		free(known);
		*state = NULL;
	}
	pthread_mutex_unlock(&c->lock);
}

static struct connection *find(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

void connections_begin(struct connections *c, struct MHD_Connection *connection)
{
	struct connection *known = find(connection);

	if (!known)
		return;
	pthread_mutex_lock(&c->lock);
	end_waiting(c, known);
	pthread_mutex_unlock(&c->lock);
}

void connections_end(struct connections *c, struct MHD_Connection *connection)
{
	struct connection *known = find(connection);

	if (!known)
		return;
	pthread_mutex_lock(&c->lock);
	if (!known->waiting && !known->closed)
		begin_waiting(c, known);
	pthread_mutex_unlock(&c->lock);
}

struct connections_state connections_look(struct connections *c)
{
	struct connections_state state;

	pthread_mutex_lock(&c->lock);
	state = (struct connections_state){ .open = c->count, .closed = c->closed };
	pthread_mutex_unlock(&c->lock);
	return state;
}
