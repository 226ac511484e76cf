/*
 * pool: threads of low priority for work that takes long (MP3, walking directories). Results come back on the loop. Tenants take turns
 * (libs/fair): one's backlog delays another's recording by what is being made. GT-3.1.2d.
 *
 *	pool_run(pool, tenant, work, done, arg); // work(arg) on a thread, then done(arg) on the loop
 */
#ifndef RECORDER_POOL_H
#define RECORDER_POOL_H

#include "base/err.h"
#include "loop/loop.h"

struct pool;
err_t pool_new(struct pool **ret, struct loop *loop, unsigned threads) MUST;
/* Waits for the work that is running; what waits is dropped without a call. */
void pool_free(struct pool **p);
/* tenant: whose turn it takes, and stays until the work begins; "": of none. */
err_t pool_run(struct pool *p, const char *tenant, void (*work)(void *arg), void (*done)(void *arg), void *arg) MUST;

#endif
