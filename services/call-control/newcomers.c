/*
 * newcomers: new calls take turns, tenant by tenant, and begin behind what came of the calls in progress. Of more than a loop turn takes the
 * rest waits for the next: one tenant's flood delays another's call by what a turn takes, not by the flood (GT-3.1.2d). The lane is the
 * tenant's name in the call; sip-edge's limits (sip.max_offers, admission) and calls.max bound how many wait.
 */
#include "control.h"

#include <limits.h>
#include <string.h>
#include "cc_metrics.h"
#include "quota.h"

#define A_TURN 16

struct newcomer {
	struct fair_item wait; /* first: one is the other */
	struct call *call;
	char *sip_call_id;
	UT_hash_handle hh;
};

/* There is a turn, and newcomers_turn() at its end. */
static void on_timer(void *arg)
{
	(void)arg;
}

void newcomers_init(struct control *cc)
{
	fair_init(&cc->newcomers);
	cc->newcomers_left = A_TURN;
	loop_timer_init(&cc->newcomers_timer, cc->loop, on_timer, cc);
}

static err_t add(struct control *cc, struct call *call, const char *sip_call_id)
{
	struct newcomer *n = mem_zalloc(sizeof(*n));

	if (n && (n->sip_call_id = mem_strdup(sip_call_id)))
		HASH_ADD_KEYPTR(hh, cc->newcomers_by_id, call->id, strlen(call->id), n);
	if (!n || !TABLE_HAS(n)) {
		if (n)
			mem_free(n->sip_call_id);
		mem_free(n);
		return ERR_EXHAUSTED;
	}
	n->call = call;
	fair_add(&cc->newcomers, &n->wait, call->tenant);
	return ERR_OK;
}

/* The next in turn; NULL: nobody waits. */
static struct call *take(struct control *cc, char **ret_sip_call_id)
{
	struct newcomer *n = (struct newcomer *)fair_take(&cc->newcomers, NULL, NULL);
	struct call *call = n ? n->call : NULL;

	if (!n)
		return NULL;
	HASH_DEL(cc->newcomers_by_id, n);
	*ret_sip_call_id = n->sip_call_id;
	mem_free(n);
	return call;
}

err_t newcomers_come(struct control *cc, struct call *call, const char *sip_call_id)
{
	if (cc->newcomers.n || !cc->newcomers_left)
		return add(cc, call, sip_call_id);
	cc->newcomers_left--;
	quota_ask(cc, call, sip_call_id);
	return ERR_OK;
}

bool newcomers_waits(const struct control *cc, const char *call_id)
{
	const struct newcomer *n;

	HASH_FIND_STR(cc->newcomers_by_id, call_id, n);
	return n;
}

void newcomers_turn(struct control *cc)
{
	char *sip_call_id = NULL;
	struct call *call;

	if (cc->draining) /* those who come after us know nothing of who waits here */
		cc->newcomers_left = UINT_MAX;
	while (cc->newcomers_left && (call = take(cc, &sip_call_id))) {
		cc->newcomers_left--;
		quota_ask(cc, call, sip_call_id);
		mem_free(sip_call_id);
	}
	cc->newcomers_left = A_TURN;
	metric_set(&cc_metric_newcomers, (int64_t)cc->newcomers.n);
	if (cc->newcomers.n)
		loop_timer_start(&cc->newcomers_timer, 0);
}

void newcomers_free(struct control *cc)
{
	char *sip_call_id = NULL;
	struct call *call;

	loop_timer_done(&cc->newcomers_timer);
	while ((call = take(cc, &sip_call_id))) {
		call_free(&call);
		mem_free(sip_call_id);
	}
}
