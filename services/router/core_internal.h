/*
 * Inside of the router's core. Words: a *class* is all agents of a tenant with the same skills and levels; a *group* is
 * all waiting calls with the same requirement (queues of equal requirement share one). See README.md.
 */
#ifndef ROUTER_CORE_INTERNAL_H
#define ROUTER_CORE_INTERNAL_H

#include "callheap.h"
#include "core.h"
#include "feed.h"
#include "hmap.h"
#include "pool.h"
#include "wheel.h"
#include "base/arena.h"

#define LEVELS 10
#define NONE   POOL_NONE

#define WANTS_MAX (2 * ROUTER_SKILLS_MAX + 1) /* a queue's and a call's, or an agent's and `everyone` */

struct u32s { /* growing list of numbers */
	uint32_t *v;
	uint32_t n, cap;
};

struct want { /* one skill with its level, required or possessed */
	uint32_t skill;
	uint32_t level;
};

struct tenant {
	uint32_t index;
	uint64_t hash;
	uint32_t everyone; /* skill that each agent of the tenant has at level 1 */
	struct u32s queues;
	uint16_t conf_no;
	bool left; /* another leader's: nothing about it is listened to */
	char id[AGENT_ID_TEXT];
};

#define LINE _Alignas(64) /* begins a cache line, in a pool */

struct skill {
	LINE uint32_t index;
	uint32_t tenant;
	uint64_t hash;
	struct u32s classes;		/* that have it */
	LINE struct feed feeds[LEVELS]; /* by exact level of the agent, from 1; see skill_feed() */
	struct u32s anchored;		/* groups whose first required skill it is */
	char id[AGENT_ID_TEXT];
};

enum group_kind {
	GROUP_SINGLE, /* one skill: reads the skill's feeds from its level up */
	GROUP_MULTI,  /* several skills: a feed of its own */
	GROUP_AGENT,  /* calls for one agent */
};
struct group {
	LINE uint32_t index;
	uint32_t refs; /* queues and calls */
	enum group_kind kind;
	bool used;
	uint32_t on_duty;  /* agents signed in who could serve it */
	struct want first; /* = wants[0]: SINGLE needs no more */
	struct callheap waiting;
	struct agent *agent; /* AGENT */
	uint64_t hash;
	struct feed feed; /* MULTI */
	uint32_t tenant, n_wants;
	struct want *wants; /* ascending by skill */
};

#define CLASS_WANTS  8	/* skills kept beside the class itself: seven and `everyone` */
#define CLASS_FEEDS  8	/* the same for feeds … */
#define CLASS_GROUPS 16 /* … and groups */
/* Cache lines: an agent who becomes free needs the first three, fetched together. */
struct class
{
	LINE uint64_t hash;    /* first: free ones are linked by their first bytes */
	struct want *wants;    /* ascending by skill */
	struct feed **feeds;   /* of each of the wants, then of the MULTI groups */
	uint32_t *groups;      /* that its agents can serve (indices into core->heads); the MULTI ones come first */
	struct agent *members; /* list by class_next */
	uint32_t n_wants, n_groups, n_multi, n_idle;
	struct feed *few_feeds[CLASS_FEEDS];
	uint32_t few_groups[CLASS_GROUPS];
	struct want few_wants[CLASS_WANTS];
	uint32_t few_in_skill[CLASS_WANTS];
	uint32_t *in_skill; /* where in skill.classes of each of the wants */
	uint32_t cap_groups, cap_feeds;
	uint32_t n_members, n_counted; /* counted: on duty */
	uint32_t index;
};

struct queue {
	LINE uint32_t index;
	uint32_t tenant;
	struct group *group;
	struct call *calls; /* list by queue_next, youngest first */
	uint32_t waiting;   /* in state WAITING */
	uint32_t max_waiting;
	int64_t ring_timeout_ms;
	uint32_t n_wants;
	uint16_t seen; /* = tenant's conf_no: is in the configuration that is being taken over */
	bool used;
	struct want *wants;
	uint64_t hash;
	char id[AGENT_ID_TEXT];
	uint32_t by_priority[ROUTER_PRIORITY_MAX + 1]; /* waiting, by priority */
	struct router_queue_status told;
	const struct call *scan;    /* how far the search for the oldest call got, … */
	int64_t scan_ms, oldest_ms; /* … what it found so far, and the last time */
};

struct owner {
	uint32_t index;
	uint64_t hash;
	bool alive, asserted;
	struct call *calls; /* list by owner_next */
	char id[AGENT_ID_TEXT];
};

enum timer_of { TIMER_OF_AGENT, TIMER_OF_CALL };
struct timer {
	struct wheel_node node; /* first */
	enum timer_of of;
};

enum call_state {
	CALL_WAITING,	/* in the heap of its group */
	CALL_RESERVING, /* a compare-and-set for it is under way */
	CALL_ASSIGNED,	/* told its owner, no result yet */
	CALL_PARKED,	/* not to be served now: its owner is dead, or a moment's peace */
};
/* Members in the order of their use, texts each in a cache line of its own: an event touches three or four. */
struct call {
	LINE struct callheap_node node; /* first */
	uint64_t hash;
	uint32_t index, tenant;
	enum call_state state : 8;
	bool bereaved; /* its owner died, and nobody has asserted it since */
	uint32_t priority;
	struct group *group;
	struct queue *queue; /* NULL: for one agent, in no queue */
	struct agent *agent; /* RESERVING, ASSIGNED */
	struct owner *owner;
	struct call *owner_next, *owner_prev; /* owner_next of a forgotten one: list core->dead */
	struct call *queue_next, *queue_prev;
	int64_t arrival_ms, reserved_until_ms;
	struct timer timer;
	uint64_t epoch;
	uint64_t agent_revision;
	uint32_t *tried, n_tried; /* agent numbers */
	char id[AGENT_CALL_TEXT];
	char leg_id[AGENT_CALL_TEXT];
};
_Static_assert(sizeof(struct call) == 5 * 64, "whole cache lines");

#define PLACES_INLINE 10
/* By cache lines: what every event needs; the times; the timer and what is rare; places in the feeds; texts. */
struct agent {
	LINE uint64_t hash;
	struct class *class; /* NULL: not in the configuration */
	struct call *call;   /* RESERVING or ASSIGNED to it */
	uint64_t revision;
	uint32_t index, tenant;
	enum agent_state state; /* of the record */
	bool on_duty;
	bool enabled, auto_ready; /* of the configuration */
	bool counted;		  /* in the on_duty of its class and groups */
	bool idle;		  /* in those feeds of its class that are wanted, by fed_ms */
	bool casing;	 /* our compare-and-set for cas_call is under way (call NULL: nobody wants it any more) … */
	bool unknown;	 /* … and its outcome got lost: a read decides */
	bool accepted;	 /* RESERVED and its owner said yes: not in our books any more */
	bool orphan;	 /* in core->orphans */
	bool give_back;	 /* RESERVED, to be given back: repeated until the record says so */
	bool doubt;	 /* RESERVED, and somebody said that its call does not exist */
	bool looking;	 /* ON_CALL: the timer is for the looks at its call */
	uint8_t missing; /* of which so many did not find it */

	int64_t ready_since_ms;
	int64_t fed_ms;
	int64_t want_ms;  /* timer wanted at; 0: none. The node may be set to an earlier time */
	int64_t until_ms; /* of RESERVED, WRAP_UP */
	uint64_t blind;	  /* lost a compare-and-set on this revision: unusable until a newer one is seen */
	uint64_t cas_revision;
	uint64_t router_epoch;
	struct group *group; /* GROUP_AGENT: calls for this agent only */

	struct timer timer;
	struct agent *class_next, *class_prev;
	const char *cause; /* of give_back */
	uint64_t orphan_hash;

	uint32_t few_places[PLACES_INLINE]; /* in the feeds of the wants of its class, then of its MULTI groups */
	uint32_t *more_places;		    /* instead, when they are more */
	uint32_t cap_more;
	const char *site; /* one of core->sites */

	char id[AGENT_ID_TEXT];
	char call_id[AGENT_CALL_TEXT];
	char leg_id[AGENT_CALL_TEXT];
	char cas_call[AGENT_CALL_TEXT];
};
_Static_assert(sizeof(struct agent) == 8 * 64, "whole cache lines");

struct site {
	uint32_t index;
	uint64_t hash;
	char id[AGENT_ID_TEXT];
};

struct router_core {
	struct router_core_params p;
	int64_t now_ms, collect_until_ms;
	int64_t began_ms;      /* to collect, last */
	int64_t hold_until_ms; /* an owner died: nobody is assigned until its calls are somebody's; 0: no */
	uint32_t n_bereaved;   /* calls of which that is still waited for */
	bool collecting, broken, deposed;
	struct hmap tenants, skills, queues, agents, calls, owners, groups, classes, orphans, sites;
	struct pool tenant_pool, skill_pool, queue_pool, agent_pool, call_pool, owner_pool, group_pool, class_pool,
	    site_pool;
	struct feeds feeds;
	uint64_t *heads; /* callheap_head_key() of each group: what a free agent scans */
	uint32_t cap_heads;
	uint32_t sweep_at; /* group to be looked at next for whether anybody uses it */
	size_t n_waiting, n_idle, n_on_call, n_dormant;
	uint32_t status_at; /* queue to be looked at next */
	struct tenant *last_tenant;
	struct owner *last_owner;
	struct site *last_site;
	struct router_fx *fx, spare_fx; /* spare: where an effect goes when there is no memory */
	size_t n_fx, cap_fx;
	struct arena arena; /* texts of effects whose object is gone */
	struct call *dead;
	struct router_core_stats stats;
	struct wheel wheel;
	bool timers_wait; /* the last turn left some that were due */
};

/* core.c */
err_t core_done(struct router_core *core) MUST; /* ERR_EXHAUSTED once something could not be allocated */
void core_break(struct router_core *core);
/* Nobody is assigned now. */
static inline bool core_holds(const struct router_core *core)
{
	return core->collecting || core->hold_until_ms;
}
/* The dead owner's call is somebody's again, or gone. */
void core_call_comfort(struct router_core *core, struct call *c);
/* Ends the holding back when there is nothing to wait for any more. */
void core_hold_check(struct router_core *core);
void core_see_epoch(struct router_core *core, uint64_t epoch); /* a newer one than ours: we are deposed */
struct router_fx *core_effect(struct router_core *core, enum router_fx_kind kind); /* never NULL */
bool u32s_add(struct u32s *l, uint32_t v);					   /* false: out of memory */
void u32s_remove(struct u32s *l, uint32_t v);					   /* order is not kept */
void core_timer(struct router_core *core, struct timer *t, int64_t at_ms);
/* The same for an agent, lazily: a timer moved to later stays where it is and looks again when it fires. 0: none. */
void core_agent_want(struct router_core *core, struct agent *a, int64_t at_ms);

/* core_index.c: things by name; _get makes them (NULL: out of memory, broken) */
/* Of a tenant that has left both are NULL, and nothing is broken. */
struct tenant *core_tenant_find(struct router_core *core, const char *id);
struct tenant *core_tenant_get(struct router_core *core, const char *id);
bool core_tenant_left(struct router_core *core, const char *id);
struct skill *core_skill_find(const struct router_core *core, uint32_t tenant, const char *id);
struct skill *core_skill_get(struct router_core *core, uint32_t tenant, const char *id);
struct queue *core_queue_find(const struct router_core *core, uint32_t tenant, const char *id);
struct queue *core_queue_get(struct router_core *core, uint32_t tenant, const char *id);
struct agent *core_agent_find(const struct router_core *core, uint32_t tenant, const char *id);
struct agent *core_agent_get(struct router_core *core, uint32_t tenant, const char *id);
struct call *core_call_find(const struct router_core *core, uint32_t tenant, const char *id);
/* The same with hmap_hash(tenant, id) at hand. */
struct call *core_call_find_hashed(const struct router_core *core, uint32_t tenant, const char *id, uint64_t hash);
struct call *core_call_new(struct router_core *core, uint32_t tenant, const char *id, uint64_t hash);
struct owner *core_owner_get(struct router_core *core, const char *id);
struct agent *core_orphan_find(const struct router_core *core, uint32_t tenant, const char *call_id);
void core_orphan_set(struct router_core *core, struct agent *a, bool orphan);
const char *core_tenant_name(const struct router_core *core, uint32_t tenant);
const char *core_site(struct router_core *core, const char *id); /* kept for good: sites are few */

/* core_conf.c: classes, groups, what a configuration changes */
struct group *core_group_get(struct router_core *core, uint32_t tenant, const struct want *wants, uint32_t n);
struct group *core_group_of_agent(struct router_core *core, struct agent *a);
void core_group_unref(struct router_core *core, struct group *g);
/* Out of the configuration: idle no more, counted nowhere. */
void core_agent_leave_class(struct router_core *core, struct agent *a);
/* Its calls, if any, are refused. */
void core_queue_drop(struct router_core *core, struct tenant *t, struct queue *q);
/* Counts the agent in its groups, or not any more: by on_duty, class, enabled. */
void core_agent_count(struct router_core *core, struct agent *a);
/* Adds skills to the list of n wants at out (room for WANTS_MAX), keeps it sorted, the higher level of a duplicate.
 * Returns the new n. */
uint32_t core_wants_add(struct router_core *core, uint32_t tenant, const struct router_skill *skills, size_t n_skills,
			struct want *out, uint32_t n);
/* Idle agents who could serve it: O(levels). */
uint32_t core_group_idle(const struct router_core *core, const struct group *g);
void core_group_free(struct router_core *core, struct group *g); /* memory only, at the end */
void core_class_free(struct class *k);
/* Room for n places of the agent, the present ones kept; NULL: out of memory. */
uint32_t *core_places(struct agent *a, uint32_t n);

/* core_match.c: who gets whom */
static inline struct feed *skill_feed(struct skill *s, uint32_t level)
{
	return &s->feeds[level - 1];
}
void core_heap_changed(struct router_core *core, struct group *g);
void core_call_wait(struct router_core *core, struct call *c);			 /* into the heap */
void core_call_unwait(struct router_core *core, struct call *c);		 /* out of it */
void core_call_serve(struct router_core *core, struct call *c);			 /* an idle agent now, or wait */
void core_call_adopt(struct router_core *core, struct call *c, struct agent *a); /* who is reserved for it already */
void core_call_park(struct router_core *core, struct call *c, int64_t for_ms);
void core_agent_settle(struct router_core *core, struct agent *a); /* idle or not: by record, configuration, books */
void core_agent_unidle(struct router_core *core, struct agent *a);
void core_agent_feed(struct router_core *core, struct agent *a);
bool core_tried(const struct call *c, const struct agent *a);
void core_serve_all(struct router_core *core);
/* Those of a list that wait: when a change of configuration or a returned holder may have brought them and idle agents
 * together. */
void core_serve_list(struct router_core *core, struct call *first, struct call *(*next)(const struct call *c));

/* core_calls.c: the life of one waiting call */
void core_call_forget(struct router_core *core, struct call *c);
void core_call_assigned(struct router_core *core, struct call *c, struct agent *a); /* tells the owner, repeats */
bool core_may_adopt(const struct router_core *core, const struct call *c, const struct agent *a);
int64_t core_ring_ms(const struct call *c);
bool core_time_to_ring(const struct router_core *core, const struct call *c, int64_t reserved_until_ms);
void core_call_refuse(struct router_core *core, struct call *c, err_t error, const char *message);
void core_call_timer(struct router_core *core, struct call *c);

/* core_agents.c */
void core_agent_timer(struct router_core *core, struct agent *a);
void core_agent_give_back(struct router_core *core, struct agent *a, const char *cause);

#endif
