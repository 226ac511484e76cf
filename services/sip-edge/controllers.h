/*
 * controllers: which call-control gets the next new call. Pure: no I/O, no clock; one thread.
 *
 * Each instance is known by its heartbeats. An offer goes to the one with the fewest offers that it has not yet taken, in turn
 * among equals: who is slow gets less, and who stands still (a stopped process, a machine that is gone) gets next to nothing
 * long before it is thought dead. A queue group of NATS would go on giving it its share. GT-15; RELIABILITY, stop of call-control.
 *
 * Of those that serve the tenant's pool (base/placement.h, GT-3); where none lives, of the shared pool's: a call that is answered
 * elsewhere is better than one that is lost. Those of another pool of its own get nobody else's calls.
 *
 *	controllers_heard(&c, &(struct controller_beat){ … }, now_ms);
 *	i = controllers_choose(&c, tenant->pool, CONTROLLER_NONE, now_ms); // CONTROLLER_NONE: nobody is known
 *	controllers_gave(&c, i);                              // an offer went there …
 *	controllers_took(&c, i);                              // … and is taken, given up or given to another
 */
#ifndef SIP_EDGE_CONTROLLERS_H
#define SIP_EDGE_CONTROLLERS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/placement.h"

#define CONTROLLERS_MAX	   128 /* of a site; of more, those heard longest ago are forgotten */
#define CONTROLLER_NONE	   (-1)
#define CONTROLLER_DEAD_MS 1500 /* three beats not heard */
#define CONTROLLER_NAME	   64

struct controller_beat {
	const char *instance;
	const char *pool;     /* NULL or "": shared */
	uint64_t incarnation; /* 0: the last beat of an orderly end */
	bool draining;
};
struct controller {
	char instance[CONTROLLER_NAME]; /* "": free */
	char pool[POOL_TEXT];
	uint64_t incarnation;
	int64_t heard_ms;
	unsigned open; /* offers it has not taken */
	bool draining, gone;
};
struct controllers {
	struct controller list[CONTROLLERS_MAX];
	int last; /* that was chosen */
};

void controllers_init(struct controllers *c);
/* Which of the list has lost what was given to it before (it has restarted, or ended); CONTROLLER_NONE: none. */
int controllers_heard(struct controllers *c, const struct controller_beat *beat, int64_t now_ms);
/* Never `but`, if there is another that may have the pool's calls. */
int controllers_choose(struct controllers *c, const char *pool, int but, int64_t now_ms);
/* Who would be chosen now. */
int controllers_next(const struct controllers *c, const char *pool, int64_t now_ms);
/* i serves the pool itself, not in the stead of its instances; so does CONTROLLER_NONE. */
bool controllers_serves(const struct controllers *c, int i, const char *pool);
bool controllers_alive(const struct controllers *c, int i, int64_t now_ms);
void controllers_gave(struct controllers *c, int i);
void controllers_took(struct controllers *c, int i);

#endif
