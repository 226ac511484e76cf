#include "upload_slot.h"

#include <string.h>
#include "base/str.h"

static void on_idle(void *arg)
{
	struct upload_slot *s = arg;
	struct err_detail detail = { 0 };

	rpc_fail(s->call,
		 err_set(&detail, ERR_TIMEOUT, "chunk", "missing: nothing came for %lld s",
			 (long long)s->idle_ms / 1000),
		 &detail);
}

static void on_left(struct rpc_call *call, void *arg)
{
	struct upload_slot *s = arg;

	loop_timer_stop(&s->idle);
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
	*s = (struct upload_slot){ .of = of, .next = of->list, .call = p->call, .idle_ms = p->idle_ms };
	(void)str_copy(s->tenant, sizeof(s->tenant), p->tenant);
	loop_timer_init(&s->idle, p->loop, on_idle, s);
	of->list = s;
	of->n++;
	return ERR_OK;
}

void upload_slot_wait(struct upload_slot *s)
{
	loop_timer_start(&s->idle, s->idle_ms);
	rpc_on_cancel(s->call, on_left, s);
}

void upload_slot_stop(struct upload_slot *s)
{
	loop_timer_stop(&s->idle);
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
	loop_timer_done(&s->idle);
	*s = (struct upload_slot){ 0 };
}
