/*
 * keyless: tenants whose configuration was published without any key. So it is of who never marked a field as sensitive (GT-16); but a
 * tenant-manager of the version before sensitive fields, beside this one, publishes so whoever it changes, and the services would store in
 * clear what the tenant has marked. Who is named here is looked up, and published again if there is a key (publisher.c).
 *
 * Follows KV `config`: at first each tenant, then each that is written. Loop thread.
 *
 *	e = keyless_new(&k, config, publisher_look, publisher);
 *	while (room && keyless_take(k, tenant)) …
 */
#ifndef TM_KEYLESS_H
#define TM_KEYLESS_H

#include "bus/bus.h"

#define KEYLESS_TENANT 64

struct keyless;

/* seen: there is somebody to be taken. */
err_t keyless_new(struct keyless **ret, struct bus_kv *config, void (*seen)(void *arg), void *arg) MUST;
/* Before the bus. NULL-safe. */
void keyless_free(struct keyless **k);
/* Any of them, who is none any more; false: there is nobody. k NULL: nobody. */
bool keyless_take(struct keyless *k, char tenant[KEYLESS_TENANT]);
/* Back, because it could not be looked up. NULL-safe: the next one sees everybody again. */
void keyless_put(struct keyless *k, const char *tenant);

#endif
