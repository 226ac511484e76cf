#include "desk_fixture.h"

#include <stdio.h>
#include <string.h>
#include "testkit/testkit.h"
#include "trunkline/desk/v1/agent_service.pb-c.h"

static void note_offer(struct seen *s, const Trunkline__Desk__V1__CallOffer *o)
{
	snprintf(s->offer_text, sizeof(s->offer_text), "%s %s %s→%s", o->call_id, o->queue_name, o->caller, o->called);
	for (size_t i = 0; i < o->n_variables; i++) {
		size_t n = strlen(s->offer_text);

		snprintf(s->offer_text + n, sizeof(s->offer_text) - n, " %s=%s", o->variables[i]->name,
			 o->variables[i]->value);
	}
	s->offers++;
}

static bool on_event(const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Desk__V1__StreamEventsResponse *ev = (const void *)msg;
	struct seen *s = arg;

	pthread_mutex_lock(&s->lock);
	s->before_sync += !s->synced;
	if (ev->event_case == TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_STATE) {
		s->last_state = (int)ev->state->state;
		snprintf(s->last_agent, sizeof(s->last_agent), "%s", ev->state->agent_id);
		s->states++;
	} else if (ev->event_case == TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_OFFER) {
		note_offer(s, ev->offer);
	} else if (ev->event_case == TRUNKLINE__DESK__V1__STREAM_EVENTS_RESPONSE__EVENT_QUEUE) {
		s->waiting = ev->queue->waiting;
		s->queues++;
	} else {
		s->synced++;
	}
	pthread_mutex_unlock(&s->lock);
	return !s->enough;
}

static bool on_fact(const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Desk__V1__WatchFactsResponse *r = (const void *)msg;
	struct seen *s = arg;

	snprintf(s->last_agent, sizeof(s->last_agent), "%s", r->event->agent_id);
	s->facts_seen++;
	return false;
}

static void *listen_on(void *arg)
{
	Trunkline__Desk__V1__StreamEventsRequest req = TRUNKLINE__DESK__V1__STREAM_EVENTS_REQUEST__INIT;
	Trunkline__Desk__V1__WatchFactsRequest facts = TRUNKLINE__DESK__V1__WATCH_FACTS_REQUEST__INIT;
	struct seen *s = arg;

	req.all_agents = s->all;
	if (s->facts)
		s->result = rpc_client_stream(s->client, &trunkline__desk__v1__agent_service__descriptor, "WatchFacts",
					      &facts.base, 60000, on_fact, s, NULL);
	else
		s->result = rpc_client_stream(s->client, &trunkline__desk__v1__agent_service__descriptor,
					      "StreamEvents", &req.base, 60000, on_event, s, NULL);
	s->over = true;
	return NULL;
}

void listen_start(struct seen *s, struct rpc_client *c)
{
	pthread_mutex_init(&s->lock, NULL);
	s->client = c;
	if (pthread_create(&s->thread, NULL, listen_on, s))
		testkit_die("no thread");
}

void listen_end(struct seen *s)
{
	pthread_join(s->thread, NULL);
	rpc_client_free(&s->client);
}
