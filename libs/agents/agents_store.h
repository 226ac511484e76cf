/*
 * agents_store: the agents' records in KV `agents`, watched into a cache and changed by compare-and-set. Loop thread only.
 *
 * The cache follows the bucket (all tenants, or one; or, without a watch, only the agents it works on) and is updated at once by own writes, so that a second event right
 * after the first sees it. Events to one agent from one store are applied one after the other, in the order of the calls.
 *
 *	err_t e = agents_store_new(&store, &(struct agents_store_params){ .bus = bus, .events = events,
 *				   .instance = "cc-1" }, &detail);
 *	e = agents_apply(store, "acme", "1001", &(struct agent_event){ .kind = AGENT_EV_ANSWERED, .call_id = id }, fn, arg);
 *	→ fn(ERR_OK, record, revision, NULL, arg), after which AgentStateChanged <tenant>.<agent>.<seq> is on its way
 *
 * Nobody but this file writes the bucket.
 */
#ifndef AGENTS_AGENTS_STORE_H
#define AGENTS_AGENTS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agents/agent.h"
#include "base/err.h"
#include "bus/bus.h"

struct agents_store;
struct events;

/* record NULL: the entry was deleted. revision: of the entry. Called in the order of revisions for one agent. */
typedef void agents_change_fn(const char *tenant, const char *agent_id, const struct agent_record *record,
			      uint64_t revision, void *arg);

struct agents_store_params {
	struct bus *bus;
	struct events *events;	      /* NULL: publishes no AgentStateChanged (tests) */
	const char *instance;	      /* writer */
	const char *tenant;	      /* NULL: every tenant */
	int64_t poll_ms;	      /* changes are fetched so often; 0: each at once (bus_kv_watch_polled()) */
	bool no_watch;		      /* caches only agents with a call: what agents_seed() gives and applies read */
	agents_change_fn *on_change;  /* any change, own ones too; NULL: none */
	void (*on_synced)(void *arg); /* the initial values are all in; NULL: none */
	/* An entry that does not validate is ignored (the last good one stays); for the log and a metric. NULL: none. */
	void (*on_bad)(const char *key, const struct err_detail *detail, void *arg);
	void *arg;
};

err_t agents_store_new(struct agents_store **ret, const struct agents_store_params *p, struct err_detail *detail) MUST;
/* Callbacks of applies under way are not called any more. */
void agents_store_free(struct agents_store **store);
/* Of a store that began with poll_ms: from now on so often. */
void agents_poll(struct agents_store *store, int64_t poll_ms);
bool agents_synced(const struct agents_store *store);
size_t agents_count(const struct agents_store *store);

/* NULL: never signed in. Valid until the loop's turn ends. ret_revision may be NULL. */
const struct agent_record *agents_find(const struct agents_store *store, const char *tenant, const char *agent_id,
				       uint64_t *ret_revision);
/* fn must not apply events. */
void agents_each(const struct agents_store *store, agents_change_fn *fn, void *arg);

/* e: ERR_OK with the new record and its revision; ERR_PRECONDITION/ERR_INVALID of agent_step() with detail and the record
 * as it is; ERR_ABORTED: lost the compare-and-set (32 times, or once with a revision demanded); ERR_UNAVAILABLE: unknown
 * whether it was written (the watch will tell). record may be NULL when e is not ERR_OK. */
typedef void agents_done_fn(err_t e, const struct agent_record *record, uint64_t revision,
			    const struct err_detail *detail, void *arg);

/* Reads the cached record (absent: SIGNED_OUT; fresh from KV before a refusal), steps, writes, publishes. fn (may be NULL) is called exactly once, never
 * before this returns. The event is copied. AGENT_EV_ANSWERED for the call that the agent is on already changes nothing. ERR_EXHAUSTED/ERR_INVALID at once: nothing started. */
err_t agents_apply(struct agents_store *store, const char *tenant, const char *agent_id, const struct agent_event *ev,
		   agents_done_fn *fn, void *arg) MUST;
/* The same, but only on this revision: somebody else's write is ERR_ABORTED without a retry (reservations, fencing). */
err_t agents_apply_at(struct agents_store *store, const char *tenant, const char *agent_id,
		      const struct agent_event *ev, uint64_t revision, agents_done_fn *fn, void *arg) MUST;

/* Reads the record from KV into the cache (on_change tells if it is newer). fn once: ERR_OK; ERR_NOT_FOUND; ERR_UNAVAILABLE. */
err_t agents_refresh(struct agents_store *store, const char *tenant, const char *agent_id, agents_done_fn *fn,
		     void *arg) MUST;

/* For a store that does not watch: a record as somebody else has read or written it. The entry goes again when an event leaves
 * the agent without a call, or by agents_forget() of that call. */
err_t agents_seed(struct agents_store *store, const void *record, size_t size, uint64_t revision) MUST;
void agents_forget(struct agents_store *store, const char *tenant, const char *agent_id, const char *call_id);

/* Publishes again what a record knows of its transitions since then (the same event ids: whoever counts, counts ids), for who
 * suspects that their writer died between writing and publishing. writer NULL: anybody's. How many. */
unsigned agents_republish(struct agents_store *store, const struct agent_record *rec, const char *writer,
			  int64_t since_ms);

#endif
