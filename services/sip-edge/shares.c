#include "shares.h"

#include <string.h>
#include "base/hash.h"
#include "base/str.h"

#define SMOOTH	  0.25 /* weight of one tick */
#define FORGET_MS 60000
#define NOTHING	  0.001 /* calls a second */

void shares_init(struct shares *s)
{
	*s = (struct shares){ .n = 1 };
}

static uint16_t *bucket(struct shares *s, const char *name)
{
	return &s->buckets[hash_fnv1a32(name) % SHARES_BUCKETS];
}

static void link_in(struct shares *s, uint16_t i)
{
	uint16_t *b = bucket(s, s->of[i].name);

	s->of[i].next = *b;
	*b = i;
}

struct share *shares_get(struct shares *s, const char *name)
{
	struct share *made;

	if (!*name)
		return &s->of[0];
	for (uint16_t i = *bucket(s, name); i; i = s->of[i].next)
		if (str_eq(s->of[i].name, name))
			return &s->of[i];
	if (s->n == SHARES_MAX || (*name == SHARE_UNPROVEN && s->n >= SHARES_MAX / 2))
		return &s->of[0];
	made = &s->of[s->n];
	*made = (struct share){ .demand = 0 };
	if (!str_copy(made->name, sizeof(made->name), name))
		return &s->of[0];
	link_in(s, (uint16_t)s->n++);
	return made;
}

static void forget_idle(struct shares *s, int64_t now_ms)
{
	size_t kept = 1;

	for (size_t i = 1; i < s->n; i++)
		if (now_ms - s->of[i].asked_ms < FORGET_MS)
			s->of[kept++] = s->of[i];
	if (kept == s->n)
		return;
	s->n = kept;
	memset(s->buckets, 0, sizeof(s->buckets));
	for (size_t i = 1; i < kept; i++)
		link_in(s, (uint16_t)i);
}

/* Who asks for less than the level gets that, the rest is parted among the others, so the level rises, until nobody more is below it. */
static double water_level(const struct shares *s, double rate)
{
	double level = s->asking ? rate / (double)s->asking : rate, before, below;
	size_t above;

	do {
		before = level;
		below = 0;
		above = 0;
		for (size_t i = 0; i < s->n; i++) {
			if (s->of[i].demand <= level)
				below += s->of[i].demand;
			else
				above++;
		}
		level = above ? (rate - below) / (double)above : rate;
	} while (level > before * (1 + NOTHING));
	return level;
}

void shares_tick(struct shares *s, double rate, int64_t passed_ms, int64_t now_ms)
{
	s->asking = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct share *a = &s->of[i];

		a->demand += SMOOTH * (1000.0 * a->asked / (double)passed_ms - a->demand);
		if (a->demand < NOTHING)
			a->demand = 0;
		a->asked = 0;
		s->asking += a->demand > 0;
	}
	forget_idle(s, now_ms);
	s->level = water_level(s, rate);
}

bool shares_within(const struct shares *s, const struct share *share)
{
	return share->demand <= s->level;
}
