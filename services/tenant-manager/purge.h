/*
 * purge: removes tenants whose grace is over, one after the other, in the background. Loop thread.
 *
 * Each batch is a transaction of its own that takes rows away, adds them to the report and says anew, for LEASE, that this
 * instance is at it: so another instance goes on where one was killed, and two never do the same. deletion.h says what comes next.
 */
#ifndef TM_PURGE_H
#define TM_PURGE_H

#include "manager.h"

err_t purge_new(struct purge **ret, struct manager *tm, struct err_detail *detail) MUST;
/* A tenant may be due. */
void purge_kick(struct purge *p);
/* Begins nothing any more; before the database and the bus go. */
void purge_stop(struct purge *p);
void purge_free(struct purge **p);

#endif
