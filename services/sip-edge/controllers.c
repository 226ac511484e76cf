#include "controllers.h"

#include <string.h>
#include "base/str.h"

void controllers_init(struct controllers *c)
{
	memset(c, 0, sizeof(*c));
	c->last = CONTROLLERS_MAX - 1;
}

static bool alive(const struct controller *k, int64_t now_ms)
{
	return k->instance[0] && !k->gone && now_ms - k->heard_ms < CONTROLLER_DEAD_MS;
}

bool controllers_alive(const struct controllers *c, int i, int64_t now_ms)
{
	return i >= 0 && i < CONTROLLERS_MAX && alive(&c->list[i], now_ms);
}

/* Its place, or that of the one heard longest ago that owes nothing. */
static struct controller *place(struct controllers *c, const char *instance)
{
	struct controller *oldest = NULL;

	for (int i = 0; i < CONTROLLERS_MAX; i++) {
		struct controller *k = &c->list[i];

		if (str_eq(k->instance, instance))
			return k;
		if (!k->open &&
		    (!oldest || (oldest->instance[0] && (!k->instance[0] || k->heard_ms < oldest->heard_ms))))
			oldest = k;
	}
	if (oldest) {
		memset(oldest, 0, sizeof(*oldest));
		str_copy(oldest->instance, sizeof(oldest->instance), instance);
	}
	return oldest;
}

int controllers_heard(struct controllers *c, const struct controller_beat *beat, int64_t now_ms)
{
	struct controller *k = place(c, beat->instance);
	bool other;

	if (!k)
		return CONTROLLER_NONE;
	other = k->incarnation && k->incarnation != beat->incarnation;
	k->heard_ms = now_ms;
	k->gone = beat->incarnation == 0;
	k->draining = beat->draining;
	str_copy(k->pool, sizeof(k->pool), placement_pool(beat->pool));
	k->incarnation = beat->incarnation;
	return other ? (int)(k - c->list) : CONTROLLER_NONE;
}

/* The first of the best of the pool behind the one that was chosen last. */
static int best(const struct controllers *c, const char *pool, int but, int64_t now_ms)
{
	int found = CONTROLLER_NONE;

	for (int n = 1; n <= CONTROLLERS_MAX; n++) {
		int i = (c->last + n) % CONTROLLERS_MAX;

		if (i == but || !alive(&c->list[i], now_ms) || c->list[i].draining ||
		    !placement_same(c->list[i].pool, pool))
			continue;
		if (found < 0 || c->list[i].open < c->list[found].open)
			found = i;
	}
	return found;
}

/* In the pool, else in the shared one. */
static int choose(const struct controllers *c, const char *pool, int but, int64_t now_ms)
{
	int i = best(c, pool, but, now_ms);

	return i >= 0 || placement_shared(pool) ? i : best(c, POOL_SHARED, but, now_ms);
}

int controllers_next(const struct controllers *c, const char *pool, int64_t now_ms)
{
	return choose(c, pool, CONTROLLER_NONE, now_ms);
}

int controllers_choose(struct controllers *c, const char *pool, int but, int64_t now_ms)
{
	int i = choose(c, pool, but, now_ms);

	if (i < 0 && but >= 0)
		i = choose(c, pool, CONTROLLER_NONE, now_ms);
	if (i >= 0)
		c->last = i;
	return i;
}

bool controllers_serves(const struct controllers *c, int i, const char *pool)
{
	return i < 0 || placement_same(c->list[i].pool, pool);
}

void controllers_gave(struct controllers *c, int i)
{
	if (i >= 0)
		c->list[i].open++;
}

void controllers_took(struct controllers *c, int i)
{
	if (i >= 0 && c->list[i].open)
		c->list[i].open--;
}
