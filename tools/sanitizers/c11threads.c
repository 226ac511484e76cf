/*
 * C11 threads by POSIX threads, for programs built with ThreadSanitizer: it intercepts pthread_…, not thrd_…, mtx_… and cnd_… of
 * glibc, and a thread that librdkafka makes by thrd_create() is one that it does not know and dies of. Linked into each program
 * (Makefile), these take the place of glibc's. In glibc mtx_t and cnd_t have the size and alignment of their POSIX brothers.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t) && sizeof(cnd_t) >= sizeof(pthread_cond_t), "in place");

struct start {
	thrd_start_t fn;
	void *arg;
};

static int result(int e)
{
	switch (e) {
	case 0:
		return thrd_success;
	case ENOMEM:
		return thrd_nomem;
	case ETIMEDOUT:
		return thrd_timedout;
	case EBUSY:
		return thrd_busy;
	default:
		return thrd_error;
	}
}

static void *run(void *arg)
{
	struct start s = *(struct start *)arg;

	free(arg);
	return (void *)(intptr_t)s.fn(s.arg);
}

int thrd_create(thrd_t *ret, thrd_start_t fn, void *arg)
{
	struct start *s = malloc(sizeof(*s));
	pthread_t thread;
	int e;

	if (!s)
		return thrd_nomem;
	*s = (struct start){ fn, arg };
	e = pthread_create(&thread, NULL, run, s);
	if (e)
		free(s);
	else
		*ret = (thrd_t)thread;
	return result(e);
}

int thrd_join(thrd_t thread, int *ret)
{
	void *value = NULL;
	int e = pthread_join((pthread_t)thread, &value);

	if (!e && ret)
		*ret = (int)(intptr_t)value;
	return result(e);
}

int thrd_detach(thrd_t thread)
{
	return result(pthread_detach((pthread_t)thread));
}

int mtx_init(mtx_t *m, int type)
{
	pthread_mutexattr_t attr;
	int e;

	pthread_mutexattr_init(&attr);
	if (type & mtx_recursive)
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	e = pthread_mutex_init((pthread_mutex_t *)m, &attr);
	pthread_mutexattr_destroy(&attr);
	return result(e);
}

void mtx_destroy(mtx_t *m)
{
	pthread_mutex_destroy((pthread_mutex_t *)m);
}

int mtx_lock(mtx_t *m)
{
	return result(pthread_mutex_lock((pthread_mutex_t *)m));
}

int mtx_trylock(mtx_t *m)
{
	return result(pthread_mutex_trylock((pthread_mutex_t *)m));
}

int mtx_unlock(mtx_t *m)
{
	return result(pthread_mutex_unlock((pthread_mutex_t *)m));
}

int cnd_init(cnd_t *c)
{
	return result(pthread_cond_init((pthread_cond_t *)c, NULL));
}

void cnd_destroy(cnd_t *c)
{
	pthread_cond_destroy((pthread_cond_t *)c);
}

int cnd_signal(cnd_t *c)
{
	return result(pthread_cond_signal((pthread_cond_t *)c));
}

int cnd_broadcast(cnd_t *c)
{
	return result(pthread_cond_broadcast((pthread_cond_t *)c));
}

int cnd_wait(cnd_t *c, mtx_t *m)
{
	return result(pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m));
}

int cnd_timedwait(cnd_t *c, mtx_t *m, const struct timespec *until)
{
	return result(pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, until));
}

void call_once(once_flag *flag, void (*fn)(void))
{
	(void)pthread_once((pthread_once_t *)flag, fn);
}
