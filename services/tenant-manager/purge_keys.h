/* purge_keys: everything of a tenant in KV `config`, deleted. Loop thread. */
#ifndef TM_PURGE_KEYS_H
#define TM_PURGE_KEYS_H

#include "bus/bus.h"

struct purge_keys;
/* fn once, unless it is freed before, not from within _start: how many keys there were. The first of them is the tenant's main one, so
 * that the readers forget the tenant before its agents. */
err_t purge_keys_start(struct purge_keys **ret, struct bus_kv *config, const char *tenant,
		       void (*fn)(err_t e, size_t n, void *arg), void *arg) MUST;
/* Not before what is under way has come back, or the bus is gone. */
void purge_keys_free(struct purge_keys **k);
/* Begins nothing any more. */
void purge_keys_stop(struct purge_keys *k);

#endif
