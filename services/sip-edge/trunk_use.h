/*
 * trunk_use: how many legs each trunk has now, against its max_calls. The limit holds per edge instance and is exact there:
 * a leg takes its place before anything is sent, and gives it back when it is freed.
 */
#ifndef SIP_EDGE_TRUNK_USE_H
#define SIP_EDGE_TRUNK_USE_H

#include "base/err.h"

struct trunk_use;
struct trunk_uses;

err_t trunk_uses_new(struct trunk_uses **ret) MUST;
void trunk_uses_free(struct trunk_uses **u);
/* max 0: no limit. ERR_EXHAUSTED: the trunk is full (or no memory). */
err_t trunk_use_take(struct trunk_use **ret, struct trunk_uses *u, const char *tenant, const char *trunk,
		     unsigned max) MUST;
/* NULL-safe. */
void trunk_use_give(struct trunk_uses *u, struct trunk_use **use);

#endif
