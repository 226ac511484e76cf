/*
 * purge: erases the recordings of a tenant that was deleted (event TenantPurged): out of the index, batch by batch, then every file of the
 * tenant up to that time. Done again it finds nothing. One tenant at a time. Loop thread.
 */
#ifndef RECORDER_PURGE_H
#define RECORDER_PURGE_H

#include "recorder.h"

/* seq: what purge_start was given. Not called any more after purge_stop. */
typedef void purge_done_fn(err_t e, uint64_t seq, void *arg);
err_t purge_new(struct purge **ret, struct recorder *r) MUST;
/* What began later is another tenant's, which has the same id now. ERR_ABORTED: one is under way. */
err_t purge_start(struct purge *p, const char *tenant, int64_t upto_ms, uint64_t seq, purge_done_fn *done,
		  void *arg) MUST;
uint64_t purge_seq(const struct purge *p); /* under way; 0: none */
void purge_stop(struct purge *p);
void purge_free(struct purge **p); /* after the pool and the database are gone */

#endif
