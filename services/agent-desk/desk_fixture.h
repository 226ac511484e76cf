/*
 * desk_fixture: for the tests: a stream of the desk, read on a thread of its own, and what it told.
 *
 *	struct seen s = { .all = true };
 *	listen_start(&s, client);
 *	…                                  // until s.states is what is expected
 *	s.enough = true;                   // the next event is the last one
 *	listen_end(&s);
 */
#ifndef AGENT_DESK_DESK_FIXTURE_H
#define AGENT_DESK_DESK_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "rpc/rpc.h"

struct seen {
	pthread_t thread;
	struct rpc_client *client;
	pthread_mutex_t lock; /* of what is not atomic, while it goes on */
	bool all, facts;      /* of all agents; WatchFacts, which ends with the first fact, instead of StreamEvents */
	atomic_bool enough, over;
	err_t result; /* of the stream, after listen_end */
	atomic_int states, offers, queues, synced, facts_seen;
	int before_sync; /* events that came before the stream was in step */
	int last_state;
	char offer_text[256], last_agent[64];
	uint32_t waiting;
};

/* The client is the stream's from here on; listen_end frees it. */
void listen_start(struct seen *s, struct rpc_client *c);
/* Waits until the stream is over: by enough, its time of 60 s, or an error. */
void listen_end(struct seen *s);

#endif
