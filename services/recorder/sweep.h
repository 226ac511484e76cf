/*
 * sweep: walks <dir>/<tenant>/ *.seg for segments that nobody has written for a while: their writer and their event are lost.
 * The walk is done by the pool, fn is called on the loop. One sweep at a time.
 */
#ifndef RECORDER_SWEEP_H
#define RECORDER_SWEEP_H

#include <stdint.h>
#include "pool.h"

struct sweep;
struct sweep_params {
	struct pool *pool;
	const char *dir;
	int64_t older_ms;
	void (*fn)(const char *tenant, const char *recording_id, void *arg);
	void *arg;
};
err_t sweep_new(struct sweep **ret, const struct sweep_params *p) MUST;
void sweep_free(struct sweep **s);
void sweep_run(struct sweep *s);

#endif
