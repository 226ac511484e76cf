/*
 * kpi: what events count for. Pure: no I/O, no clock. Requirements: GT-10, KP-3, 5, 6, 8, 9, 10, 13, 14, 20, 21, 22; docs/kpis.md.
 *
 * A batch collects the changes that a run of events makes to intervals, calls and agents; ingest.c adds them to the tables in
 * one transaction. The result does not depend on the order of the events, nor on how often each comes (kpi_seen), so counting
 * again from Kafka gives the same figures.
 *
 *	struct kpi_batch *b;
 *	kpi_batch_new(&b);
 *	kpi_batch_call(b, tenant, call_id)->seen = …from the table…;
 *	kpi_apply(b, &event);
 *	for (struct kpi_queue *q = b->queues; q; q = q->hh.next) …
 *	kpi_batch_free(&b);
 */
#ifndef REPORTING_KPI_H
#define REPORTING_KPI_H

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"
#include "uthash.h"

#define KPI_INTERVAL_MS (15 * 60 * 1000)
#define KPI_SHORT_MS	5000
#define KPI_KP14_MS	20000
#define KPI_ID		64 /* ids with NUL */
#define KPI_STATE_SPAN_MS \
	(7 * 86400 * INT64_C(1000)) /* of a longer state only this much is counted: a forgotten sign-out */

enum kpi_kind {
	KPI_OTHER, /* counted for nothing, but seen */
	KPI_OFFERED,
	KPI_CALL_ANSWERED,
	KPI_DIGITS,
	KPI_ENQUEUED,
	KPI_RESERVED,
	KPI_NO_ANSWER,
	KPI_AGENT_ANSWERED,
	KPI_DEQUEUED,
	KPI_ENDED,
	KPI_AGENT_STATE,
};
/* trunkline.agent.v1.AgentState */
enum kpi_state { KPI_SIGNED_OUT = 1, KPI_BUSY, KPI_READY, KPI_RESERVED_STATE, KPI_ON_CALL, KPI_WRAP_UP };

/* One event, plain; strings are valid during kpi_apply(), never NULL. */
struct kpi_event {
	enum kpi_kind kind;
	const char *tenant, *call_id, *agent_id, *queue_id;
	uint64_t seq;
	int64_t time_ms;
	const char *caller, *called, *trunk_id, *cause, *disposition, *digits, *recording_id;
	int64_t waited_ms, service_level_ms, arrival_ms;
	int64_t offered_ms, answered_ms, agent_answered_ms, ended_ms, wait_ms, talk_ms, hold_ms;
	enum kpi_state state; /* that was left */
	int64_t duration_ms;
};

/* Which numbers of a sequence have been counted: all up to `upto`, and those with a bit of the 64 after it. */
struct kpi_seen {
	uint64_t upto, bits;
};
/* true: new, and marked. A number more than 64 ahead moves the window: what then comes behind it counts as seen. */
bool kpi_seen_add(struct kpi_seen *s, uint64_t seq);

struct kpi_key {
	char tenant[KPI_ID], id[KPI_ID];
	int64_t start_ms;
};
struct kpi_queue {
	struct kpi_key key;
	int64_t offered, answered, answered_in_target, abandoned, abandoned_short, abandoned_20s, overflowed,
	    wait_answered_ms, wait_abandoned_ms, wait_max_ms, handled, talk_ms, hold_ms, after_work_ms;
	UT_hash_handle hh;
};
struct kpi_agent {
	struct kpi_key key;
	int64_t offered, answered, missed, handled, talk_ms, hold_ms, ready_ms, busy_ms, ringing_ms, on_call_ms,
	    wrap_up_ms;
	UT_hash_handle hh;
};
struct kpi_tenant { /* key.id is "" */
	struct kpi_key key;
	int64_t calls, answered, abandoned, ivr, refused, failed;
	UT_hash_handle hh;
};
/* What is known of a call from this batch; NULL and -1: nothing new. Strings are the batch's. */
struct kpi_call {
	struct kpi_key key; /* id = call, start_ms 0 */
	struct kpi_seen seen;
	bool changed;
	const char *caller, *called, *trunk_id, *queue_id, *agent_id, *disposition, *cause, *digits, *recording_id;
	int64_t offered_ms, answered_ms, agent_answered_ms, ended_ms, wait_ms, talk_ms, hold_ms;
	UT_hash_handle hh;
};
struct kpi_agent_seen {
	struct kpi_key key;
	struct kpi_seen seen;
	bool changed;
	UT_hash_handle hh;
};
struct kpi_batch {
	struct arena arena;
	struct kpi_queue *queues;
	struct kpi_agent *agents;
	struct kpi_tenant *tenants;
	struct kpi_call *calls;
	struct kpi_agent_seen *agent_seen;
	uint64_t applied, repeated;
	bool failed; /* out of memory: the batch must not be stored */
};

err_t kpi_batch_new(struct kpi_batch **ret) MUST;
void kpi_batch_free(struct kpi_batch **b);
/* Finds or adds; NULL: out of memory. */
struct kpi_call *kpi_batch_call(struct kpi_batch *b, const char *tenant, const char *call_id);
struct kpi_agent_seen *kpi_batch_agent(struct kpi_batch *b, const char *tenant, const char *agent_id);
void kpi_apply(struct kpi_batch *b, const struct kpi_event *ev);
int64_t kpi_interval(int64_t time_ms);

#endif
