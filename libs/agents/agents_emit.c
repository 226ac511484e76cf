#include "agents/agents_emit.h"
#include "base/mem.h"
#include "base/str.h"
#include "events/events.h"

#include <stdio.h>
#include <utlist.h>

#define AGAIN_MS 500

struct fact {
	struct fact *prev, *next;
	struct agents_emit *em; /* NULL: the owner is gone, only the memory is left */
	bool unsent;
	struct agent_transition t;
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT], site[AGENT_ID_TEXT];
};

struct agents_emit {
	struct events *events;
	struct fact *facts; /* sent and not acknowledged, or to be sent again */
	size_t n;
	struct loop_timer again;
};

#define TEXT(t) ((char *)(uintptr_t)(t))

static void on_stored(err_t e, uint64_t seq, void *arg)
{
	struct fact *f = arg;
	struct agents_emit *em = f->em;

	(void)seq;
	if (em && e) {
		f->unsent = true;
		if (!loop_timer_running(&em->again))
			loop_timer_start(&em->again, AGAIN_MS);
		return;
	}
	if (em) {
		DL_DELETE(em->facts, f);
		em->n--;
	}
	mem_free(f);
}

static err_t send_fact(struct fact *f)
{
	Trunkline__Event__V1__AgentStateChanged body = TRUNKLINE__EVENT__V1__AGENT_STATE_CHANGED__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	char id[2 * AGENT_ID_TEXT + 32];

	(void)snprintf(id, sizeof(id), "%s.%s.%llu", f->tenant, f->agent_id, (unsigned long long)f->t.seq);
	body.from = (Trunkline__Agent__V1__AgentState)f->t.from;
	body.to = (Trunkline__Agent__V1__AgentState)f->t.to;
	body.duration_ms = f->t.at_ms - f->t.from_since_ms;
	body.cause = TEXT(f->t.cause);
	body.reason = TEXT(f->t.reason);
	ev.id = id;
	ev.tenant = f->tenant;
	ev.site = f->site;
	ev.time_ms = f->t.at_ms;
	ev.seq = f->t.seq;
	ev.agent_id = f->agent_id;
	ev.call_id = f->t.call_id;
	ev.queue_id = f->t.queue_id;
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED;
	ev.agent_state_changed = &body;
	f->unsent = false;
	return events_emit(f->em->events, "agent", f->agent_id, &ev, on_stored, f);
}

static void on_again(void *arg)
{
	struct agents_emit *em = arg;
	struct fact *f, *next;

	DL_FOREACH_SAFE (em->facts, f, next) {
		if (!f->unsent || !send_fact(f))
			continue;
		f->unsent = true; /* no room yet: the rest waits as well */
		loop_timer_start(&em->again, AGAIN_MS);
		break;
	}
}

err_t agents_emit_new(struct agents_emit **ret, struct bus *bus, struct events *events)
{
	struct agents_emit *em = mem_zalloc(sizeof(*em));

	if (!em)
		return ERR_EXHAUSTED;
	em->events = events;
	loop_timer_init(&em->again, bus_loop(bus), on_again, em);
	*ret = em;
	return ERR_OK;
}

void agents_emit_free(struct agents_emit **ref)
{
	struct agents_emit *em = *ref;
	struct fact *f, *next;

	if (!em)
		return;
	loop_timer_done(&em->again);
	DL_FOREACH_SAFE (em->facts, f, next) {
		DL_DELETE(em->facts, f);
		f->em = NULL;
		if (f->unsent)
			mem_free(f);
	}
	mem_free(em);
	*ref = NULL;
}

err_t agents_emit(struct agents_emit *em, const struct agent_record *rec, const struct agent_transition *t)
{
	struct fact *f;

	if (!em->events)
		return ERR_OK;
	f = em->n < AGENTS_EMIT_MAX ? mem_zalloc(sizeof(*f)) : NULL;
	if (!f)
		return ERR_EXHAUSTED;
	f->em = em;
	f->t = *t;
	(void)str_copy(f->tenant, sizeof(f->tenant), rec->tenant);
	(void)str_copy(f->agent_id, sizeof(f->agent_id), rec->agent_id);
	(void)str_copy(f->site, sizeof(f->site), rec->site);
	DL_APPEND(em->facts, f);
	em->n++;
	if (send_fact(f))
		on_stored(ERR_EXHAUSTED, 0, f);
	return ERR_OK;
}
