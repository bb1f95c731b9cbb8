/*
 * tsan_threads.c - C11's threads by POSIX's, to be preloaded where a program is built with the thread sanitizer.
 *
 * That knows POSIX's calls only: a thread that librdkafka begins by thrd_create would crash in it, and what its mutexes
 * order would look like a race. glibc's types of both are the same.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

struct begin {
	thrd_start_t fn;
	void *context;
};

static int result(int error)
{
	return !error               ? thrd_success
	       : error == EBUSY     ? thrd_busy
	       : error == ETIMEDOUT ? thrd_timedout
	       : error == ENOMEM    ? thrd_nomem
				    : thrd_error;
}

static void *run(void *context)
{
	struct begin begin = *(struct begin *)context;

	free(context);
	return (void *)(long)begin.fn(begin.context);
}

int thrd_create(thrd_t *thread, thrd_start_t fn, void *context)
{
	struct begin *begin = malloc(sizeof(*begin));

	if (!begin)
		return thrd_nomem;
	*begin = (struct begin){ fn, context };
	return result(pthread_create((pthread_t *)thread, NULL, run, begin));
}

int thrd_join(thrd_t thread, int *code)
{
	void *value = NULL;
	int error = pthread_join((pthread_t)thread, &value);

	if (code)
		*code = (int)(long)value;
	return result(error);
}

int thrd_detach(thrd_t thread)
{
	return result(pthread_detach((pthread_t)thread));
}

int mtx_init(mtx_t *mutex, int type)
{
	pthread_mutexattr_t kind;
	int error;

	pthread_mutexattr_init(&kind);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
	error = pthread_mutex_init((pthread_mutex_t *)mutex, &kind);
	pthread_mutexattr_destroy(&kind);
	return result(error);
}

void mtx_destroy(mtx_t *mutex)
{
	pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex)
{
	return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
	return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
	return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *condition)
{
	return result(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

void cnd_destroy(cnd_t *condition)
{
	pthread_cond_destroy((pthread_cond_t *)condition);
}

int cnd_signal(cnd_t *condition)
{
	return result(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
	return result(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
	return result(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *end)
{
	return result(pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, end));
}
