#include "guard.h"
#include "base/mem.h"

#include <stddef.h>
#include <string.h>

/* Open addressing over a few places per hash; the least recently begun window makes room. A false share of a place by
 * two sources needs equal 64-bit hashes. */
#define PLACES 8192
#define PROBES 8

struct window {
	uint64_t hash; /* 0: free */
	int64_t since_ms;
	unsigned failures;
};
struct guard {
	struct window places[PLACES];
};

err_t guard_new(struct guard **ret)
{
	*ret = mem_zalloc(sizeof(**ret));
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

void guard_free(struct guard **g)
{
	mem_free(*g);
	*g = NULL;
}

/* FNV-1a over both texts and the NUL between them. */
static uint64_t hash_of(const char *source, const char *user)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *source; source++)
		h = (h ^ (unsigned char)*source) * 0x100000001b3u;
	for (h *= 0x100000001b3u; *user; user++)
		h = (h ^ (unsigned char)*user) * 0x100000001b3u;
	return h ? h : 1;
}

static const struct window *find(const struct guard *g, uint64_t hash)
{
	for (size_t i = 0; i < PROBES; i++)
		if (g->places[(hash + i) % PLACES].hash == hash)
			return &g->places[(hash + i) % PLACES];
	return NULL;
}

static struct window *get(struct guard *g, uint64_t hash)
{
	struct window *oldest = &g->places[hash % PLACES], *w = (struct window *)find(g, hash);

	if (w)
		return w;
	for (size_t i = 0; i < PROBES; i++) {
		w = &g->places[(hash + i) % PLACES];
		if (!w->hash || w->since_ms < oldest->since_ms)
			oldest = w;
		if (!w->hash)
			break;
	}
	*oldest = (struct window){ .hash = hash };
	return oldest;
}

static bool over(const struct guard *g, uint64_t hash, unsigned limit, int64_t now_ms)
{
	const struct window *w = find(g, hash);

	return w && w->failures >= limit && now_ms - w->since_ms < GUARD_WINDOW_MS;
}

bool guard_blocked(const struct guard *g, const char *source, const char *user, int64_t now_ms)
{
	return over(g, hash_of(source, user), GUARD_TRIES, now_ms) ||
	       over(g, hash_of(source, ""), GUARD_SOURCE_TRIES, now_ms);
}

static void count(struct guard *g, uint64_t hash, int64_t now_ms)
{
	struct window *w = get(g, hash);

	if (now_ms - w->since_ms >= GUARD_WINDOW_MS || w->failures == 0) {
		w->since_ms = now_ms;
		w->failures = 0;
	}
	w->failures++;
}

void guard_failed(struct guard *g, const char *source, const char *user, int64_t now_ms)
{
	count(g, hash_of(source, user), now_ms);
	count(g, hash_of(source, ""), now_ms);
}

void guard_succeeded(struct guard *g, const char *source, const char *user)
{
	struct window *w = (struct window *)find(g, hash_of(source, user));

	if (w)
		w->failures = 0;
}
