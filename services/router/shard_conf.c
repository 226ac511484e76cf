/* A tenant's queues into the core: in slices, so that a configuration of ten thousand queues holds up no decision, and tenants in turn, so
 * that it holds up no other tenant's either (GT-3.1.2d). */
#include "shard.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define SLICE	2   /* queues; a new requirement takes up to 100 us of the core's time */
#define TURN_US 300 /* then the loop has its turn */

struct conf_job {
	STAILQ_ENTRY(conf_job) next;
	const struct tenant *tenant;
	size_t at; /* queues done */
};

static void apply(struct shard *s, const struct tenant *t, size_t from, size_t n, bool more)
{
	struct router_queue_conf queues[SLICE];
	struct router_tenant_conf conf = { .tenant = t->id, .queues = queues, .continued = from > 0, .more = more };

	/* Same members in the same order: a skill with its level. */
	_Static_assert(sizeof(struct tenant_skill_level) == sizeof(struct router_skill), "one is read as the other");
	for (; conf.n_queues < n; conf.n_queues++) {
		const struct tenant_queue *q = &t->queues[from + conf.n_queues];

		queues[conf.n_queues] = (struct router_queue_conf){ .id = q->id,
								    .skills = (const struct router_skill *)q->skills,
								    .n_skills = q->n_skills,
								    .max_waiting = q->max_waiting,
								    .ring_timeout_ms = q->ring_timeout_ms };
	}
	shard_after(s, router_core_tenant(s->core, &conf, router_now_ms(s->router)));
}

/* The next slice; false: that was the last, without queues: what is no more is removed. */
static bool step(struct shard *s, const struct tenant *t, size_t *at)
{
	size_t n = t->n_queues - *at < SLICE ? t->n_queues - *at : SLICE;

	apply(s, t, *at, n, n > 0);
	*at += n;
	return n > 0;
}

void shard_tenant(struct shard *s, const struct tenant *t)
{
	size_t at = 0;

	while (s->core && step(s, t, &at))
		;
}

static struct conf_job *find_job(struct shard *s, const char *tenant)
{
	struct conf_job *j;

	STAILQ_FOREACH(j, &s->jobs, next)
	if (str_eq(j->tenant->id, tenant))
		return j;
	return NULL;
}

static void drop_job(struct shard *s, struct conf_job *j)
{
	STAILQ_REMOVE(&s->jobs, j, conf_job, next);
	tenant_unref(&j->tenant);
	mem_free(j);
}

static void on_turn(void *arg)
{
	struct shard *s = arg;
	int64_t t0 = clock_mono_us();
	struct conf_job *j;

	while ((j = STAILQ_FIRST(&s->jobs)) && clock_mono_us() - t0 < TURN_US) {
		bool more = step(s, j->tenant, &j->at);

		if (STAILQ_EMPTY(&s->jobs)) /* the core stepped down */
			return;
		if (!more) {
			drop_job(s, j);
			continue;
		}
		STAILQ_REMOVE_HEAD(&s->jobs, next);
		STAILQ_INSERT_TAIL(&s->jobs, j, next);
	}
	if (j)
		loop_timer_start(&s->conf_turn, 0);
}

void shard_conf_drop(struct shard *s, const char *tenant)
{
	struct conf_job *j = find_job(s, tenant);

	if (j)
		drop_job(s, j);
}

void shard_tenant_changed(struct shard *s, const char *tenant, const struct tenant *t)
{
	const struct tenant none = { .id = tenant };
	struct conf_job *j;

	if (!s->core)
		return;
	shard_conf_drop(s, tenant); /* begins again, with what is newer */
	if (!t) {
		shard_tenant(s, &none);
		return;
	}
	j = mem_zalloc(sizeof(*j));
	if (!j) {
		router_fail(s->router);
		return;
	}
	j->tenant = tenant_ref(t);
	STAILQ_INSERT_TAIL(&s->jobs, j, next);
	loop_timer_start(&s->conf_turn, 0);
}

void shard_conf_init(struct shard *s)
{
	STAILQ_INIT(&s->jobs);
	loop_timer_init(&s->conf_turn, s->router->loop, on_turn, s);
}

void shard_conf_stop(struct shard *s)
{
	while (!STAILQ_EMPTY(&s->jobs))
		drop_job(s, STAILQ_FIRST(&s->jobs));
	loop_timer_stop(&s->conf_turn);
}
