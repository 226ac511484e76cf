/* What the core wants done. An answer that comes after the epoch ended is dropped: the next leader finds out by itself. */
#include "shard.h"

#include "agents/agents_wire.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>

/* A write or read under way. */
struct errand {
	struct router *router;
	const struct served *served;
	uint32_t shard;
	uint64_t epoch;
	int64_t started_us;
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT], call_id[AGENT_CALL_TEXT], leg_id[AGENT_CALL_TEXT];
};

static struct errand *errand_new(struct shard *s, const struct router_fx *fx)
{
	struct errand *er = mem_zalloc(sizeof(*er));

	if (!er)
		return NULL;
	er->router = s->router;
	er->served = s->served;
	er->shard = s->number;
	er->epoch = s->epoch;
	er->started_us = clock_mono_us();
	(void)str_copy(er->tenant, sizeof(er->tenant), fx->tenant);
	(void)str_copy(er->agent_id, sizeof(er->agent_id), fx->agent_id);
	(void)str_copy(er->call_id, sizeof(er->call_id), fx->call_id);
	return er;
}

/* The shard if it is still led in the errand's epoch; a refused write of an epoch that is over has been fenced. */
static struct shard *still_led(const struct errand *er, err_t e)
{
	struct shard *s = er->served->shards[er->shard];

	if (s && s->core && s->epoch == er->epoch)
		return s;
	if (e == ERR_ABORTED || e == ERR_PRECONDITION)
		metric_add(&router_metric_fenced, 1);
	return NULL;
}

/* ---- reservation --------------------------------------------------------------------------------------------------- */

static void on_reserved(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
			void *arg)
{
	struct errand *er = arg;
	struct shard *s = still_led(er, e);
	struct router_reserved_in in = { .tenant = er->tenant,
					 .agent_id = er->agent_id,
					 .call_id = er->call_id,
					 .error = e,
					 .revision = revision,
					 .leg_id = er->leg_id };

	(void)detail;
	if (s) {
		if (record && e && record->router_epoch > er->epoch)
			metric_add(&router_metric_fenced, 1); /* a newer leader is at work, we do not know it yet */
		metric_observe_us(&router_metric_reserve_us, clock_mono_us() - er->started_us);
		shard_after(s, router_core_reserved(s->core, &in, router_now_ms(s->router)));
	}
	mem_free(er);
}

static void reserve(struct shard *s, const struct router_fx *fx)
{
	struct errand *er = errand_new(s, fx);
	struct agent_event ev = { .kind = fx->take_over ? AGENT_EV_TAKE_OVER : AGENT_EV_RESERVE,
				  .call_id = fx->call_id,
				  .queue_id = fx->queue_id,
				  .router_epoch = s->epoch,
				  .reserved_until_ms = fx->reserved_until_ms };

	if (!er) {
		router_fail(s->router);
		return;
	}
	if (fx->take_over)
		(void)str_copy(er->leg_id, sizeof(er->leg_id), fx->leg_id);
	else
		(void)id_new(clock_wall_ms(), er->leg_id);
	ev.leg_id = er->leg_id;
	/* Our own clock knows before anybody else may lead. */
	if (!bus_lease_held(s->lease) ||
	    agents_apply_at(s->router->agents, fx->tenant, fx->agent_id, &ev, fx->revision, on_reserved, er)) {
		mem_free(er);
		if (bus_lease_held(s->lease))
			router_fail(s->router);
	}
}

/* ---- other changes of a record -------------------------------------------------------------------------------------- */

static void on_changed(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		       void *arg)
{
	struct errand *er = arg;

	(void)record;
	(void)revision;
	(void)detail;
	(void)still_led(er, e); /* the watch tells what came of it, and the core repeats what did not happen */
	mem_free(er);
}

static void change(struct shard *s, const struct router_fx *fx)
{
	struct agent_event ev = { .kind = fx->event,
				  .cause = fx->cause,
				  .reason = fx->reason,
				  .call_id = fx->call_id,
				  .auto_ready = fx->auto_ready };
	struct errand *er = errand_new(s, fx);

	if (!er || !bus_lease_held(s->lease) ||
	    agents_apply_at(s->router->agents, fx->tenant, fx->agent_id, &ev, fx->revision, on_changed, er))
		mem_free(er); /* the core repeats it */
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

static void on_refreshed(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
			 void *arg)
{
	struct errand *er = arg;
	struct shard *s = still_led(er, ERR_OK);

	(void)detail;
	if (s && !e && record)
		shard_agent(s, record, revision, true);
	mem_free(er);
}

static void refresh(struct shard *s, const struct router_fx *fx)
{
	struct errand *er = errand_new(s, fx);

	if (!er || agents_refresh(s->router->agents, fx->tenant, fx->agent_id, on_refreshed, er))
		mem_free(er);
}

static void on_looked(err_t e, const struct bus_msg *msg, void *arg)
{
	struct errand *er = arg;
	struct shard *s = still_led(er, ERR_OK);

	(void)msg;
	if (s && (e == ERR_OK || e == ERR_NOT_FOUND))
		shard_after(s, router_core_looked(s->core, er->tenant, er->agent_id, er->call_id, e == ERR_OK,
						  router_now_ms(s->router)));
	mem_free(er);
}

static void look(struct shard *s, const struct router_fx *fx)
{
	struct errand *er = errand_new(s, fx);
	char key[AGENT_ID_TEXT + AGENT_CALL_TEXT + 1];

	(void)snprintf(key, sizeof(key), "%s.%s", fx->tenant, fx->call_id);
	if (!er || bus_kv_get(s->router->calls, key, on_looked, er))
		mem_free(er);
}

/* ---- messages ------------------------------------------------------------------------------------------------------- */

/* The record as it was reserved; NULL: its holder reads it itself. */
static void *reserved_record(struct shard *s, const struct router_fx *fx, size_t *ret_size)
{
	uint64_t revision = 0;
	const struct agent_record *rec =
	    fx->kind == ROUTER_FX_ASSIGNED ? agents_find(s->router->agents, fx->tenant, fx->agent_id, &revision) : NULL;
	void *bytes = NULL;

	if (!rec || revision != fx->revision || agent_record_to_pb(rec, &bytes, ret_size))
		return NULL;
	return bytes;
}

static void tell(struct shard *s, const struct router_fx *fx)
{
	char subject[ROUTER_SUBJECT];
	struct str *out;
	size_t size = 0;
	void *record = reserved_record(s, fx, &size);
	bool fresh;

	(void)snprintf(subject, sizeof(subject), "tl.%s.cc.%s.router", s->router->site, fx->owner);
	out = batches_get(&s->batches, subject, &fresh);
	if (fresh)
		router_events_put_head(out, s->router->instance, s->epoch);
	router_events_put(out, fx, record, size);
	mem_free(record);
}

void perform(struct shard *s, const struct router_fx *fx)
{
	switch (fx->kind) {
	case ROUTER_FX_RESERVE:
		reserve(s, fx);
		break;
	case ROUTER_FX_AGENT:
		change(s, fx);
		break;
	case ROUTER_FX_READ_AGENT:
		refresh(s, fx);
		break;
	case ROUTER_FX_LOOK:
		look(s, fx);
		break;
	case ROUTER_FX_QUEUED:
	case ROUTER_FX_ASSIGNED:
	case ROUTER_FX_REFUSED:
		tell(s, fx);
		break;
	}
}
