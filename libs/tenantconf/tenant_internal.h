/*
 * tenant_internal: a snapshot with what its lookups need. build*.c make it, tenant.c reads it.
 */
#ifndef TENANTCONF_TENANT_INTERNAL_H
#define TENANTCONF_TENANT_INTERNAL_H

#include <stdatomic.h>
#include "base/arena.h"
#include "tenantconf/index.h"
#include "tenantconf/tenant.h"
#include "trunkline/config/v1/config.pb-c.h"

struct tenant_snapshot {
	struct tenant pub; /* first: pointers convert */
	_Atomic int refs;
	struct arena arena;
	struct index numbers; /* by the number without '+' */
	struct index trunks, calendars, flows, prompts, queues, skills;
};
struct tenant_agent_snapshot {
	struct tenant_agent pub; /* first */
	_Atomic int refs;
	struct arena arena;
};
/* What tenant_find_number looks for: the number without '+'. */
struct tenant_number_key {
	const char *digits;
};

/* build_flow.c: prompts and queues of the snapshot are there. */
err_t build_flow(struct tenant_snapshot *s, struct flow *f, const Trunkline__Config__V1__Flow *pb) MUST;
/* skills of queues and agents, ascending by id */
err_t build_skills(struct arena *a, Trunkline__Config__V1__SkillLevel *const *pb, size_t n,
		   const struct tenant_skill_level **ret) MUST;
bool tenant_prefix_matches(const struct tenant_prefix *p, const struct in6_addr *addr);
/* IPv4 as mapped; false: neither IPv4 nor IPv6. */
bool tenant_address(const struct sockaddr *addr, struct in6_addr *ret);

#endif
