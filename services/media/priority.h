/*
 * priority: threads that move packets run before everything else of the machine (SCHED_RR), so that a busy neighbour is
 * no silence in a call; as other media servers do it. Where the system does not permit it (no CAP_SYS_NICE) they run like
 * everybody. A thread that takes more than a fifth of a processor gives the priority up until it is calmer: neither a flood of
 * packets nor thousands of calls may keep the control thread and the other services from the processors.
 *
 *	struct priority p;
 *	priority_begin(&p, settings.realtime);	// on the thread itself
 *	priority_look(&p, now_us);		// often
 */
#ifndef MEDIA_PRIORITY_H
#define MEDIA_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

struct priority {
	bool permitted, realtime;
	int usual;	   /* the policy that it began with */
	int64_t looked_us; /* monotonic */
	int64_t cpu_us;	   /* that the thread had used then */
};

void priority_begin(struct priority *p, bool wanted);
/* Once in PRIORITY_LOOK_US at most; cheap in between. */
void priority_look(struct priority *p, int64_t now_us);

/* What to do with a thread that used cpu_us of the last span_us: pure. */
bool priority_wanted(bool realtime, int64_t cpu_us, int64_t span_us);

#define PRIORITY_LOOK_US 500000

#endif
