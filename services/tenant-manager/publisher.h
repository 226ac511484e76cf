/*
 * publisher: what has been changed goes out: configuration into KV `config`, audio into the prompt store, audit events
 * into EVENTS. Loop thread.
 *
 * The outbox in PostgreSQL says what waits; what is published is always the state at the moment of publishing, by
 * compare-and-set against the version in KV, so it does not matter how often, or by how many instances, it is done. At
 * the start and whenever NATS has been away, KV as a whole is compared with PostgreSQL first (reconcile.c).
 */
#ifndef TM_PUBLISHER_H
#define TM_PUBLISHER_H

#include "manager.h"

err_t publisher_new(struct publisher **ret, struct manager *tm, struct err_detail *detail) MUST;
void publisher_free(struct publisher **p);
/* Something may wait. */
void publisher_kick(struct publisher *p);
/* NATS is there again, or no more. */
void publisher_connected(struct publisher *p, bool connected);
/* Nothing waited when it looked last, and KV has been compared. */
bool publisher_idle(const struct publisher *p);

#endif
