/*
 * tenantconf: the tenants' configuration in every service that handles calls: watches KV bucket `config` and keeps the
 * last good snapshot of each tenant (tenant.h) and each agent. Read side only; tenant-manager writes.
 *
 * One loop; lookups are O(1) and never block. A pointer from a _find stays valid during the current callback; to keep it
 * longer take tenant_ref()/tenant_agent_ref(). An entry that does not validate is ignored: on_error tells the key and
 * what is wrong, the last good version stays. While NATS is away everything stays as it was. The gauge trunkline_config_revision
 * is the revision of the entry that was dealt with last: instances that show the same one have the same configuration.
 *
 *	struct tenantconf *tc;
 *	err_t e = tenantconf_new(&tc, &(struct tenantconf_params){ .bus = bus, .on_change = changed, .arg = self }, &detail);
 *	const struct tenant *t;
 *	const struct tenant_number *n = tenantconf_find_number(tc, "+862012345678", &t);
 */
#ifndef TENANTCONF_TENANTCONF_H
#define TENANTCONF_TENANTCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include "base/err.h"
#include "bus/bus.h"
#include "tenantconf/tenant.h"

#define TENANTCONF_BUCKET "config"

struct tenantconf;

enum tenantconf_change {
	TENANTCONF_TENANT, /* new, changed or removed: look it up */
	TENANTCONF_AGENT,  /* the same, of an agent */
	TENANTCONF_SYNCED, /* everything that was in the bucket at the start has been delivered; once; names are "" */
};
struct tenantconf_params {
	struct bus *bus;
	/* After the lookups show the new state. May be NULL. old snapshots stay valid for holders of references. */
	void (*on_change)(enum tenantconf_change what, const char *tenant, const char *agent_id, void *arg);
	/* An entry was ignored; for the log and a counter. May be NULL. */
	void (*on_error)(const char *key, const struct err_detail *detail, void *arg);
	void *arg;
	bool no_agents; /* watch tenants only */
};
err_t tenantconf_new(struct tenantconf **ret, const struct tenantconf_params *p, struct err_detail *detail) MUST;
void tenantconf_free(struct tenantconf **tc);
bool tenantconf_synced(const struct tenantconf *tc); /* for readiness */
/* Since when something may have changed that is not known here, monotonic (bus_kv_watch_known_ms()); 0: nothing is certain yet. */
int64_t tenantconf_known_ms(struct tenantconf *tc);

const struct tenant *tenantconf_find_tenant(const struct tenantconf *tc, const char *tenant);
/* By SIP domain of its phones (case-insensitive), = digest realm. */
const struct tenant *tenantconf_find_tenant_by_domain(const struct tenantconf *tc, const char *sip_domain);
/* Numbers are unique on the platform; a leading '+' more or less makes no difference. *ret_tenant only on success. */
const struct tenant_number *tenantconf_find_number(const struct tenantconf *tc, const char *number,
						   const struct tenant **ret_tenant);
const struct tenant_agent *tenantconf_find_agent(const struct tenantconf *tc, const char *tenant, const char *agent_id);
/* Is it the address of any trunk? The cheap first question about a packet from outside. */
bool tenantconf_address_known(const struct tenantconf *tc, const struct sockaddr *addr);

/* Whose call is this? number → tenant → the trunk of that tenant from which it may come: so tenants that share a
 * carrier's gateway stay apart. username: of verified digest credentials, NULL if by address.
 * ERR_NOT_FOUND: no such number, or the tenant is suspended and has no announcement; ERR_DENIED: the number is not this peer's. */
struct tenantconf_inbound {
	const struct tenant *tenant;
	const struct tenant_number *number;
	const struct tenant_trunk *trunk;
};
err_t tenantconf_find_inbound(const struct tenantconf *tc, const struct sockaddr *src, const char *username,
			      const char *called, struct tenantconf_inbound *ret) MUST;

/* fn returning false ends the walk. The callback must not run the loop. */
void tenantconf_each_tenant(const struct tenantconf *tc, bool (*fn)(const struct tenant *t, void *arg), void *arg);
void tenantconf_each_agent(const struct tenantconf *tc, const char *tenant,
			   bool (*fn)(const struct tenant_agent *a, void *arg), void *arg);
size_t tenantconf_n_agents(const struct tenantconf *tc, const char *tenant);

/* Keys of the bucket; buf of TENANTCONF_KEY bytes; return buf. */
#define TENANTCONF_KEY 160
const char *tenantconf_key_main(const char *tenant, char buf[TENANTCONF_KEY]);
const char *tenantconf_key_agent(const char *tenant, const char *agent_id, char buf[TENANTCONF_KEY]);

/* ---- bytes → snapshot: all rules of config.proto. Pure but for tz files; used by the reader and by tenant-manager. ----
 * detail.field is the path ("queues[3].skills[0].skill_id"). *ret holds one reference. */
err_t tenantconf_tenant_from_pb(const struct tenant **ret, const void *bytes, size_t size,
				struct err_detail *detail) MUST;
err_t tenantconf_agent_from_pb(const struct tenant_agent **ret, const void *bytes, size_t size,
			       struct err_detail *detail) MUST;

#endif
