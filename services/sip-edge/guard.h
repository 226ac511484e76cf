/*
 * guard: limits on password guessing, per source address and user, bounded in memory. Pure; time is an argument.
 *
 * A source that failed GUARD_TRIES times for a user within GUARD_WINDOW_MS is not listened to for that user until the
 * window is over; GUARD_SOURCE_TRIES over all users stops the source. The real user elsewhere is not affected.
 */
#ifndef SIP_EDGE_GUARD_H
#define SIP_EDGE_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

#define GUARD_TRIES	   8
#define GUARD_SOURCE_TRIES 120
#define GUARD_WINDOW_MS	   60000

struct guard;
err_t guard_new(struct guard **ret) MUST;
void guard_free(struct guard **g);
bool guard_blocked(const struct guard *g, const char *source, const char *user, int64_t now_ms);
void guard_failed(struct guard *g, const char *source, const char *user, int64_t now_ms);
void guard_succeeded(struct guard *g, const char *source, const char *user);

#endif
