/*
 * sign_in: signing in where a tenant's agents are limited in number (Quotas.agents_signed_in). Loop thread only.
 *
 * read the agent's record → choose a seat (seats.h, where the protocol stands) → write the seat → write the sign-in.
 */
#ifndef AGENT_DESK_SIGN_IN_H
#define AGENT_DESK_SIGN_IN_H

#include "desk.h"

struct sign_ins;

/* Before the agents' store, which tells it of every agent. */
err_t sign_ins_new(struct sign_ins **ret, struct desk *desk, struct err_detail *detail) MUST;
/* After the agents' store. Callbacks of what is under way are not called any more. */
void sign_ins_free(struct sign_ins **s);
bool sign_ins_synced(const struct sign_ins *s);
void sign_ins_agent(struct sign_ins *s, const char *tenant, const char *agent_id, const struct agent_record *record,
		    uint64_t revision);

/* As agents_apply() of AGENT_EV_SIGN_IN, when the tenant may have at most limit agents signed in. fn also with ERR_EXHAUSTED:
 * the detail names the quota. */
err_t sign_in(struct sign_ins *s, const char *tenant, const char *agent_id, unsigned limit, agents_done_fn *fn,
	      void *arg) MUST;

#endif
