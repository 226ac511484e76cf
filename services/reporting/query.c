/* query: ReportService. The question runs as one transaction of the tenant on a database worker. */
#include "reporting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "report_wire.h"

struct job {
	struct reporting *reporting;
	const struct vault_view *view;
	/* Of calls: how envelopes of the caller's number begin. */
	size_t n_found;
	char found[SEALED_VERSIONS_MAX][SEALED_PREFIX];
	struct rpc_call *call;
	struct report_query q;
	struct report_result r;
};

/* ---- SQL (columns in the order of report_wire.c) ------------------------------------------------------------------------ */

#define QUEUE_SUMS                                                                                         \
	"sum(offered), sum(answered), sum(answered_in_target), sum(abandoned), sum(abandoned_short), "     \
	"sum(abandoned_20s), "                                                                             \
	"sum(overflowed), sum(wait_answered_ms), sum(wait_abandoned_ms), max(wait_max_ms), sum(handled), " \
	"sum(talk_ms), "                                                                                   \
	"sum(hold_ms), sum(after_work_ms) "
#define AGENT_SUMS                                                                                            \
	"sum(offered), sum(answered), sum(missed), sum(handled), sum(talk_ms), sum(hold_ms), sum(ready_ms), " \
	"sum(busy_ms), "                                                                                      \
	"sum(ringing_ms), sum(on_call_ms), sum(wrap_up_ms) "
#define IN_RANGE "WHERE tenant = rep.tenant() AND start_ms >= $1::bigint AND start_ms < $2::bigint "

static const char queues_sql[] =
    "SELECT queue_id, start_ms / $3::bigint * $3::bigint AS at, " QUEUE_SUMS "FROM rep.queue_interval " IN_RANGE
    "AND ($4 = '' OR queue_id = $4) GROUP BY queue_id, at ORDER BY at, queue_id LIMIT 10000";
static const char agents_sql[] =
    "SELECT agent_id, start_ms / $3::bigint * $3::bigint AS at, " AGENT_SUMS "FROM rep.agent_interval " IN_RANGE
    "AND ($4 = '' OR agent_id = $4) GROUP BY agent_id, at ORDER BY at, agent_id LIMIT 10000";
static const char totals_sql[] =
    "SELECT coalesce(sum(calls), 0), coalesce(sum(answered), 0), coalesce(sum(abandoned), 0), "
    "coalesce(sum(ivr), 0), coalesce(sum(refused), 0), coalesce(sum(failed), 0) FROM rep.tenant_interval " IN_RANGE;
static const char queue_totals_sql[] = "SELECT queue_id, $1::bigint, " QUEUE_SUMS "FROM rep.queue_interval " IN_RANGE
				       "GROUP BY queue_id ORDER BY queue_id LIMIT 10000";
static const char agent_totals_sql[] = "SELECT agent_id, $1::bigint, " AGENT_SUMS "FROM rep.agent_interval " IN_RANGE
				       "GROUP BY agent_id ORDER BY agent_id LIMIT 10000";
static const char calls_sql[] =
    "SELECT call_id, coalesce(caller, ''), coalesce(called, ''), coalesce(trunk_id, ''), coalesce(queue_id, ''), "
    "coalesce(agent_id, ''), coalesce(disposition, ''), coalesce(cause, ''), coalesce(digits, ''), "
    "coalesce(recording_id, ''), "
    "offered_ms, answered_ms, agent_answered_ms, ended_ms, wait_ms, talk_ms, hold_ms FROM rep.call "
    "WHERE tenant = rep.tenant() AND offered_ms >= $1::bigint AND offered_ms < $2::bigint "
    "AND ($3 = '' OR agent_id = $3) AND ($4 = '' OR queue_id = $4) AND ($5 = '' OR disposition = $5) "
    "AND ($6 = '' OR CASE WHEN $7 = 't' THEN starts_with(caller, $6) ELSE caller = $6 OR caller ^@ ANY ($13::text[]) "
    "END) "
    "AND ($8 = '' OR CASE WHEN $9 = 't' THEN starts_with(called, $8) ELSE called = $8 END) "
    "AND ($10::bigint < 0 OR (offered_ms, call_id) < ($10::bigint, $11)) "
    "ORDER BY offered_ms DESC, call_id DESC LIMIT $12::bigint + 1";

struct numbers {
	char from[24], to[24], step[24], after[24], page[24];
};

static void print_numbers(struct numbers *n, const struct report_query *q)
{
	(void)snprintf(n->from, sizeof(n->from), "%lld", (long long)q->from_ms);
	(void)snprintf(n->to, sizeof(n->to), "%lld", (long long)q->to_ms);
	(void)snprintf(n->step, sizeof(n->step), "%lld", (long long)q->step_ms);
	(void)snprintf(n->after, sizeof(n->after), "%lld", (long long)q->after_ms);
	(void)snprintf(n->page, sizeof(n->page), "%d", q->page_size);
}

static void result_done(struct report_result *r)
{
	db_result_free(&r->totals);
	db_result_free(&r->queues);
	db_result_free(&r->agents);
	db_result_free(&r->calls);
}

static err_t ask_calls(struct db_tx *tx, struct job *j, const struct numbers *n)
{
	const struct report_query *q = &j->q;
	struct str found = STR_INIT;
	err_t e;

	for (size_t i = 0; i < j->n_found; i++)
		db_array_add(&found, j->found[i]);
	const char *array = db_array_text(&found);
	if (found.failed)
		e = ERR_EXHAUSTED;
	else
		e = db_exec(tx, &j->r.calls, calls_sql, 13,
			    (const char *[]){ n->from, n->to, q->agent_id, q->queue_id, q->disposition, q->caller,
					      q->caller_prefix ? "t" : "f", q->called, q->called_prefix ? "t" : "f",
					      n->after, q->after_call, n->page, array });
	str_done(&found);
	return e;
}

static err_t ask(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	const struct report_query *q = &j->q;
	struct report_result *r = &j->r;
	struct numbers n;
	err_t e;

	result_done(r); /* a retry */
	print_numbers(&n, q);
	switch (q->kind) {
	case REPORT_QUEUES:
		return db_exec(tx, &r->queues, queues_sql, 4, (const char *[]){ n.from, n.to, n.step, q->queue_id });
	case REPORT_AGENTS:
		return db_exec(tx, &r->agents, agents_sql, 4, (const char *[]){ n.from, n.to, n.step, q->agent_id });
	case REPORT_SUMMARY:
		e = db_exec(tx, &r->totals, totals_sql, 2, (const char *[]){ n.from, n.to });
		if (!e)
			e = db_exec(tx, &r->queues, queue_totals_sql, 2, (const char *[]){ n.from, n.to });
		if (!e)
			e = db_exec(tx, &r->agents, agent_totals_sql, 2, (const char *[]){ n.from, n.to });
		return e;
	default:
		return ask_calls(tx, j, &n);
	}
}

static void job_free(struct job *j)
{
	if (!j)
		return;
	result_done(&j->r);
	vault_view_unref(&j->view);
	mem_free(j);
}

static void on_asked(err_t e, void *arg)
{
	struct job *j = arg;

	j->r.lag_records = ingest_lag(j->reporting);
	if (e) {
		struct err_detail d;

		LOG_WARN(NULL, "query.failed", "method=%s error=%s", rpc_method(j->call), err_name(e));
		(void)err_set(&d, e, "",
			      e == ERR_UNAVAILABLE ? "the database is away: try again"
						   : "the question could not be answered");
		rpc_fail(j->call, e == ERR_UNAVAILABLE || e == ERR_TIMEOUT ? e : ERR_INTERNAL, &d);
	} else {
		report_reply(j->call, &j->q, &j->r);
	}
	job_free(j);
}

/* ---- calls ------------------------------------------------------------------------------------------------------------------ */

/* What of the calls is shown to who asks, and how he finds them. */
static err_t take_vault(struct job *j, struct err_detail *d)
{
	const struct report_query *q = &j->q;

	j->view = vault_look(j->reporting->vault);
	if (!j->view)
		return err_set(d, ERR_UNAVAILABLE, "", "the tenants are not known yet: try again");
	j->r.vault = vault_find(j->view, q->tenant, strlen(q->tenant));
	j->r.clear = auth_has(rpc_call_user(j->call), RIGHT_CALLS_SENSITIVE);
	if (q->kind != REPORT_CALLS || str_empty(q->caller))
		return ERR_OK;
	return vault_seek(j->r.vault, BOOKS_CALLER, q->caller, q->caller_prefix, j->r.clear, "caller", j->found,
			  &j->n_found, d);
}

static void handle(struct rpc_call *call, const ProtobufCMessage *req, void *arg, enum report_kind kind)
{
	struct reporting *r = arg;
	struct job *j = mem_zalloc(sizeof(*j));
	struct err_detail d = { "", "" };
	const char *tenant = NULL;
	err_t e = j ? report_from_pb(&j->q, kind, req, clock_wall_ms(), &d) : ERR_EXHAUSTED;

	if (!e)
		e = auth_tenant(rpc_call_user(call), j->q.tenant, &tenant, &d);
	if (!e && str_empty(tenant))
		e = err_set(&d, ERR_INVALID, "parent", "tenants/{tenant} is wanted: the token is not of a tenant");
	if (!e) {
		j->reporting = r;
		j->call = call;
		(void)str_copy(j->q.tenant, sizeof(j->q.tenant), tenant);
		e = take_vault(j, &d);
	}
	if (!e)
		e = db_run(r->db, j->q.tenant, ask, j, on_asked, j);
	if (e) {
		job_free(j);
		rpc_fail(call, e, &d);
	}
}

static void on_queues(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	handle(call, req, arg, REPORT_QUEUES);
}

static void on_agents(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	handle(call, req, arg, REPORT_AGENTS);
}

static void on_summary(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	handle(call, req, arg, REPORT_SUMMARY);
}

static void on_calls(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	handle(call, req, arg, REPORT_CALLS);
}

static err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	struct reporting *r = arg;
	struct auth_user u, *kept;
	err_t e = auth_verify(r->verifier, rpc_metadata(call, "authorization"), clock_wall_ms() / 1000, &u, detail);

	if (!e)
		e = revoked_check(r->revoked, &u, detail);
	if (!e) {
		rpc_call_set_languages(call, u.language, u.tenant_language);
		e = auth_check(method, &u, detail);
	}
	if (e)
		return e;
	kept = mem_dup(&u, sizeof(u)); /* who is held is not refused afterwards */
	e = kept ? apirate_take(r->apirate, call, &u, detail) : ERR_EXHAUSTED;
	if (e) {
		mem_free(kept);
		return e;
	}
	rpc_call_set_user(call, kept, mem_free);
	return ERR_OK;
}

static err_t recheck(struct rpc_call *call, struct err_detail *detail, void *arg)
{
	const struct reporting *r = arg;

	return revoked_recheck(r->revoked, rpc_call_user(call), clock_wall_ms() / 1000, detail);
}

err_t query_start(struct reporting *r, const struct reporting_config *cfg, struct err_detail *d)
{
	static rpc_handler_fn *const handlers[REPORT_KINDS] = { on_queues, on_agents, on_summary, on_calls };
	struct rpc_server_params p = {
		.loop = r->loop,
		.address = cfg->grpc_address,
		.tls = { .ca_file = cfg->tls_ca_file, .cert_file = cfg->tls_cert_file, .key_file = cfg->tls_key_file },
		.authorize = authorize,
		.recheck = recheck,
		.arg = r
	};
	err_t e;

	if (str_empty(cfg->tls_cert_file))
		p.tls = (struct rpc_tls){ 0 };
	e = auth_verifier_new(&r->verifier, cfg->public_key_file, d);
	if (!e)
		e = rpc_server_new(&r->server, &p, d);
	for (int i = 0; i < REPORT_KINDS && !e; i++)
		e = rpc_server_add(r->server, report_service, report_methods[i], RPC_UNARY, handlers[i], r);
	if (!e)
		e = rpc_server_start(r->server);
	return e;
}
