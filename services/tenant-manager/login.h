/*
 * login: AuthService. Logins run on workers of their own, because argon2id is slow on purpose; who guesses is slowed
 * down further, per agent. Loop thread.
 */
#ifndef TM_LOGIN_H
#define TM_LOGIN_H

#include "manager.h"

err_t login_register(struct manager *tm) MUST;

/* throttle: at most 5 failures of one agent in a minute. Bounded memory. */
struct throttle;
err_t throttle_new(struct throttle **ret) MUST;
void throttle_free(struct throttle **t);
bool throttle_refuses(struct throttle *t, const char *tenant, const char *agent, int64_t now_ms);
void throttle_failed(struct throttle *t, const char *tenant, const char *agent, int64_t now_ms);
void throttle_succeeded(struct throttle *t, const char *tenant, const char *agent);

#endif
