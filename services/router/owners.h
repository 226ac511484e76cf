/*
 * owners: which call-control instances live, by their heartbeats. Loop thread only.
 */
#ifndef ROUTER_OWNERS_H
#define ROUTER_OWNERS_H

#include <stdbool.h>
#include <stdint.h>
#include "agents/agent.h"

struct owner_seen {
	char instance[AGENT_ID_TEXT];
	int64_t seen_ms; /* monotonic */
	uint64_t incarnation;
	bool alive;
};
struct owners {
	struct owner_seen *list; /* a few dozen at most */
	size_t n, cap;
	int64_t timeout_ms;
	bool orderly; /* while fn runs: it said so itself, and has told all it had to */
	void (*fn)(const char *instance, bool alive, void *arg);
	void *arg;
};

void owners_init(struct owners *o, int64_t timeout_ms, void (*fn)(const char *instance, bool alive, void *arg),
		 void *arg);
void owners_done(struct owners *o);
/* A sign of life. Another incarnation is another process under the old name: the old one died. */
void owners_seen(struct owners *o, const char *instance, uint64_t incarnation, int64_t now_ms);
/* It said so itself; incarnation 0: its last word. Of a process that is new under the name: it wants no calls yet, and the old one died. */
void owners_gone(struct owners *o, const char *instance, uint64_t incarnation, int64_t now_ms);
void owners_tick(struct owners *o, int64_t now_ms);

#endif
