#include "priority.h"

#include <sched.h>
#include <time.h>

#include "base/clock.h"
#include "log/log.h"
#include "media_metrics.h"

#define LEVEL	      10 /* of 1 to 99: above who has none, below what a kernel's own threads have */
#define GIVE_UP_PCT   20 /* of a processor: the machine belongs to the others, too */
#define TAKE_BACK_PCT 12

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

/* Threads that it starts do not inherit it. */
static bool set(int policy, bool realtime)
{
	struct sched_param param = { .sched_priority = realtime ? LEVEL : 0 };

	return sched_setscheduler(0, policy | SCHED_RESET_ON_FORK, &param) == 0;
}

static void change(struct priority *p, bool realtime)
{
	if (realtime == p->realtime || !set(realtime ? SCHED_RR : p->usual, realtime))
		return;
	p->realtime = realtime;
	metric_add(&media_metrics.realtime_workers, realtime ? 1 : -1);
}

bool priority_wanted(bool realtime, int64_t used_us, int64_t span_us)
{
	return used_us * 100 < span_us * (realtime ? GIVE_UP_PCT : TAKE_BACK_PCT);
}

void priority_begin(struct priority *p, bool wanted)
{
	*p = (struct priority){ .usual = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK,
				.looked_us = clock_mono_us(),
				.cpu_us = cpu_us() };
	if (!wanted)
		return;
	change(p, true);
	p->permitted = p->realtime;
}

void priority_look(struct priority *p, int64_t now_us)
{
	int64_t cpu, span = now_us - p->looked_us;

	if (!p->permitted || span < PRIORITY_LOOK_US)
		return;
	cpu = cpu_us();
	change(p, priority_wanted(p->realtime, cpu - p->cpu_us, span));
	p->looked_us = now_us;
	p->cpu_us = cpu;
}
