/*
 * confkit: for tests: a tenant's configuration written as JSON, checked by the rules of tenantconf, as bytes, as a
 * snapshot, or in KV `config` as tenant-manager would put it there. What does not work ends the test program.
 *
 *	const struct tenant *t = confkit_tenant("{\"tenant\":\"acme\",\"version\":1,\"timeZone\":\"UTC\",\"sipDomain\":\"acme.test\", …}");
 *	confkit_publish(loop, bus, t_json);                             // waits until it is stored
 *	confkit_publish_agent(loop, bus, "{\"tenant\":\"acme\",\"id\":\"1001\",\"enabled\":true}");
 *
 * JSON in C is easier to read with ' for ": every ' outside of \' becomes ".
 */
#ifndef CONFKIT_CONFKIT_H
#define CONFKIT_CONFKIT_H

#include "base/str.h"
#include "bus/bus.h"
#include "tenantconf/tenantconf.h"

/* Packed TenantConfig, Agent. Not checked: for tests of the checks. */
void confkit_pack_tenant(struct str *out, const char *json);
void confkit_pack_agent(struct str *out, const char *json);
/* The platform's master key of tests as its file has it; and a version of a tenant's key under it, of bytes that follow `first`: appends
 * "{'version':…,'wrapped':…}", an element of TenantConfig.keys. */
#define CONFKIT_MASTER "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
void confkit_add_key(struct str *json, const char *tenant, uint32_t version, uint8_t first);

/* Snapshots; the caller's reference. */
const struct tenant *confkit_tenant(const char *json);
const struct tenant_agent *confkit_agent(const char *json);

/* Turns the bus' loop until the write is acknowledged. */
void confkit_publish(struct loop *loop, struct bus *bus, const char *json);
void confkit_publish_agent(struct loop *loop, struct bus *bus, const char *json);
void confkit_publish_bytes(struct loop *loop, struct bus *bus, const char *key, const void *bytes, size_t size);
void confkit_delete(struct loop *loop, struct bus *bus, const char *key);

#endif
