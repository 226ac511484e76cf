/*
 * onboard_plan: the plan by which a new tenant is taken in (PJ-1), as docs/onboarding.md describes the file: read and checked. Pure.
 *
 *	struct onboard_plan plan;
 *	err_t e = onboard_plan_init(&plan, json, "acme.yaml", &detail);	// detail.field: "acceptance[1].call"
 *	…
 *	onboard_plan_done(&plan);
 */
#ifndef TRUNKLINE_ONBOARD_PLAN_H
#define TRUNKLINE_ONBOARD_PLAN_H

#include "apply.h"

/* One call of the acceptance: what is dialled, and what the record of the call must say. NULL, 0: it may say anything. */
struct onboard_call {
	const char *number, *caller;
	const char *queue, *agent, *disposition, *cause;
	/* Of the agent's answer where a queue or an agent is expected, else of the first answer; from the offer of the call. */
	int64_t answered_within_ms;
};
struct onboard_trial {
	int64_t from_ms, to_ms; /* wall time; to: exclusive */
	int64_t calls;		/* at least so many, or the trial says nothing */
	double
	    service_level; /* per cent, at least: answered within the queue's time, of those offered to queues (KP-21) */
	double abandoned, failed; /* per cent of all calls, at most (KP-22) */
};
struct onboard_plan {
	const char *tenant, *customer;
	const char *contact_name, *contact_email, *contact_phone;
	int64_t agents, busy_hour_calls, handle_time_ms;
	json_t *numbers, *languages; /* lists of texts */
	json_t *trial_quotas, *production_quotas;
	struct onboard_call *calls;
	size_t n_calls;
	struct onboard_trial trial;
	struct apply_list resources; /* the tenant is the first */
	json_t *json;		     /* what all of the above points into */
};

/* json: a reference is taken, and numbers where texts belong (1001) are made texts in it. file: for errors, and where audio is
 * looked for. ERR_INVALID names the field and says what would be right. */
err_t onboard_plan_init(struct onboard_plan *plan, json_t *json, const char *file, struct err_detail *detail) MUST;
void onboard_plan_done(struct onboard_plan *plan);

/* How many resources of a kind the plan has. */
int64_t onboard_plan_count(const struct onboard_plan *plan, const char *noun);
/* Agents kept busy by the calls of the busy hour, in erlangs (hour's calls x handle time). */
double onboard_plan_load(const struct onboard_plan *plan);
/* Are they the quotas that the tenant has? A quota that is not named is 0, no limit. */
bool onboard_quotas_equal(const json_t *a, const json_t *b);

#endif
