/*
 * groups: who calls whom, how often, how long. A group of callers dials one number at a rate, or so that a number of them waits
 * at any time; each talks for a while (0: until told) after an agent has answered and hangs up, or its agent does.
 *
 *	group_call("short", "+491002", 0, 5.0, 0, 3000, 5000, 30000, 20);
 *	groups_turn(now_ns);              // each turn: new calls that are due
 *	groups_report(stdout);
 */
#ifndef CHAOS_PHONES_GROUPS_H
#define CHAOS_PHONES_GROUPS_H

#include <stdio.h>
#include "leg.h"

struct group_plan {
	char name[24], number[40];
	unsigned count;			   /* calls in all; 0: until told to stop */
	double rate;			   /* calls a second, at most */
	unsigned keep;			   /* this many waiting, no more; 0: no matter */
	unsigned talk_min_ms, talk_max_ms; /* 0: until told */
	unsigned patience_ms;		   /* without an agent for so long, it gives up; 0: never */
	unsigned by_agent;		   /* percent of the calls that the agent ends */
};

void groups_init(const struct line *callers, unsigned seed);
void group_call(const struct group_plan *plan, int64_t now_ns);
/* False: there is no such group. rate: hang-ups a second. */
bool group_stop(const char *name);
bool group_hang_up(const char *name, double rate);
/* How long agents ring whose id begins so; an empty prefix: all others. */
void groups_ring(const char *prefix, unsigned min_ms, unsigned max_ms);
unsigned groups_ring_ms(const char *agent);
void groups_turn(int64_t now_ns);
void groups_report(FILE *out);

/* ---- of the legs ---- */
void group_up(struct leg *l);
void group_over(struct group *g, struct leg *l);
/* An agent has answered this caller: the talk begins. */
void group_talks(struct leg *caller, struct leg *agent, int64_t now_ns);
/* It is time: the talk is over, or the patience. */
void group_act(struct leg *l, int64_t now_ns);

#endif
