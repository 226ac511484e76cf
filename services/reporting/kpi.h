/*
 * kpi: what events count for. Pure: no I/O, no clock. Requirements: GT-10, KP-3, 5, 6, 8, 9, 10, 13, 14, 20, 21, 22; docs/kpis.md.
 *
 * A batch collects the changes that a run of events makes to intervals, calls and agents; books.c adds them to the tables in
 * one transaction. The result does not depend on the order of the events, nor on how often each comes (kpi_seen), so counting
 * again from Kafka gives the same figures.
 *
 *	struct kpi_batch *b;
 *	kpi_batch_new(&b);
 *	kpi_place(b, events, n);                         // each event's call or agent has a row now
 *	kpi_row_find(b, agent, tenant, id)->seen = …from the table…;
 *	kpi_apply(b, events, n);
 *	for (struct kpi_tenant *t = b->tenants; t; t = t->next)
 *		for (struct kpi_queue *q = t->queues; q; q = q->next)
 *			for (struct kpi_queue_interval *i = q->intervals; i; i = i->next) …
 *	kpi_batch_reset(b);                              // the next run, in the same memory
 *	kpi_batch_free(&b);
 *
 * Fast because each event finds its row by one hash of its id (kpi_table.h), a row remembers the queue, the agent and the
 * interval of its last event, and nothing is copied: events and their texts must live as long as the batch, or until its reset.
 */
#ifndef REPORTING_KPI_H
#define REPORTING_KPI_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "kpi_table.h"

#define KPI_INTERVAL_MS (15 * 60 * 1000)
#define KPI_SHORT_MS	5000
#define KPI_KP14_MS	20000
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

/* One event, plain. Members that its kind does not have are 0 and "" up to duration_ms, and not set behind it: most kinds need two
 * cache lines, not five. In the order in which counting reads them. */
struct kpi_event {
	enum kpi_kind kind;
	enum kpi_state state; /* that was left */
	uint64_t seq;
	int64_t time_ms;
	struct kpi_row *row; /* kpi_place(): of its agent (KPI_AGENT_STATE) or its call; NULL: not placed yet */
	struct kpi_text queue_id, agent_id;
	int64_t waited_ms, service_level_ms, arrival_ms, duration_ms;
	struct kpi_text tenant, call_id;
	/* KPI_OFFERED, KPI_DIGITS, KPI_NO_ANSWER, KPI_DEQUEUED, KPI_ENDED */
	struct kpi_text cause, disposition, recording_id, caller, called, trunk_id, digits;
	int64_t offered_ms, answered_ms, agent_answered_ms, ended_ms, wait_ms, talk_ms, hold_ms;
};

/* Which numbers of a sequence have been counted: all up to `upto`, and those with a bit of the 64 after it. */
struct kpi_seen {
	uint64_t upto, bits;
};
/* true: new, and marked. A number more than 64 ahead moves the window: what then comes behind it counts as seen. */
bool kpi_seen_add(struct kpi_seen *s, uint64_t seq);

/* What an agent and a call begin with. */
struct kpi_row {
	struct kpi_name name;
	struct kpi_tenant *tenant;
	struct kpi_seen seen;
	bool placed, changed; /* events were placed in it; one of them was new */
};

struct kpi_queue_interval {
	struct kpi_span span;
	struct kpi_queue_interval *next; /* of the queue */
	int64_t offered, answered, answered_in_target, abandoned, abandoned_short, abandoned_20s, overflowed,
	    wait_answered_ms, wait_abandoned_ms, wait_max_ms, handled, talk_ms, hold_ms, after_work_ms;
};
struct kpi_agent_interval {
	struct kpi_span span;
	struct kpi_agent_interval *next;
	int64_t offered, answered, missed, handled, talk_ms, hold_ms, ready_ms, busy_ms, ringing_ms, on_call_ms,
	    wrap_up_ms;
};
struct kpi_tenant_interval {
	struct kpi_span span;
	struct kpi_tenant_interval *next;
	int64_t calls, answered, abandoned, ivr, refused, failed;
};

struct kpi_queue {
	struct kpi_name name;
	struct kpi_queue *next; /* of the tenant */
	struct kpi_queue_interval *intervals, *recent;
};
struct kpi_agent {
	struct kpi_row row;
	struct kpi_agent *next; /* of the tenant */
	struct kpi_agent_interval *intervals, *recent;
};
/* What is known of a call from this batch: the events that said it last; NULL and -1: nothing new. */
struct kpi_call {
	struct kpi_row row;
	struct kpi_call *next;
	struct kpi_queue *last_queue; /* of the last event that had one, and so the next one's most likely */
	struct kpi_agent *last_agent;
	const struct kpi_event *offered, *digits, *enqueued, *agent_answered, *ended;
	int64_t answered_ms;
};
struct kpi_tenant {
	struct kpi_name name;
	struct kpi_tenant *next;
	struct kpi_tenant_interval *intervals, *recent;
	struct kpi_queue *queues;
	struct kpi_agent *agents;
	struct kpi_call *calls;
};

struct kpi_batch {
	struct kpi_tenant *tenants;
	uint64_t applied, repeated;
	bool failed; /* out of memory: the batch must not be stored */
	struct kpi_pool pool;
	struct kpi_table by_tenant, by_queue, by_span;
	struct kpi_table by_id[2]; /* calls, agents */
};

err_t kpi_batch_new(struct kpi_batch **ret) MUST;
void kpi_batch_free(struct kpi_batch **b);
/* Empty again; keeps the memory. */
void kpi_batch_reset(struct kpi_batch *b);
/* Gives the call or agent of each event a row; false: out of memory. */
bool kpi_place(struct kpi_batch *b, struct kpi_event *events, size_t n);
/* The row of an agent or a call; NULL: there is none. */
struct kpi_row *kpi_row_find(const struct kpi_batch *b, bool agent, struct kpi_text tenant, struct kpi_text id);
/* Counts them. One that is not placed finds its row by itself. */
void kpi_apply(struct kpi_batch *b, const struct kpi_event *events, size_t n);
int64_t kpi_interval(int64_t time_ms);

#endif
