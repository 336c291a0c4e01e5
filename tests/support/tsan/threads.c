/*
 * Implements the C11 thread functions with POSIX threads, for builds with -fsanitize=thread. librdkafka is built without the
 * sanitizer and uses the C11 functions, but the sanitizer intercepts only the POSIX functions. So every program of such a build
 * links this file, whose functions replace libc's. A mtx_t is used as a pthread_mutex_t and a cnd_t as a pthread_cond_t, as in
 * glibc.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t), "one kind of each");

typedef struct {
	thrd_start_t run;
	void *argument;
} Start;

static int verdict(int error)
{
	return error == 0 ? thrd_success : thrd_error;
}

static void *thread_run(void *context)
{
	Start start = *(Start *)context;
	free(context);
	return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *out, thrd_start_t run, void *argument)
{
	Start *start = malloc(sizeof(*start));
	if (!start)
		return thrd_nomem;
	*start = (Start){ run, argument };
	int error = pthread_create(out, NULL, thread_run, start);
	if (error)
		free(start);
	return verdict(error);
}

int thrd_join(thrd_t thread, int *code)
{
	void *value = NULL;
	int error = pthread_join(thread, &value);
	if (code)
		*code = (int)(intptr_t)value;
	return verdict(error);
}

int thrd_detach(thrd_t thread)
{
	return verdict(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int kind)
{
	pthread_mutexattr_t attributes;
	pthread_mutexattr_init(&attributes);
	if (kind & mtx_recursive)
		pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	int error = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return verdict(error);
}

void mtx_destroy(mtx_t *mutex)
{
	pthread_mutex_destroy((pthread_mutex_t *)mutex);
}

int mtx_lock(mtx_t *mutex)
{
	return verdict(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
	return pthread_mutex_trylock((pthread_mutex_t *)mutex) == 0 ? thrd_success : thrd_busy;
}

int mtx_unlock(mtx_t *mutex)
{
	return verdict(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

int cnd_init(cnd_t *condition)
{
	return verdict(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

void cnd_destroy(cnd_t *condition)
{
	pthread_cond_destroy((pthread_cond_t *)condition);
}

int cnd_signal(cnd_t *condition)
{
	return verdict(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
	return verdict(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
	return verdict(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until)
{
	int error = pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until);
	return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}
