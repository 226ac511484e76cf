/*
 * rate: whether a caller may be let in by the tenant's limit of calls a second (Quotas.calls_per_s, GT-3.1.2c), by a book that all instances share
 * (libs/pace).
 *
 * It is kept here and not in sip-edge, which takes the INVITE: a share of the limit for each edge alive would refuse callers while the
 * tenant has room, because trunks do not send to all edges alike, and let in too many while edges come and go; and what is refused here ends
 * as every call does, with its facts. Tenants without the limit pay nothing. Nothing is fetched in advance: what an instance held and did
 * not use would be missing at the others. While the book cannot be read or written the limit holds for each instance alone
 * (trunkline_quota_rate_alone_total).
 */
#include "quota_internal.h"

#include <stdio.h>
#include "base/clock.h"
#include "cc_metrics.h"
#include "log/log.h"

static void let_in(struct tenant_slots *t)
{
	t->n_paced--;
	quota_go(t, &t->paced);
}

/* Who waits for its slot gets it at the next look, not from here: they would call one another. */
static void turn_away(struct tenant_slots *t, struct call *call)
{
	metric_add(&cc_metric_over_rate, 1);
	slots_give(&t->slots);
	call->over_quota = call->over_rate = true;
}

static void refuse(struct tenant_slots *t)
{
	turn_away(t, t->paced->call);
	let_in(t);
}

/* ---- the book ------------------------------------------------------------------------------------------------------- */

static void on_word(uint32_t n, const struct err_detail *bad, void *arg)
{
	struct tenant_slots *t = arg;

	if (bad) {
		metric_add(&cc_metric_bad_messages, 1);
		LOG_ERROR(NULL, "quota.bad_book", "tenant=%s field=%s why=%s", t->tenant, LOG_Q(bad->field),
			  LOG_Q(bad->message));
		return;
	}
	if (t->control->quotas->closed)
		return;
	for (; n && t->paced; n--)
		let_in(t);
	rate_pump(t);
}

void rate_open(struct tenant_slots *t, struct bus_kv *kv)
{
	char key[QUOTA_KEY];

	snprintf(key, sizeof(key), "%s.rate", t->tenant);
	pace_book_init(&t->rate, kv, key, on_word, t);
}

/* The book has told nothing for as long as a caller may wait: KV is slow, or away. To let nobody in would be an outage of the tenant's;
 * until it tells again the limit holds for each instance alone. */
static void decide_alone(struct tenant_slots *t, uint32_t limit)
{
	int64_t now = clock_mono_ms();

	bucket_set(&t->rate_alone, limit, now);
	if (bucket_take(&t->rate_alone, now)) {
		refuse(t);
		return;
	}
	metric_add(&cc_metric_rate_alone, 1);
	let_in(t);
}

/* ---- callers -------------------------------------------------------------------------------------------------------- */

void rate_pump(struct tenant_slots *t)
{
	uint32_t limit = quota_limits(t->control, t->tenant).calls_per_s;

	if (t->control->quotas->closed)
		return;
	while (t->paced && !limit)
		let_in(t);
	while (t->paced && clock_mono_ms() >= t->paced->until_ms)
		decide_alone(t, limit);
	if (!t->paced)
		return;
	if (t->rate.pace.stale)
		pace_book_ask(&t->rate);
	if (pace_next(&t->rate.pace, limit, 1, t->n_paced, control_now_ms(t->control)))
		pace_book_write(&t->rate);
	while (t->paced && !pace_busy(&t->rate.pace))
		refuse(t);
	if (t->paced)
		quota_poll_soon(t);
}

void rate_ask(struct tenant_slots *t, struct call *call, const char *sip_call_id)
{
	bool limited = quota_limits(t->control, t->tenant).calls_per_s;

	if (limited && !quota_wait(&t->paced, call, sip_call_id)) {
		t->n_paced++;
		rate_pump(t);
		return;
	}
	if (limited)
		turn_away(t, call);
	inbox_admitted(t->control, call, sip_call_id);
}
