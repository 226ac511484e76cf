/* suspended: calls of tenants that are suspended and want their calls to end. */
#include "control.h"

#define AT_ONCE 200 /* calls that end in one tick: the others' turn must come, too */

void suspended_changed(struct control *cc, const struct tenant *t)
{
	if (t && t->suspended && t->suspension_ends_calls)
		cc->look_suspended = true;
}

/* A call keeps the configuration that it began with: what holds now is looked up. */
static bool must_end(const struct control *cc, const struct live *l)
{
	const struct tenant *t = tenantconf_find_tenant(cc->conf, l->call->tenant);

	return l->started && l->call->phase < CALL_PHASE_ENDING && t && t->suspended && t->suspension_ends_calls &&
	       (!t->announcement || !l->call->flow || !str_eq(l->call->flow->id, t->announcement->id));
}

void suspended_tick(struct control *cc)
{
	struct live *l, *next;
	int n = 0;

	if (!cc->look_suspended)
		return;
	HASH_ITER (hh, cc->calls, l, next) {
		if (!must_end(cc, l))
			continue;
		if (++n > AT_ONCE)
			return; /* the next tick goes on */
		live_step(l, &(struct call_input){ .kind = INPUT_SUSPENDED });
	}
	cc->look_suspended = false;
}
