#include "quota.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "metrics/metrics.h"
#include "pbr.h"
#include "trunkline/config/v1/config.pb-c.h"

#define REFUSED(quota)                                                            \
	METRIC_COUNTER_L("trunkline_quota_refused_total", "quota=\"" #quota "\"", \
			 "requests refused because a tenant has all that its quota allows")
#define COUNTED(kind, quota)                                                                           \
	{                                                                                              \
		kind, "quotas." #quota, offsetof(Trunkline__Config__V1__Quotas, quota), REFUSED(quota) \
	}

/* Kinds of resources that are limited in number; trunks, calendars and skills are not. */
static struct counted {
	const char *kind, *name;
	size_t offset; /* of a uint32 in Quotas */
	struct metric refused;
} counted[] = {
	COUNTED("queue", queues),   COUNTED("flow", flows),	COUNTED("agent", agents),
	COUNTED("number", numbers), COUNTED("prompt", prompts),
};
static struct metric audio_refused = REFUSED(prompt_bytes);

void quota_register(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++)
		metrics_register(&counted[i].refused);
	metrics_register(&audio_refused);
}

/* ---- pure ---- */

err_t quota_judge(const char *name, uint64_t limit, uint64_t before, uint64_t after, struct err_detail *detail)
{
	unsigned long long used = before, of = limit, more = after - before;

	if (!limit || after <= before || after <= limit)
		return ERR_OK;
	if (more == 1)
		return err_set(detail, ERR_EXHAUSTED, name, "%llu of %llu in use", used, of);
	return err_set(detail, ERR_EXHAUSTED, name, "%llu of %llu in use, %llu more are needed", used, of, more);
}

/* ---- in the database ---- */

err_t quota_from_row(struct arena *a, struct db_result *res, int row, int col, const ProtobufCMessage **ret)
{
	size_t size;
	const void *bytes = db_bytes(res, row, col, &size);

	*ret = NULL;
	if (!bytes)
		return ERR_EXHAUSTED;
	if (!size)
		return ERR_OK;
	*ret = pbr_unpack(a, &trunkline__config__v1__quotas__descriptor, bytes, size);
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

static err_t read_use(struct change *c, const char *what, uint64_t *ret)
{
	const char *params[] = { what };
	struct db_result *res = NULL;
	err_t e = db_exec(c->tx, &res, "SELECT used FROM tm.usage WHERE tenant = tm.tenant() AND what = $1", 1, params);

	if (!e)
		*ret = db_rows(res) ? (uint64_t)db_int(res, 0, 0) : 0;
	db_result_free(&res);
	return e;
}

static struct counted *find_counted(const struct kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(counted); i++) {
		if (strcmp(counted[i].kind, kind->name) == 0)
			return &counted[i];
	}
	return NULL;
}

err_t quota_check_added(struct change *c, const struct kind *kind, size_t n)
{
	struct counted *q = find_counted(kind);
	uint64_t used;

	if (!q || !c->quotas)
		return ERR_OK;
	uint32_t limit = *(const uint32_t *)(const void *)((const char *)c->quotas + q->offset);
	if (!limit)
		return ERR_OK;
	err_t e = read_use(c, q->kind, &used);
	if (!e)
		e = quota_judge(q->name, limit, used - n, used, &c->job->detail);
	if (e == ERR_EXHAUSTED)
		metric_add(&q->refused, 1);
	return e;
}

err_t quota_check_new(struct change *c)
{
	return quota_check_added(c, c->job->method->kind, 1);
}

static uint64_t audio_limit(const struct change *c)
{
	return c->quotas ? ((const Trunkline__Config__V1__Quotas *)c->quotas)->prompt_bytes : 0;
}

err_t quota_audio(struct change *c, uint64_t *ret_bytes)
{
	*ret_bytes = 0;
	return audio_limit(c) ? read_use(c, "prompt_bytes", ret_bytes) : ERR_OK;
}

err_t quota_check_audio(struct change *c, uint64_t before_bytes)
{
	uint64_t after;
	err_t e = quota_audio(c, &after);

	if (!e)
		e = quota_judge("quotas.prompt_bytes", audio_limit(c), before_bytes, after, &c->job->detail);
	if (e == ERR_EXHAUSTED)
		metric_add(&audio_refused, 1);
	return e;
}
