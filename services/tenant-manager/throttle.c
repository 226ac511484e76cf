#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "login.h"

#define SLOTS	  4096
#define FAILURES  5
#define WINDOW_MS 60000

/* A slot per hash of tenant and agent: two that share one are slowed down together, which harms nobody for long. */
struct throttle {
	struct {
		int64_t since_ms;
		unsigned failures;
	} slots[SLOTS];
};

err_t throttle_new(struct throttle **ret)
{
	struct throttle *t = mem_zalloc(sizeof(*t));

	if (!t)
		return ERR_EXHAUSTED;
	*ret = t;
	return ERR_OK;
}

void throttle_free(struct throttle **t)
{
	mem_free(*t);
	*t = NULL;
}

static size_t slot(const char *tenant, const char *agent)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = tenant; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	h = (h ^ '/') * 1099511628211u;
	for (const char *p = agent; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return (size_t)(h ^ h >> 32) % SLOTS;
}

bool throttle_refuses(struct throttle *t, const char *tenant, const char *agent, int64_t now_ms)
{
	size_t i = slot(tenant, agent);

	return t->slots[i].failures >= FAILURES && now_ms - t->slots[i].since_ms < WINDOW_MS;
}

void throttle_failed(struct throttle *t, const char *tenant, const char *agent, int64_t now_ms)
{
	size_t i = slot(tenant, agent);

	if (now_ms - t->slots[i].since_ms >= WINDOW_MS)
		t->slots[i].failures = 0;
	/* The minute counts from the first failure; the last one allowed begins the minute of rest. */
	if (!t->slots[i].failures || t->slots[i].failures + 1 == FAILURES)
		t->slots[i].since_ms = now_ms;
	t->slots[i].failures++;
}

void throttle_succeeded(struct throttle *t, const char *tenant, const char *agent)
{
	t->slots[slot(tenant, agent)].failures = 0;
}
