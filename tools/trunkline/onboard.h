/*
 * onboard: how far a new tenant's taking in has come (PJ-1), and the report that says so.
 *
 * Nothing of it is kept anywhere: a tenant has no field for notes, and one made for this would be a second truth beside what is so.
 * Each stage is read anew from what the services hold (resources, audit, records of calls, reports, quotas), so whoever has the plan
 * goes on from any machine, and a report can be made again at any time.
 */
#ifndef TRUNKLINE_ONBOARD_H
#define TRUNKLINE_ONBOARD_H

#include "onboard_judge.h"

enum onboard_stage_id {
	ONBOARD_REQUIREMENT,
	ONBOARD_PLAN,
	ONBOARD_RESOURCES,
	ONBOARD_ACCEPTANCE,
	ONBOARD_TRIAL,
	ONBOARD_GO_LIVE,
	ONBOARD_STAGES
};
enum onboard_state { ONBOARD_LATER, ONBOARD_WAITING, ONBOARD_MISSED, ONBOARD_DONE };

struct onboard_stage {
	enum onboard_state state;
	int64_t at_ms;		  /* when it was done, wall time; 0: that is no moment */
	char who[96];		  /* subject of the token that did it; "" if nobody in particular */
	struct err_detail detail; /* what is missing */
};
struct onboard {
	struct onboard_plan plan;
	struct onboard_stage stages[ONBOARD_STAGES];
	struct onboard_quota quotas[ONBOARD_QUOTAS];
	enum apply_change *changes; /* of each resource of the plan; NULL: not compared yet */
	struct onboard_verdict *verdicts;
	json_t *calls;	  /* what the verdicts point into; NULL: none were looked at */
	int64_t since_ms; /* calls of the acceptance count from then on */
	struct onboard_figure figures[ONBOARD_FIGURES];
	bool tried;  /* figures are there */
	int64_t lag; /* records that reporting had not counted when they were read; -1: unknown */
};

/* Of a stage, as people read it: "acceptance calls". */
const char *onboard_stage_name(enum onboard_stage_id id);
const char *onboard_state_name(enum onboard_state state);
/* Appends the report, Markdown. now_ms, by: when and by whom it is made. Pure. */
void onboard_report(struct str *out, const struct onboard *o, int64_t now_ms, const char *by);
void onboard_done(struct onboard *o);

#endif
