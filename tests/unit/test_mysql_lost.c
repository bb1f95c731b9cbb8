/*
 * test_mysql_lost.c - the shared store's connections that are lost, and commits whose answer is lost: what is said to be
 * done is done, and only that.
 */
#define _GNU_SOURCE /* memmem */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "unit/store_fixture.h"

static struct store st;

static void setup(void)
{
	store_kind = STORE_MYSQL;
	store_open(&st);
}

static void teardown(void)
{
	store_close(&st);
}

static void kill_connections(void)
{
	char answer[64];

	store_server("KILL HARD CONNECTION USER drover", answer, sizeof(answer));
}

START_TEST(a_lost_connection_ends_the_transaction_and_the_next_has_a_new_one)
{
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *reader;

	store_submit(&st, &task);
	WORKS(st.ops->session_open(st.self, DROVER_SESSION_READ, &reader, &err));
	claim.task_key = task.key;
	store_begin(&st);
	WORKS(st.ops->claim(st.w, st.incarnation, &claim, 1, &err));
	ck_assert(claim.claimed);
	kill_connections();
	ck_assert_int_eq(st.ops->commit(st.w, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(st.w);
	ck_assert_int_eq(store_claim(&st, st.incarnation, task.key, 0, 0), 1);
	/* A reader that notices it is told to try again, and then it works. */
	if (st.ops->task(reader, NULL, task.key, store_take_task, &task, &err))
		ck_assert_int_eq(err.code, DROVER_ERETRY);
	WORKS(st.ops->task(reader, NULL, task.key, store_take_task, &task, &err));
	ck_assert_int_eq(task.counts[DROVER_RUNNING], 5);
	st.ops->session_close(reader);
	store_verify(&st, task.key);
}
END_TEST

/* Between the store and its server: passes bytes on, but for one COMMIT it ends the connection. */
struct proxy {
	char path[80];
	int listener;
	pthread_t thread;
	atomic_int cut; /* 0: pass; 1: before the server gets it; 2: when it has answered */
	atomic_bool stop;
	atomic_bool away; /* nobody gets through after that */
};

static int proxy_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", getenv("DROVER_MARIADB_SOCKET"));
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static bool proxy_pass(int from, int to, char *bytes, size_t room, ssize_t *size)
{
	*size = read(from, bytes, room);
	return *size > 0 && write(to, bytes, (size_t)*size) == *size;
}

/* One connection. */
static void proxy_serve(struct proxy *p, int client)
{
	struct pollfd fds[2] = { { .fd = client, .events = POLLIN }, { .fd = proxy_connect(), .events = POLLIN } };
	char bytes[16384];
	ssize_t size = 1;

	if (atomic_load(&p->away)) {
		close(fds[1].fd);
		close(client);
		return;
	}

	while (!atomic_load(&p->stop)) {
		if (poll(fds, 2, 50) <= 0)
			continue;
		if (fds[1].revents && !proxy_pass(fds[1].fd, client, bytes, sizeof(bytes), &size))
			break;
		if (!fds[0].revents)
			continue;
		size = recv(client, bytes, sizeof(bytes), MSG_PEEK);
		if (size <= 0)
			break;
		if (atomic_load(&p->cut) && memmem(bytes, (size_t)size, "COMMIT", 6)) {
			if (atomic_exchange(&p->cut, 0) >= 2) {
				proxy_pass(client, fds[1].fd, bytes, sizeof(bytes), &size);
				ck_assert_int_gt(read(fds[1].fd, bytes, sizeof(bytes)), 0);
			}
			break;
		}
		if (!proxy_pass(client, fds[1].fd, bytes, sizeof(bytes), &size))
			break;
	}
	close(fds[1].fd);
	close(client);
}

static void *proxy_thread(void *arg)
{
	struct proxy *p = arg;
	struct pollfd fd = { .fd = p->listener, .events = POLLIN };

	while (!atomic_load(&p->stop))
		if (poll(&fd, 1, 50) > 0)
			proxy_serve(p, accept(p->listener, NULL, NULL));
	return NULL;
}

static void proxy_start(struct proxy *p)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(p->path, sizeof(p->path), "/tmp/test_mysql.%d", (int)getpid());
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", p->path);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(p->path);
	ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(p->listener, 4), 0);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, proxy_thread, p), 0);
}

static void proxy_end(struct proxy *p)
{
	atomic_store(&p->stop, true);
	pthread_join(p->thread, NULL);
	close(p->listener);
	unlink(p->path);
}

/* A commit whose answer does not come tells the truth: what is said to be done is done, and only that. */
static void cut_a_commit(int cut)
{
	struct proxy proxy = { .listener = -1 };
	const char *const options[] = { "socket",      proxy.path, "user",  "drover", "password",
					"open sesame", "database", st.path, NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *own = st.w, *through;
	void *self;
	int code;

	proxy_start(&proxy);
	store_submit(&st, &task);
	self = fake_host_new(&st.sink->info, options);
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &through, &err));
	claim.task_key = task.key;
	WORKS(st.ops->begin(through, &err));
	WORKS(st.ops->claim(through, st.incarnation, &claim, 1, &err));
	atomic_store(&proxy.cut, cut);
	st.w = through;
	st.changes = 0;
	code = st.ops->commit(through, store_note, &st, &err);
	st.w = own;
	ck_assert_int_eq(atomic_load(&proxy.cut), 0);
	ck_assert_int_eq(code, cut == 1 ? DROVER_ERETRY : 0);
	ck_assert_int_eq(st.changes, cut == 1 ? 0 : 1);
	if (code)
		st.ops->rollback(through);
	ck_assert_int_eq(store_unit(&st, task.key, 0).state, cut == 1 ? DROVER_UNIT_READY : DROVER_UNIT_CLAIMED);
	/* And it goes on. */
	claim.unit = 1;
	WORKS(st.ops->begin(through, &err));
	WORKS(st.ops->claim(through, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(through, NULL, NULL, &err));
	ck_assert(claim.claimed);
	st.ops->session_close(through);
	fake_host_free(&st.sink->info, self);
	proxy_end(&proxy);
	store_verify(&st, task.key);
}

START_TEST(a_commit_that_never_reached_the_server_is_told_as_not_done)
{
	cut_a_commit(1);
}
END_TEST

START_TEST(a_commit_whose_answer_was_lost_is_told_as_done)
{
	cut_a_commit(2);
}
END_TEST

/* And where it cannot be found out for so long: who does all of it again finds its claim. */
START_TEST(a_claim_without_an_answer_is_found_when_it_is_made_again)
{
	struct proxy proxy = { .listener = -1 };
	const char *const options[] = { "socket",   proxy.path, "user",        "drover", "password", "open sesame",
					"database", st.path,    "commit_wait", "0s",     NULL };
	struct drover_task task = store_task("a", 10, 5);
	struct drover_claim claim = { .unit = 0 };
	struct drover_session *s;
	void *self;

	proxy_start(&proxy);
	store_submit(&st, &task);
	self = fake_host_new(&st.sink->info, options);
	WORKS(st.sink->open(self, &err));
	WORKS(st.ops->session_open(self, DROVER_SESSION_WRITE, &s, &err));
	claim.task_key = task.key;
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	atomic_store(&proxy.away, true);
	atomic_store(&proxy.cut, 2);
	ck_assert_int_eq(st.ops->commit(s, NULL, NULL, &err), DROVER_ERETRY);
	st.ops->rollback(s);
	ck_assert_int_eq(st.ops->begin(s, &err), DROVER_ERETRY);
	atomic_store(&proxy.away, false);
	claim = (struct drover_claim){ .task_key = task.key };
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(s, NULL, NULL, &err));
	ck_assert(claim.claimed && claim.attempt == 1 && claim.count == 5);
	/* Once: it is no way to get a unit twice. */
	WORKS(st.ops->begin(s, &err));
	WORKS(st.ops->claim(s, st.incarnation, &claim, 1, &err));
	WORKS(st.ops->commit(s, NULL, NULL, &err));
	ck_assert(!claim.claimed);
	st.ops->session_close(s);
	fake_host_free(&st.sink->info, self);
	proxy_end(&proxy);
	store_verify(&st, task.key);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_lost_connection_ends_the_transaction_and_the_next_has_a_new_one,
		a_commit_that_never_reached_the_server_is_told_as_not_done,
		a_commit_whose_answer_was_lost_is_told_as_done,
		a_claim_without_an_answer_is_found_when_it_is_made_again,
	};

	if (!store_has_server())
		return 1;
	return store_run("mysql lost", setup, teardown, tests, sizeof(tests) / sizeof(tests[0]));
}
