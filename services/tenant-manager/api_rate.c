#include "api_rate.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/bucket.h"
#include "metrics/metrics.h"
#include "quota.h"
#include "tenantconf/map.h"

#define LOOK_MS 500

struct limited {
	struct map_node node;
	struct api_rate *rate;
	char tenant[64];
	struct bucket bucket;
	int64_t looked_ms;
	bool looking, gone;
	unsigned per_s; /* read, on its way to the loop */
};
struct api_rate {
	struct manager *tm;
	struct map tenants;
};

static struct metric refused = METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"api_requests_per_s\"",
						"requests refused because a tenant has all that its quota allows");

err_t api_rate_new(struct api_rate **ret, struct manager *tm)
{
	struct api_rate *r = mem_zalloc(sizeof(*r));

	if (!r)
		return ERR_EXHAUSTED;
	r->tm = tm;
	metrics_register(&refused);
	*ret = r;
	return ERR_OK;
}

static void forget(struct limited *l)
{
	map_remove(&l->rate->tenants, &l->node);
	mem_free(l);
}

void api_rate_free(struct api_rate **ref)
{
	struct api_rate *r = *ref;
	struct map_node *node;

	if (!r)
		return;
	while ((node = map_first(&r->tenants)))
		forget((struct limited *)node);
	map_done(&r->tenants);
	mem_free(r);
	*ref = NULL;
}

/* ---- the limit ---- */

static err_t read_limit(struct db_tx *tx, void *arg)
{
	struct limited *l = arg;
	const ProtobufCMessage *quotas;
	struct db_result *res = NULL;
	struct arena a;
	err_t e = db_exec(tx, &res, "SELECT quotas FROM tm.tenant WHERE tenant = tm.tenant()", 0, NULL);

	arena_init(&a, 0);
	l->gone = !e && !db_rows(res);
	if (!e && !l->gone)
		e = quota_from_row(&a, res, 0, 0, &quotas);
	if (!e && !l->gone)
		l->per_s = quota_api_requests_per_s(quotas);
	arena_done(&a);
	db_result_free(&res);
	return e;
}

static void on_limit(err_t e, void *arg)
{
	struct limited *l = arg;
	int64_t now_ms = clock_mono_ms();

	l->looking = false;
	l->looked_ms = now_ms;
	if (!e && l->gone)
		forget(l); /* a token outlives its tenant */
	else if (!e)
		bucket_set(&l->bucket, l->per_s, now_ms);
}

static void look(struct limited *l, int64_t now_ms)
{
	if (l->looking || now_ms - l->looked_ms < LOOK_MS)
		return;
	l->looked_ms = now_ms;
	l->looking = db_run(l->rate->tm->db, l->tenant, read_limit, l, on_limit, l) == ERR_OK;
}

/* ---- requests ---- */

static struct limited *get(struct api_rate *r, const char *tenant, int64_t now_ms)
{
	struct limited *l = (struct limited *)map_find(&r->tenants, tenant);

	if (l || map_reserve(&r->tenants, 1))
		return l;
	l = mem_zalloc(sizeof(*l));
	if (!l)
		return NULL;
	l->rate = r;
	l->looked_ms = now_ms - LOOK_MS;
	(void)str_copy(l->tenant, sizeof(l->tenant), tenant);
	map_add(&r->tenants, &l->node, l->tenant);
	return l;
}

err_t api_rate_take(struct api_rate *r, const char *tenant, struct err_detail *detail)
{
	int64_t now_ms = clock_mono_ms();
	struct limited *l = get(r, tenant, now_ms);

	if (!l)
		return ERR_EXHAUSTED;
	look(l, now_ms);
	int64_t wait_ms = bucket_take(&l->bucket, now_ms);
	if (!wait_ms)
		return ERR_OK;
	metric_add(&refused, 1);
	(void)err_set(detail, ERR_EXHAUSTED, "quotas.api_requests_per_s",
		      "%u of %u requests of a second in use; try again in %lld ms", l->bucket.per_s, l->bucket.per_s,
		      (long long)wait_ms);
	detail->retry_ms = wait_ms;
	return ERR_EXHAUSTED;
}
