/* rate: the shell of pace.h: whether a caller may be let in by the tenant's limit of calls a second (Quotas.calls_per_s, GT-3.1.2c). */
#include "quota_internal.h"

#include <stdio.h>
#include "base/clock.h"
#include "cc_metrics.h"
#include "log/log.h"

static void key_of(const struct tenant_slots *t, char key[QUOTA_KEY])
{
	snprintf(key, QUOTA_KEY, "%s.rate", t->tenant);
}

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

void rate_book(struct tenant_slots *t, const struct bus_msg *msg)
{
	struct bucket book;
	struct err_detail d;

	if (cc_wire_rate(msg->data, msg->size, &book, &d)) {
		metric_add(&cc_metric_bad_messages, 1);
		LOG_ERROR(NULL, "quota.bad_book", "tenant=%s field=%s why=%s", t->tenant, LOG_Q(d.field),
			  LOG_Q(d.message));
		return;
	}
	pace_read(&t->pace, &book, msg->seq);
	rate_pump(t);
}

static void on_read(err_t e, const struct bus_msg *msg, void *arg)
{
	struct tenant_slots *t = arg;
	static const struct bucket none;

	t->rate_reading = false;
	if (!e) {
		rate_book(t, msg);
	} else if (e == ERR_NOT_FOUND) {
		pace_read(&t->pace, &none, 0);
		rate_pump(t);
	}
}

static void read_book(struct tenant_slots *t)
{
	char key[QUOTA_KEY];

	if (t->rate_reading)
		return;
	key_of(t, key);
	t->rate_reading = bus_kv_get(t->control->quotas->kv, key, on_read, t) == ERR_OK;
}

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct tenant_slots *t = arg;
	uint32_t n = pace_written(&t->pace, !e, seq);

	if (t->control->quotas->closed)
		return;
	for (; n && t->paced; n--)
		let_in(t);
	rate_pump(t);
}

static void write_book(struct tenant_slots *t)
{
	char key[QUOTA_KEY];
	struct str out = STR_INIT;

	key_of(t, key);
	cc_wire_put_rate(&out, &t->pace.next);
	if (out.failed || bus_kv_put(t->control->quotas->kv, key, out.data, out.len, t->pace.expected, on_written, t))
		(void)pace_written(&t->pace, false, 0);
	str_done(&out);
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
	if (t->pace.stale)
		read_book(t);
	if (pace_next(&t->pace, limit, t->n_paced, control_now_ms(t->control)))
		write_book(t);
	while (t->paced && !pace_busy(&t->pace))
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
