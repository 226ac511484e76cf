/*
 * prefixes: a counted set of address prefixes; a question costs one hash look-up per prefix length in use. Not thread-safe.
 */
#ifndef TENANTCONF_PREFIXES_H
#define TENANTCONF_PREFIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tenantconf/tenant.h"

struct prefixes_slot {
	struct tenant_prefix prefix;
	size_t count; /* 0: free */
};
struct prefixes {
	struct prefixes_slot *slots; /* open addressing */
	size_t n, n_slots;
	size_t by_bits[129]; /* how many of each length */
};

void prefixes_done(struct prefixes *p);
/* Room for more: so many prefixes_add() then cannot fail. */
err_t prefixes_reserve(struct prefixes *p, size_t more) MUST;
void prefixes_add(struct prefixes *p, const struct tenant_prefix *prefix);
/* It must have been added. */
void prefixes_remove(struct prefixes *p, const struct tenant_prefix *prefix);
bool prefixes_match(const struct prefixes *p, const struct in6_addr *addr);

#endif
