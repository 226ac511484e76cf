/*
 * tenant: one tenant's configuration as an immutable snapshot: plain structs, references resolved, lookups by hash.
 *
 * Reference-counted (atomic): whoever works with one version over time, such as a running call with its flow, holds it by
 * tenant_ref(); everything reached from it lives as long. Agents are not part of it: there may be 100,000 and each is one
 * small entry of its own (struct tenant_agent, same rule).
 *
 *	const struct tenant_queue *q = tenant_find_queue(t, "sales");
 */
#ifndef TENANTCONF_TENANT_H
#define TENANTCONF_TENANT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "tenantconf/calendar.h"
#include "tenantconf/flow.h"

#define TENANT_ID_MAX	  64 /* with its NUL: [a-z0-9][a-z0-9-]{0,62} */
#define TENANT_NUMBER_MAX 34 /* with its NUL: [+]?[0-9*#]{1,32} */

struct tenant_skill {
	const char *id;
	const char *display_name;
};
/* Required (queue) or possessed (agent). */
struct tenant_skill_level {
	const char *skill_id;
	unsigned level; /* 1…10 */
};

struct tenant_prompt {
	const char *id;
	const char *display_name;
	const char *sha256; /* 64 hex digits: key in the prompt store */
	uint64_t size_bytes;
	int64_t duration_ms;
};

struct tenant_queue {
	const char *id;
	const char *display_name;
	size_t n_skills;
	const struct tenant_skill_level *skills;
	unsigned priority;		     /* 0…10 */
	const struct tenant_prompt *music;   /* NULL: ring-back tone */
	const struct tenant_prompt *entry;   /* NULL: none */
	const struct tenant_prompt *welcome; /* NULL: none */
	int64_t max_wait_ms;		     /* 0: none */
	unsigned max_waiting;		     /* 0: none */
	int64_t ring_timeout_ms;	     /* default filled in: 20,000 */
	int64_t wrap_up_ms;		     /* 0: none */
	int64_t service_level_ms;	     /* default filled in: 20,000 */
	bool record;
	bool answer_before_queue;
};

enum tenant_target_kind { TENANT_TARGET_FLOW, TENANT_TARGET_QUEUE, TENANT_TARGET_AGENT, TENANT_TARGET_REJECT };
struct tenant_target {
	enum tenant_target_kind kind;
	union {
		const struct flow *flow;
		const struct tenant_queue *queue;
		const char *agent_id;
		unsigned reject_status; /* 400…699 */
	};
};

struct tenant_number {
	const char *number; /* as configured */
	const char *display_name;
	const struct calendar *calendar; /* NULL: always working */
	struct tenant_target working, other, forced;
	bool force;
};

struct tenant_prefix { /* IPv4 as IPv4-mapped IPv6 */
	struct in6_addr addr;
	unsigned bits; /* 0…128; of IPv4 96 + n */
};
struct tenant_trunk {
	const char *id;
	const char *display_name;
	size_t n_addresses;
	const struct tenant_prefix *addresses;
	const char *username;		  /* "": by address only */
	const char *ha1_md5, *ha1_sha256; /* "" if there is no username */
	const char *host;		  /* calls go out to; "" */
	unsigned max_calls;		  /* 0: none */
};

/* What it may use at most (GT-3.1.2c), 0: no limit. Enforced by whoever gives the resource away. */
struct tenant_quotas {
	unsigned queues, flows, agents, numbers, prompts;
	uint64_t prompt_bytes;
	unsigned agents_signed_in;
	unsigned api_requests_per_s;
	unsigned inbound_calls;
	unsigned calls_per_s;
	uint64_t recording_bytes;
};

/* What is stored encrypted (GT-16): numbers of trunkline.config.v1.SensitiveField. */
enum tenant_sensitive { TENANT_CALLER_NUMBER = 1, TENANT_IVR_INPUT = 2, TENANT_RECORDINGS = 3, TENANT_SENSITIVE_END };
/* A version of its key as libs/sealed wraps it. */
struct tenant_key {
	uint32_t version;
	size_t size;
	const uint8_t *wrapped;
};

struct tenant {
	const char *id;
	uint64_t version;
	const char *display_name;
	bool suspended;
	const struct flow *announcement; /* what a new call hears while it is suspended; NULL: 480 */
	bool suspension_ends_calls;	 /* those in progress */
	const char *time_zone;
	const char *sip_domain;
	const char *language; /* BCP 47, perhaps one of a newer version; "": none was chosen */
	const char *pool;     /* whose instances serve it (base/placement.h); never "": "shared" is filled in */
	struct tenant_quotas quotas;
	unsigned sensitive; /* bit n: enum tenant_sensitive n; of what this version knows */
	size_t n_keys;
	const struct tenant_key *keys;
	size_t n_numbers, n_trunks, n_calendars, n_flows, n_prompts, n_queues, n_skills;
	const struct tenant_number *numbers;
	const struct tenant_trunk *trunks;
	const struct calendar *calendars;
	const struct flow *flows;
	const struct tenant_prompt *prompts;
	const struct tenant_queue *queues;
	const struct tenant_skill *skills;
};

struct tenant_agent {
	const char *tenant;
	const char *id;
	const char *display_name;
	uint64_t version;
	bool enabled;
	bool auto_ready_after_wrap_up;
	const char *language;		  /* as the tenant's; "": the tenant's */
	const char *ha1_md5, *ha1_sha256; /* "": this phone cannot register */
	size_t n_skills;
	const struct tenant_skill_level *skills; /* ascending by skill_id */
};

/* Reference counts; any thread. unref is NULL-safe and sets the pointer to NULL. */
const struct tenant *tenant_ref(const struct tenant *t);
void tenant_unref(const struct tenant **t);
const struct tenant_agent *tenant_agent_ref(const struct tenant_agent *a);
void tenant_agent_unref(const struct tenant_agent **a);

/* By id; NULL if there is none. */
const struct tenant_queue *tenant_find_queue(const struct tenant *t, const char *id);
/* The announcement of a suspended tenant is found, too: its id is none that an administrator could choose. */
const struct flow *tenant_find_flow(const struct tenant *t, const char *id);
const struct tenant_prompt *tenant_find_prompt(const struct tenant *t, const char *id);
const struct tenant_skill *tenant_find_skill(const struct tenant *t, const char *id);
const struct calendar *tenant_find_calendar(const struct tenant *t, const char *id);
const struct tenant_trunk *tenant_find_trunk(const struct tenant *t, const char *id);
/* The number as the trunk sent it; a leading '+' more or less makes no difference. */
const struct tenant_number *tenant_find_number(const struct tenant *t, const char *number);
/* Longest matching prefix; IPv4 may come as AF_INET or mapped. NULL: not a trunk's address. */
const struct tenant_trunk *tenant_find_trunk_by_address(const struct tenant *t, const struct sockaddr *addr);
/* Digest user of a trunk. */
const struct tenant_trunk *tenant_find_trunk_by_user(const struct tenant *t, const char *username);
/* What a call to the number does now: forced, working or other. Pure. */
const struct tenant_target *tenant_number_target(const struct tenant_number *n, int64_t wall_ms);
/* Level the agent has in the skill, 0: does not have it. */
unsigned tenant_agent_level(const struct tenant_agent *a, const char *skill_id);
/* The agent has all skills of the queue at the levels wanted. */
bool tenant_agent_fits(const struct tenant_agent *a, const struct tenant_queue *q);

#endif
