#include "apirate/apirate.h"

#include <stdio.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "lease.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "pace/pace_book.h"
#include "tenantconf/map.h"

#define POLL_MS	 20
#define SWEEP_MS 60000
#define TELL_MS	 1000
#define QUOTA	 "api_requests_per_s"

/* A request that waits for the book. */
struct held {
	struct limited *tenant;
	struct rpc_call *call;
	int64_t until_ms; /* monotonic */
	struct held *prev, *next;
};
/* A tenant with a limit. */
struct limited {
	struct map_node node;
	char tenant[64];
	struct apirate *rate;
	struct pace_book book;
	struct lease lease;
	struct held *held;
	uint32_t n_held;
	struct loop_timer poll;
	int64_t told_ms; /* monotonic: the event, last; 0: never */
};
struct apirate {
	struct apirate_params params;
	struct bus_kv *kv;
	struct map tenants;
	struct loop_timer sweep;
	bool stopped; /* what is under way still comes back */
};

static struct metric refused = METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"" QUOTA "\"",
						"requests refused because a tenant has all that its quota allows");
static struct metric alone = METRIC_COUNTER(
    "trunkline_quota_api_rate_alone_total",
    "requests let in by this instance alone because the book of the tenant's requests a second could not be asked");

static uint32_t limit_of(const struct apirate *a, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(a->params.conf, tenant);

	return t ? t->quotas.api_requests_per_s : 0;
}

/* ---- refusals ---- */

/* By its id each second's is one fact, however many instances tell it. */
static void tell(struct limited *l, uint32_t limit)
{
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	Trunkline__Event__V1__QuotaRefused body = TRUNKLINE__EVENT__V1__QUOTA_REFUSED__INIT;
	int64_t now_ms = clock_mono_ms();
	char id[128];

	if (l->told_ms && now_ms - l->told_ms < TELL_MS)
		return;
	l->told_ms = now_ms;
	snprintf(id, sizeof(id), "%s.quota." QUOTA ".%lld", l->tenant, (long long)(clock_wall_ms() / TELL_MS));
	ev.id = id;
	ev.tenant = l->tenant;
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_QUOTA_REFUSED;
	ev.quota_refused = &body;
	body.quota = (char *)(uintptr_t)QUOTA;
	body.limit = limit;
	/* One that is lost is followed by the next second's; the metric has counted it. */
	(void)!events_emit(l->rate->params.events, "system", "quota", &ev, NULL, NULL);
}

static err_t refuse(struct limited *l, uint32_t limit, int64_t wait_ms, struct err_detail *detail)
{
	metric_add(&refused, 1);
	tell(l, limit);
	(void)err_set(detail, ERR_EXHAUSTED, "quotas." QUOTA,
		      "%u of %u requests of a second in use; try again in %lld ms", limit, limit, (long long)wait_ms);
	detail->retry_ms = wait_ms;
	return ERR_EXHAUSTED;
}

static err_t refuse_by_book(struct limited *l, uint32_t limit, uint32_t waiting, struct err_detail *detail)
{
	uint32_t least, most;

	lease_want(&l->lease, limit, waiting, clock_mono_ms(), &least, &most);
	return refuse(l, limit, pace_wait_ms(&l->book.pace, least), detail);
}

static err_t decide_alone(struct limited *l, uint32_t limit, int64_t now_ms, struct err_detail *detail)
{
	int64_t wait_ms = lease_alone(&l->lease, limit, now_ms);

	if (wait_ms)
		return refuse(l, limit, wait_ms, detail);
	metric_add(&alone, 1);
	return ERR_OK;
}

/* ---- requests that are held ---- */

static struct rpc_call *take_first(struct limited *l)
{
	struct held *h = l->held;
	struct rpc_call *call = h->call;

	DL_DELETE(l->held, h);
	l->n_held--;
	mem_free(h);
	rpc_on_cancel(call, NULL, NULL);
	return call;
}

static void decide_first(struct limited *l, err_t e, const struct err_detail *detail)
{
	struct rpc_call *call = take_first(l);

	if (e)
		rpc_fail(call, e, detail);
	else
		rpc_resume(call);
}

static void on_cancelled(struct rpc_call *call, void *arg)
{
	struct held *h = arg;
	struct limited *l = h->tenant;

	(void)call;
	DL_DELETE(l->held, h);
	l->n_held--;
	mem_free(h);
}

static err_t hold(struct limited *l, struct rpc_call *call, int64_t now_ms)
{
	struct held *h = mem_zalloc(sizeof(*h));

	if (!h)
		return ERR_EXHAUSTED;
	*h = (struct held){ .tenant = l, .call = call, .until_ms = now_ms + LEASE_MS };
	DL_APPEND(l->held, h);
	l->n_held++;
	rpc_pause(call);
	rpc_on_cancel(call, on_cancelled, h);
	if (!loop_timer_running(&l->poll))
		loop_timer_start(&l->poll, POLL_MS);
	return ERR_OK;
}

/* ---- the book ---- */

static void ask_book(struct limited *l, uint32_t limit, uint32_t waiting)
{
	uint32_t least, most;
	int64_t now_ms = clock_mono_ms();

	if (l->book.pace.stale) {
		pace_book_ask(&l->book);
		return;
	}
	lease_want(&l->lease, limit, waiting, now_ms, &least, &most);
	if (!pace_next(&l->book.pace, limit, least, most, clock_wall_ms()))
		return;
	lease_asked(&l->lease, now_ms);
	pace_book_write(&l->book);
}

/* Lets in and refuses whom it can. */
static void pump(struct limited *l)
{
	uint32_t limit = limit_of(l->rate, l->tenant);
	struct err_detail d = { 0 };
	int64_t now_ms = clock_mono_ms();
	err_t e;

	while (l->held && (!limit || lease_take(&l->lease, now_ms)))
		decide_first(l, ERR_OK, NULL);
	if (!l->held)
		return;
	ask_book(l, limit, l->n_held);
	while (l->held && !pace_busy(&l->book.pace)) {
		e = refuse_by_book(l, limit, l->n_held, &d);
		decide_first(l, e, &d);
	}
	while (l->held && now_ms >= l->held->until_ms) {
		e = decide_alone(l, limit, now_ms, &d);
		decide_first(l, e, &d);
	}
	if (l->held)
		loop_timer_start(&l->poll, POLL_MS);
}

static void on_poll(void *arg)
{
	pump(arg);
}

static void on_word(uint32_t n, const struct err_detail *bad, void *arg)
{
	struct limited *l = arg;

	if (bad)
		LOG_ERROR(NULL, "quota.bad_book", "tenant=%s field=%s why=%s", l->tenant, LOG_Q(bad->field),
			  LOG_Q(bad->message));
	if (l->rate->stopped || bad)
		return;
	if (n)
		lease_got(&l->lease, n);
	(void)lease_cut_off(&l->lease, pace_busy(&l->book.pace), clock_mono_ms());
	pump(l);
	if (!l->held) /* nobody waits for the book: the next one begins to */
		(void)lease_cut_off(&l->lease, false, 0);
}

/* ---- tenants ---- */

static struct limited *get(struct apirate *a, const char *tenant)
{
	struct limited *l = (struct limited *)map_find(&a->tenants, tenant);
	char key[PACE_KEY];

	if (l || map_reserve(&a->tenants, 1))
		return l;
	l = mem_zalloc(sizeof(*l));
	if (!l)
		return NULL;
	l->rate = a;
	(void)str_copy(l->tenant, sizeof(l->tenant), tenant);
	snprintf(key, sizeof(key), "%s.api", tenant);
	pace_book_init(&l->book, a->kv, key, on_word, l);
	l->book.pace.stale = true; /* others may have been here */
	loop_timer_init(&l->poll, bus_loop(a->params.bus), on_poll, l);
	map_add(&a->tenants, &l->node, l->tenant);
	return l;
}

static void forget(struct limited *l)
{
	map_remove(&l->rate->tenants, &l->node);
	loop_timer_done(&l->poll);
	mem_free(l);
}

static void on_sweep(void *arg)
{
	struct apirate *a = arg;
	struct map_node *node = map_first(&a->tenants), *next;

	for (; node; node = next) {
		struct limited *l = (struct limited *)node;

		next = map_next(&a->tenants, node);
		if (!l->held && !pace_book_waits(&l->book) && lease_idle(&l->lease, clock_mono_ms()))
			forget(l);
	}
	loop_timer_start(&a->sweep, SWEEP_MS);
}

err_t apirate_take(struct apirate *a, struct rpc_call *call, const struct auth_user *user, struct err_detail *detail)
{
	uint32_t limit = auth_is_operator(user) || a->stopped ? 0 : limit_of(a, user->tenant);
	int64_t now_ms = clock_mono_ms();
	struct limited *l;

	if (!limit)
		return ERR_OK;
	l = get(a, user->tenant);
	if (!l)
		return ERR_EXHAUSTED;
	lease_count(&l->lease, now_ms);
	if (!l->held && lease_take(&l->lease, now_ms))
		return ERR_OK;
	ask_book(l, limit, l->n_held + 1);
	if (!pace_busy(&l->book.pace))
		return refuse_by_book(l, limit, 1, detail);
	if (lease_cut_off(&l->lease, true, now_ms))
		return decide_alone(l, limit, now_ms, detail);
	return hold(l, call, now_ms);
}

/* ---- life ---- */

err_t apirate_new(struct apirate **ret, const struct apirate_params *p, struct err_detail *detail)
{
	struct apirate *a = mem_zalloc(sizeof(*a));
	err_t e;

	if (!a)
		return ERR_EXHAUSTED;
	a->params = *p;
	loop_timer_init(&a->sweep, bus_loop(p->bus), on_sweep, a);
	e = bus_kv_open(&a->kv, p->bus, &(struct bus_kv_params){ .bucket = "quota" }, detail);
	if (e) {
		apirate_free(&a);
		return e;
	}
	metrics_register(&refused);
	metrics_register(&alone);
	loop_timer_start(&a->sweep, SWEEP_MS);
	*ret = a;
	return ERR_OK;
}

void apirate_stop(struct apirate *a)
{
	if (!a || a->stopped)
		return;
	a->stopped = true;
	loop_timer_stop(&a->sweep);
	for (struct map_node *n = map_first(&a->tenants); n; n = map_next(&a->tenants, n))
		loop_timer_stop(&((struct limited *)n)->poll);
	bus_kv_close(&a->kv);
}

void apirate_free(struct apirate **ref)
{
	struct apirate *a = *ref;
	struct map_node *node;

	if (!a)
		return;
	*ref = NULL;
	while ((node = map_first(&a->tenants)))
		forget((struct limited *)node);
	map_done(&a->tenants);
	loop_timer_done(&a->sweep);
	mem_free(a);
}
