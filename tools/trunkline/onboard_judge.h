/*
 * onboard_judge: what the facts say about a plan: do the quotas suffice, were the calls of the acceptance as they should be, did the
 * trial keep its thresholds (PJ-1)? Pure: facts come as the services' JSON.
 */
#ifndef TRUNKLINE_ONBOARD_JUDGE_H
#define TRUNKLINE_ONBOARD_JUDGE_H

#include "onboard_plan.h"

enum { ONBOARD_QUOTAS = 7, ONBOARD_FIGURES = 4 };

/* One quota: what the resources and the requirement need, and what the plan gives; given 0: no limit. */
struct onboard_quota {
	const char *name;
	int64_t trial_needs, trial, production_needs, production;
	bool enough;
};
/* true: all suffice. In production the agents and the peak of the busy hour must fit, in the trial what is made. */
bool onboard_judge_quotas(const struct onboard_plan *plan, struct onboard_quota quotas[ONBOARD_QUOTAS]);
/* Calls at once in the busy hour: the load and three standard deviations of it (Poisson arrivals), rounded up. */
int64_t onboard_peak(double load);

/* One call of the acceptance. */
struct onboard_verdict {
	const json_t *call; /* the record that was taken for it; NULL: nobody has called so */
	bool passed;
	char why[128]; /* what is not as it should be */
};
/* calls: records of ReportService.ListCalls, newest first. Each record stands for one call of the plan, so that as many as possible
 * pass. verdicts: one for each call of the plan. How many passed. */
size_t onboard_judge_calls(const struct onboard_plan *plan, const json_t *calls, struct onboard_verdict *verdicts);

/* One figure of the trial against its bound. */
struct onboard_figure {
	const char *name;
	double value, bound; /* value -1: there was nothing to divide by */
	bool percent, at_least, kept;
};
/* summary: of ReportService.GetSummary over the trial. true: all are kept. */
bool onboard_judge_trial(const struct onboard_trial *trial, const json_t *summary,
			 struct onboard_figure figures[ONBOARD_FIGURES]);

/* entries of the audit, newest first: the newest that changed how calls are handled (not agents: people come and go). NULL: none. */
const json_t *onboard_last_change(const json_t *entries);

#endif
