/*
 * revoker: tells the services which tokens are withdrawn: from tm.token into KV `revoked`, at once after the change, again until NATS has it, and
 * all of them anew at the start, after NATS was away and when the bucket has no mark (libs/revoked): it may have lost them. Then it puts the mark. Not by the outbox,
 * from which an instance of the previous version would take what it does not know. Loop thread.
 */
#ifndef TM_REVOKER_H
#define TM_REVOKER_H

#include "manager.h"

struct revoker;
err_t revoker_new(struct revoker **ret, struct manager *tm) MUST;
/* After the databases and the bus. */
void revoker_free(struct revoker **r);
/* Something was withdrawn. */
void revoker_kick(struct revoker *r);
void revoker_connected(struct revoker *r, bool connected);
/* Begins nothing any more. */
void revoker_stop(struct revoker *r);

#endif
