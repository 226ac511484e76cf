#include "upload_slot.h"

#include <string.h>
#include "base/clock.h"
#include "base/str.h"

int64_t upload_pace_wait_ms(const struct upload_pace *pace, int64_t age_ms, size_t bytes, bool *ret_slow)
{
	int64_t left;

	*ret_slow = false;
	if (!pace->min_bytes_per_s)
		return pace->idle_ms;
	left = pace->idle_ms + (int64_t)bytes * 1000 / pace->min_bytes_per_s - age_ms;
	*ret_slow = left < pace->idle_ms;
	if (!*ret_slow)
		return pace->idle_ms;
	return left > 0 ? left : 0;
}

static err_t too_slow(const struct upload_slot *s, struct err_detail *detail)
{
	if (s->slow)
		return err_set(detail, ERR_TIMEOUT, "chunk", "too slow: fewer than %lld bytes a second came on average",
			       (long long)s->pace.min_bytes_per_s);
	return err_set(detail, ERR_TIMEOUT, "chunk", "missing: nothing came for %lld s",
		       (long long)s->pace.idle_ms / 1000);
}

static void on_timer(void *arg)
{
	const struct upload_slot *s = arg;
	struct err_detail detail = { 0 };

	rpc_fail(s->call, too_slow(s, &detail), &detail);
}

static void on_left(struct rpc_call *call, void *arg)
{
	struct upload_slot *s = arg;

	loop_timer_stop(&s->timer);
	rpc_fail(call, ERR_CANCELLED, NULL);
}

static unsigned count(const struct upload_slots *of, const char *tenant)
{
	unsigned n = 0;

	for (const struct upload_slot *s = of->list; s; s = s->next)
		n += strcmp(s->tenant, tenant) == 0;
	return n;
}

err_t upload_slot_take(struct upload_slot *s, struct upload_slots *of, const struct upload_slot_params *p,
		       struct err_detail *detail)
{
	if (count(of, p->tenant) >= UPLOAD_SLOTS_A_TENANT)
		return err_set(detail, ERR_EXHAUSTED, "", "%d uploads of the tenant are under way; try again",
			       UPLOAD_SLOTS_A_TENANT);
	if (of->n >= of->max)
		return err_set(detail, ERR_EXHAUSTED, "", "too many uploads at a time; try again");
	*s = (struct upload_slot){ .of = of,
				   .next = of->list,
				   .call = p->call,
				   .pace = { .idle_ms = p->config->uploads_idle_s * 1000,
					     .min_bytes_per_s = p->config->uploads_min_bytes_per_s } };
	(void)str_copy(s->tenant, sizeof(s->tenant), p->tenant);
	loop_timer_init(&s->timer, p->loop, on_timer, s);
	of->list = s;
	of->n++;
	return ERR_OK;
}

err_t upload_slot_wait(struct upload_slot *s, size_t bytes, struct err_detail *detail)
{
	int64_t now_ms = clock_mono_ms(), wait_ms;

	if (!s->begun_ms)
		s->begun_ms = now_ms;
	wait_ms = upload_pace_wait_ms(&s->pace, now_ms - s->begun_ms, bytes, &s->slow);
	if (!wait_ms)
		return too_slow(s, detail);
	loop_timer_start(&s->timer, wait_ms);
	rpc_on_cancel(s->call, on_left, s);
	return ERR_OK;
}

void upload_slot_stop(struct upload_slot *s)
{
	loop_timer_stop(&s->timer);
	rpc_on_cancel(s->call, NULL, NULL);
}

void upload_slot_done(struct upload_slot *s)
{
	if (!s->of)
		return;
	struct upload_slot **at = &s->of->list;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->of->n--;
	loop_timer_done(&s->timer);
	*s = (struct upload_slot){ 0 };
}
