/*
 * pool: threads of low priority for work that takes long (MP3, walking directories). Results come back on the loop.
 *
 *	pool_run(pool, work, done, arg);         // work(arg) on a thread, then done(arg) on the loop
 */
#ifndef RECORDER_POOL_H
#define RECORDER_POOL_H

#include "base/err.h"
#include "loop/loop.h"

struct pool;
err_t pool_new(struct pool **ret, struct loop *loop, unsigned threads) MUST;
/* Waits for the work that is running; what waits is dropped without a call. */
void pool_free(struct pool **p);
err_t pool_run(struct pool *p, void (*work)(void *arg), void (*done)(void *arg), void *arg) MUST;

#endif
