/* The call behind a reservation: caller, called number and what the flow collected are in call-control's checkpoint. */
#include "streams.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"

struct look_up {
	struct desk *desk;
	uint64_t watcher;
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT], call_id[AGENT_CALL_TEXT], queue_id[AGENT_ID_TEXT];
};

/* The agent may have answered, or lost the call, while we looked. */
static bool still_offered(const struct look_up *l)
{
	const struct agent_record *r = agents_find(l->desk->agents, l->tenant, l->agent_id, NULL);

	return r && (r->state == AGENT_RESERVED || r->state == AGENT_ON_CALL) && strcmp(r->call_id, l->call_id) == 0;
}

static const char *queue_name(const struct look_up *l)
{
	const struct tenant *t = tenantconf_find_tenant(l->desk->conf, l->tenant);
	const struct tenant_queue *q = t ? tenant_find_queue(t, l->queue_id) : NULL;

	return q ? q->display_name : "";
}

static void on_checkpoint(err_t e, const struct bus_msg *msg, void *arg)
{
	struct look_up *l = arg;
	struct desk_offer offer = { .caller = "", .called = "" };
	struct err_detail detail = { 0 };
	struct arena a;

	arena_init(&a, 0);
	if (!e)
		e = desk_wire_checkpoint_from_pb(&offer, &a, msg->data, msg->size, &detail);
	if (e && e != ERR_NOT_FOUND) {
		struct log_ctx ctx = { .tenant = l->tenant, .call = l->call_id, .agent = l->agent_id };

		metric_add(&desk_metric_bad_messages, 1);
		LOG_WARN(&ctx, "offer.unreadable", "error=%s field=%s why=%s", err_name(e), detail.field,
			 LOG_Q(detail.message));
	}
	/* Without the checkpoint the agent still learns that there is a call. */
	offer.agent_id = l->agent_id;
	offer.call_id = l->call_id;
	offer.queue_id = l->queue_id;
	offer.queue_name = queue_name(l);
	streams_offer(l->desk->streams, l->tenant, l->watcher, l->agent_id, still_offered(l) ? &offer : NULL);
	arena_done(&a);
	mem_free(l);
}

err_t offers_look_up(struct desk *d, const struct agent_record *record, uint64_t watcher)
{
	struct look_up *l = mem_zalloc(sizeof(*l));
	char key[AGENT_ID_TEXT + AGENT_CALL_TEXT];
	err_t e;

	if (!l)
		return ERR_EXHAUSTED;
	l->desk = d;
	l->watcher = watcher;
	(void)str_copy(l->tenant, sizeof(l->tenant), record->tenant);
	(void)str_copy(l->agent_id, sizeof(l->agent_id), record->agent_id);
	(void)str_copy(l->call_id, sizeof(l->call_id), record->call_id);
	(void)str_copy(l->queue_id, sizeof(l->queue_id), record->queue_id);
	snprintf(key, sizeof(key), "%s.%s", l->tenant, l->call_id);
	e = bus_kv_get(d->calls, key, on_checkpoint, l);
	if (e)
		mem_free(l);
	return e;
}
