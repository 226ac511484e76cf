/* Commands: one table from method to the agent's event; the state machine (libs/agents) judges. */
#include "desk.h"
#include "desk_wire.h"
#include "sign_in.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"

struct command_row {
	const char *method;
	enum agent_event_kind kind;
};
static const struct command_row rows[] = {
	{ "SignIn", AGENT_EV_SIGN_IN },	  { "SignOut", AGENT_EV_SIGN_OUT },
	{ "SetReady", AGENT_EV_READY },	  { "SetBusy", AGENT_EV_BUSY },
	{ "FinishWrapUp", AGENT_EV_FINISH_WRAP_UP },
};

/* A command on its way through the store. */
struct command {
	struct desk *desk;
	struct rpc_call *call;
	const struct command_row *row;
	char tenant[AGENT_ID_TEXT], agent_id[AGENT_ID_TEXT], by[64];
};

static void refuse(struct rpc_call *call, err_t e, const struct err_detail *detail)
{
	metric_add(&desk_metric_refused, 1);
	rpc_fail(call, e, detail);
}

/* ---- carrying out ---- */
static void on_applied(err_t e, const struct agent_record *record, uint64_t revision, const struct err_detail *detail,
		       void *arg)
{
	struct command *c = arg;
	struct log_ctx ctx = { .tenant = c->tenant, .agent = c->agent_id };
	struct err_detail away;

	(void)revision;
	if (!e) {
		metric_add(&desk_metric_commands, 1);
		LOG_INFO(&ctx, "agent.command", "command=%s by=%s state=%s", c->row->method, LOG_Q(c->by),
			 agent_state_name(record->state));
		desk_wire_reply_status(c->call, record, desk_agent_name(c->desk, c->tenant, c->agent_id));
	} else {
		LOG_INFO(&ctx, "agent.command_refused", "command=%s by=%s error=%s why=%s", c->row->method,
			 LOG_Q(c->by), err_name(e), LOG_Q(detail ? detail->message : ""));
		if (e == ERR_UNAVAILABLE)
			(void)err_set(&away, e, "",
				      "the agents' records cannot be reached now: look at the state and try again");
		refuse(c->call, e, e == ERR_UNAVAILABLE ? &away : detail);
	}
	mem_free(c);
}

/* 0: none. */
static unsigned agents_limit(const struct desk *d, const char *tenant)
{
	const struct tenant *t = tenantconf_find_tenant(d->conf, tenant);

	return t ? t->quotas.agents_signed_in : 0;
}

static err_t apply(struct desk *d, struct rpc_call *call, const struct command_row *row, const struct agent_event *ev,
		   const char *tenant, const char *agent_id)
{
	struct command *c = mem_zalloc(sizeof(*c));
	err_t e;

	if (!c)
		return ERR_EXHAUSTED;
	c->desk = d;
	c->call = call;
	c->row = row;
	(void)str_copy(c->tenant, sizeof(c->tenant), tenant);
	(void)str_copy(c->agent_id, sizeof(c->agent_id), agent_id);
	(void)str_copy(c->by, sizeof(c->by), desk_user(call)->subject);
	unsigned limit = ev->kind == AGENT_EV_SIGN_IN ? agents_limit(d, tenant) : 0;
	e = limit ? sign_in(d->sign_ins, tenant, agent_id, limit, on_applied, c)
		  : agents_apply(d->agents, tenant, agent_id, ev, on_applied, c);
	if (e)
		mem_free(c);
	return e;
}

/* ---- judging before the state machine ---- */
/* Who is already what was asked for is answered, not refused: commands may be repeated. */
static bool already(const struct agent_record *r, const struct agent_event *ev)
{
	switch (ev->kind) {
	case AGENT_EV_SIGN_IN:
		return agent_on_duty(r);
	case AGENT_EV_SIGN_OUT:
		return r->state == AGENT_SIGNED_OUT || r->pending_sign_out;
	case AGENT_EV_READY:
		return r->state == AGENT_READY;
	case AGENT_EV_BUSY:
		return (r->state == AGENT_BUSY && str_eq(r->reason, ev->reason)) ||
		       (r->pending_busy && str_eq(r->pending_reason, ev->reason));
	default:
		return false;
	}
}

static err_t may_sign_in(const struct desk *d, const struct tenant_agent *a, struct err_detail *detail)
{
	const struct tenant *t = a ? tenantconf_find_tenant(d->conf, a->tenant) : NULL;

	if (!t)
		return err_set(detail, ERR_NOT_FOUND, "agent_id", "no such agent");
	if (t->suspended)
		return err_set(detail, ERR_PRECONDITION, "", "the tenant is suspended");
	if (!a->enabled)
		return err_set(detail, ERR_PRECONDITION, "agent_id",
			       "the agent is disabled: an administrator can enable it");
	return ERR_OK;
}

/* An agent that was deleted while signed in can still leave. */
static err_t check_agent(const struct desk *d, const char *tenant, const char *agent_id, enum agent_event_kind kind,
			 const struct agent_record *record, struct err_detail *detail)
{
	const struct tenant_agent *a = tenantconf_find_agent(d->conf, tenant, agent_id);

	if (kind == AGENT_EV_SIGN_IN)
		return may_sign_in(d, a, detail);
	if (!a && !record)
		return err_set(detail, ERR_NOT_FOUND, "agent_id", "no such agent");
	return ERR_OK;
}

static err_t run(struct desk *d, struct rpc_call *call, const struct command_row *row, const ProtobufCMessage *req,
		 struct err_detail *detail)
{
	const char *tenant = desk_user(call)->tenant, *agent_id;
	struct agent_event ev = { .kind = row->kind, .site = d->site };
	const struct agent_record *record;
	struct agent_record blank;
	struct desk_command cmd;
	err_t e = desk_wire_command_from_pb(&cmd, req, detail);

	if (!e)
		e = desk_agent_of(call, cmd.agent_id, &agent_id, detail);
	if (e)
		return e;
	record = agents_find(d->agents, tenant, agent_id, NULL);
	e = check_agent(d, tenant, agent_id, row->kind, record, detail);
	if (e)
		return e;
	agent_record_init(&blank, tenant, agent_id);
	record = record ? record : &blank;
	ev.reason = cmd.reason;
	if (ev.kind == AGENT_EV_SIGN_IN && record->pending_sign_out)
		ev.kind = AGENT_EV_READY; /* stays after all */
	if (!already(record, &ev))
		return apply(d, call, row, &ev, tenant, agent_id);
	desk_wire_reply_status(call, record, desk_agent_name(d, tenant, agent_id));
	return ERR_OK;
}

struct method {
	struct desk *desk;
	const struct command_row *row;
};

static struct method bound[ARRAY_SIZE(rows)]; /* the server keeps pointers to them */

static void on_command(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const struct method *m = arg;
	struct err_detail detail = { 0 };
	err_t e = run(m->desk, call, m->row, req, &detail);

	if (e)
		refuse(call, e, &detail);
}

/* ---- asking ---- */
static void on_get_state(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const char *tenant = desk_user(call)->tenant, *agent_id;
	const struct agent_record *record = NULL;
	struct err_detail detail = { 0 };
	struct agent_record blank;
	struct desk_command cmd;
	struct desk *d = arg;
	err_t e = desk_wire_command_from_pb(&cmd, req, &detail);

	if (!e)
		e = desk_agent_of(call, cmd.agent_id, &agent_id, &detail);
	if (!e) {
		record = agents_find(d->agents, tenant, agent_id, NULL);
		e = check_agent(d, tenant, agent_id, AGENT_EV_READY, record, &detail);
	}
	if (e) {
		refuse(call, e, &detail);
		return;
	}
	agent_record_init(&blank, tenant, agent_id);
	desk_wire_reply_status(call, record ? record : &blank, desk_agent_name(d, tenant, agent_id));
}

struct listing {
	const char *after;
	const struct tenant_agent **agents;
	size_t n, cap;
};

static bool collect(const struct tenant_agent *a, void *arg)
{
	struct listing *l = arg;

	if (strcmp(a->id, l->after) > 0 && l->n < l->cap)
		l->agents[l->n++] = a;
	return true;
}

static int by_id(const void *a, const void *b)
{
	const struct tenant_agent *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

static void reply_list(struct desk *d, struct rpc_call *call, const struct listing *l, size_t n)
{
	struct desk_status *list = mem_array(n, sizeof(*list));
	struct agent_record *blank = mem_array(n, sizeof(*blank));

	if (!list || !blank) {
		refuse(call, ERR_EXHAUSTED, NULL);
	} else {
		for (size_t i = 0; i < n; i++) {
			const struct tenant_agent *a = l->agents[i];

			agent_record_init(&blank[i], a->tenant, a->id);
			list[i].record = agents_find(d->agents, a->tenant, a->id, NULL);
			list[i].record = list[i].record ? list[i].record : &blank[i];
			list[i].name = a->display_name;
		}
		desk_wire_reply_agents(call, list, n, n < l->n ? l->agents[n - 1]->id : "");
	}
	mem_free(list);
	mem_free(blank);
}

static void on_list(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const char *tenant = desk_user(call)->tenant;
	struct err_detail detail = { 0 };
	struct desk_page page;
	struct listing l = { 0 };
	struct desk *d = arg;
	err_t e = desk_wire_page_from_pb(&page, req, &detail);

	if (!e) {
		l.cap = tenantconf_n_agents(d->conf, tenant);
		l.after = page.after;
		l.agents = mem_array(l.cap, sizeof(struct tenant_agent *));
		e = l.agents ? ERR_OK : ERR_EXHAUSTED;
	}
	if (e) {
		refuse(call, e, &detail);
		return;
	}
	tenantconf_each_agent(d->conf, tenant, collect, &l);
	qsort(l.agents, l.n, sizeof(struct tenant_agent *), by_id);
	reply_list(d, call, &l, l.n < page.size ? l.n : page.size);
	mem_free(l.agents);
}

err_t commands_add(struct desk *d)
{
	const ProtobufCServiceDescriptor *s = desk_wire_service();
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_SIZE(rows); i++) {
		bound[i] = (struct method){ d, &rows[i] };
		e = rpc_server_add(d->server, s, rows[i].method, RPC_UNARY, on_command, &bound[i]);
	}
	if (!e)
		e = rpc_server_add(d->server, s, "GetState", RPC_UNARY, on_get_state, d);
	if (!e)
		e = rpc_server_add(d->server, s, "ListAgents", RPC_UNARY, on_list, d);
	return e;
}
