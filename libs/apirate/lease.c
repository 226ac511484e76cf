#include "lease.h"

#define IDLE_MS 60000

static void turn_window(struct lease *l, int64_t now_ms)
{
	int64_t windows = (now_ms - l->window_ms) / LEASE_MS;

	if (!windows)
		return;
	l->came_before = windows == 1 ? l->came : 0;
	l->came = 0;
	l->window_ms += windows * LEASE_MS;
}

void lease_count(struct lease *l, int64_t now_ms)
{
	turn_window(l, now_ms);
	l->came++;
}

bool lease_take(struct lease *l, int64_t now_ms)
{
	if (!l->left || now_ms - l->asked_ms >= LEASE_MS)
		return false;
	l->left--;
	return true;
}

void lease_want(struct lease *l, uint32_t limit, uint32_t waiting, int64_t now_ms, uint32_t *ret_least,
		uint32_t *ret_most)
{
	uint32_t share = limit > LEASE_SHARES ? limit / LEASE_SHARES : 1;
	uint32_t lately;

	turn_window(l, now_ms);
	lately = l->came > l->came_before ? l->came : l->came_before;
	if (lately > share)
		lately = share;
	*ret_most = waiting > lately ? waiting : lately;
	*ret_least = *ret_most < share ? *ret_most : share;
}

void lease_asked(struct lease *l, int64_t now_ms)
{
	l->left = 0;
	l->asked_ms = now_ms;
}

void lease_got(struct lease *l, uint32_t n)
{
	l->left = n;
}

bool lease_cut_off(struct lease *l, bool busy, int64_t now_ms)
{
	if (!busy)
		l->owed_ms = 0;
	else if (!l->owed_ms)
		l->owed_ms = now_ms;
	return busy && now_ms - l->owed_ms >= LEASE_MS;
}

int64_t lease_alone(struct lease *l, uint32_t limit, int64_t now_ms)
{
	bucket_set(&l->alone, limit, now_ms);
	return bucket_take(&l->alone, now_ms);
}

bool lease_idle(const struct lease *l, int64_t now_ms)
{
	return now_ms - l->window_ms > IDLE_MS && now_ms - l->alone.at_ms > IDLE_MS;
}
