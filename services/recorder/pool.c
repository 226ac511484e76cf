#include "pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "fair/fair.h"

#define NICE 15

struct work {
	struct fair_item wait; /* first: one is the other */
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct pool {
	struct loop *loop;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	struct fair waiting;
	bool stop;
	unsigned n;
	pthread_t *threads;
};

static struct work *take(struct pool *p)
{
	struct work *w;

	pthread_mutex_lock(&p->mutex);
	while (!p->waiting.n && !p->stop)
		pthread_cond_wait(&p->cond, &p->mutex);
	w = p->stop ? NULL : (struct work *)fair_take(&p->waiting, NULL, NULL);
	pthread_mutex_unlock(&p->mutex);
	return w;
}

static void *run(void *arg)
{
	struct pool *p = arg;
	struct work *w;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while ((w = take(p))) {
		w->work(w->arg);
		while (loop_post(p->loop, w->done, w->arg))
			usleep(10000); /* out of memory: the result waits */
		mem_free(w);
	}
	return NULL;
}

err_t pool_new(struct pool **ret, struct loop *loop, unsigned threads)
{
	struct pool *p = mem_zalloc(sizeof(*p));

	if (!p)
		return ERR_EXHAUSTED;
	p->loop = loop;
	fair_init(&p->waiting);
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->cond, NULL);
	p->threads = mem_array(threads, sizeof(*p->threads));
	while (p->threads && p->n < threads && pthread_create(&p->threads[p->n], NULL, run, p) == 0)
		p->n++;
	if (p->n < threads) {
		pool_free(&p);
		return ERR_EXHAUSTED;
	}
	*ret = p;
	return ERR_OK;
}

void pool_free(struct pool **ref)
{
	struct pool *p = *ref;
	struct work *w;

	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	for (unsigned i = 0; i < p->n; i++)
		pthread_join(p->threads[i], NULL);
	while ((w = (struct work *)fair_take(&p->waiting, NULL, NULL)))
		mem_free(w);
	pthread_mutex_destroy(&p->mutex);
	pthread_cond_destroy(&p->cond);
	mem_free(p->threads);
	mem_free(p);
	*ref = NULL;
}

err_t pool_run(struct pool *p, const char *tenant, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct work *w = mem_zalloc(sizeof(*w));

	if (!w)
		return ERR_EXHAUSTED;
	*w = (struct work){ .work = work, .done = done, .arg = arg };
	pthread_mutex_lock(&p->mutex);
	fair_add(&p->waiting, &w->wait, tenant);
	pthread_cond_signal(&p->cond);
	pthread_mutex_unlock(&p->mutex);
	return ERR_OK;
}
