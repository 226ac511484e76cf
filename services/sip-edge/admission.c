#include "admission.h"

#define CUT_REST_MS 400	 /* what a cut does shows only after what was let in before has been served */
#define CUT	    0.9	 /* of what is served while calls wait, which is all that can be: room to work off what waits */
#define CUT_DEEP    0.5	 /* answers are four times as late as they may be */
#define RAISE	    0.02 /* a tick, of what could be served last, while the rate is below NEAR of that … */
#define RAISE_SLOWLY \
	0.003 /* … and from there on, times the seconds since the last cut: what has become faster is found */
#define NEAR	    0.95
#define BURST_S	    0.05 /* calls that may come at once, in seconds of the rate … */
#define BURST_LEAST 10	 /* … and at least: a slow machine without load refuses nobody */
#define SMOOTH	    0.25 /* weight of one tick in what is served */
#define FORGET_MS   5000 /* nobody was refused for so long: no limit any more */
#define LATE_SHARE  4	 /* one of so many answers late: it is not chance */

void admission_init(struct admission *a, const struct admission_params *p, int64_t now_ms)
{
	*a = (struct admission){ .p = *p, .filled_ms = now_ms, .ticked_ms = now_ms, .cut_ms = now_ms - CUT_REST_MS };
	shares_init(&a->shares);
}

static double burst(double rate)
{
	return rate * BURST_S > BURST_LEAST ? rate * BURST_S : BURST_LEAST;
}

static void fill(double *tokens, int64_t *filled_ms, double rate, int64_t now_ms)
{
	if (now_ms > *filled_ms)
		*tokens += rate * (double)(now_ms - *filled_ms) / 1000;
	*filled_ms = now_ms;
	if (*tokens > burst(rate))
		*tokens = burst(rate);
}

/* Who keeps to its part may go into the debt of all. Who does not has its part as long as there is any left of all, and what nobody takes. */
static bool has_room(const struct admission *a, const struct share *s)
{
	if (s->tokens >= 1 && shares_within(&a->shares, s))
		return a->tokens > -burst(a->rate);
	return a->tokens >= 1 && (s->tokens >= 1 || a->tokens >= burst(a->rate) / 2);
}

bool admission_open(struct admission *a, const char *whose, int64_t now_ms)
{
	struct share *s = shares_get(&a->shares, whose);

	s->asked++;
	s->asked_ms = now_ms;
	if (a->rate <= 0)
		return true;
	fill(&a->tokens, &a->filled_ms, a->rate, now_ms);
	if (!s->filled_ms) /* who comes now, or comes back */
		s->tokens = BURST_LEAST;
	fill(&s->tokens, &s->filled_ms, a->shares.level, now_ms);
	if (has_room(a, s))
		return true;
	a->refused++;
	a->refused_ms = now_ms;
	s->refused++;
	a->over_share += a->shares.asking > 1 && !shares_within(&a->shares, s);
	return false;
}

/* What was taken beyond one's part, because nobody else wanted it, is no debt. */
void admission_taken(struct admission *a, const char *whose)
{
	struct share *s = shares_get(&a->shares, whose);

	if (a->rate <= 0)
		return;
	a->tokens -= 1;
	s->tokens = s->tokens > 1 ? s->tokens - 1 : 0;
}

void admission_decided(struct admission *a, int64_t waited_ms)
{
	a->decided++;
	a->late += waited_ms > a->p.target_ms;
	if (waited_ms > a->longest_ms)
		a->longest_ms = waited_ms;
}

/* The longest delay that is more than chance; 0: all is well. */
static int64_t delay(const struct admission *a, int64_t oldest_ms, int64_t lag_ms)
{
	int64_t worst_ms = oldest_ms;

	if (a->late * LATE_SHARE > a->decided && a->longest_ms > worst_ms)
		worst_ms = a->longest_ms;
	if (lag_ms > worst_ms)
		worst_ms = lag_ms;
	return worst_ms > a->p.target_ms ? worst_ms : 0;
}

/* What is served while calls wait does not depend on the rate: a second cut in a row is no deeper than the first. */
static void cut(struct admission *a, int64_t late_ms, int64_t now_ms)
{
	if (now_ms - a->cut_ms < CUT_REST_MS)
		return;
	if (a->rate <= 0) { /* it begins now */
		a->tokens = BURST_LEAST;
		for (size_t i = 0; i < a->shares.n; i++) {
			a->shares.of[i].tokens = BURST_LEAST;
			a->shares.of[i].filled_ms = now_ms;
		}
		a->filled_ms = now_ms;
		a->refused_ms = now_ms;
	}
	a->full = a->served;
	a->rate = a->full * (late_ms > 4 * a->p.target_ms ? CUT_DEEP : CUT);
	if (a->rate < (double)a->p.least_cps)
		a->rate = (double)a->p.least_cps;
	a->cut_ms = now_ms;
}

static void raise(struct admission *a, int64_t passed_ms, int64_t now_ms)
{
	double from = a->full > a->rate ? a->full : a->rate, share = RAISE;

	if (a->rate >= NEAR * a->full)
		share = RAISE_SLOWLY * (1 + (double)(now_ms - a->cut_ms) / 1000);
	a->rate += from * (share < RAISE ? share : RAISE) * (double)passed_ms / ADMISSION_TICK_MS;
}

void admission_tick(struct admission *a, int64_t now_ms, int64_t oldest_ms, int64_t lag_ms)
{
	int64_t passed_ms = now_ms - a->ticked_ms, late_ms = delay(a, oldest_ms, lag_ms);

	if (passed_ms <= 0)
		return;
	a->served += SMOOTH * (1000.0 * a->decided / (double)passed_ms - a->served);
	if (late_ms && (a->was_late || a->rate > 0)) /* the first time may be a hiccup of the machine */
		cut(a, late_ms, now_ms);
	else if (a->refused)
		raise(a, passed_ms, now_ms);
	else if (a->rate > 0 && now_ms - a->refused_ms >= FORGET_MS)
		a->rate = 0;
	shares_tick(&a->shares, a->rate, passed_ms, now_ms);
	a->refused = a->decided = a->late = 0;
	a->longest_ms = 0;
	a->was_late = late_ms != 0;
	a->ticked_ms = now_ms;
}

bool admission_limits(const struct admission *a)
{
	return a->rate > 0;
}
