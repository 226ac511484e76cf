#include "admin.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "import_run.h"
#include "import_upload.h"
#include "importer.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "operator.h"
#include "ops.h"
#include "pool.h"
#include "publisher.h"
#include "purge.h"
#include "quota.h"
#include "revoker.h"
#include "token.h"
#include "upload.h"
#include "trunkline/admin/v1/admin.pb-c.h"

#define METHODS_MAX 95

struct entry {
	struct method m;
	struct manager *tm;
	char rpc[40], action[40];
};
struct admin {
	struct manager *tm;
	size_t n;
	struct entry entries[METHODS_MAX];
};

static struct metric requests_ok =
    METRIC_COUNTER_L("trunkline_admin_requests_total", "result=\"ok\"", "administrative requests");
static struct metric requests_failed =
    METRIC_COUNTER_L("trunkline_admin_requests_total", "result=\"failed\"", "administrative requests");

/* ---- who may ---- */

static void session_free(void *arg)
{
	struct session *s = arg;

	upload_free(s->upload);
	import_upload_free(s->import);
	mem_free(s);
}

err_t admin_authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	const struct admin *a = arg;
	struct session *session;

	if (rights_of_method(method) == RIGHT_PUBLIC)
		return ERR_OK;
	session = mem_zalloc(sizeof(*session));
	if (!session)
		return ERR_EXHAUSTED;
	err_t e = auth_verify(a->tm->verifier, rpc_metadata(call, "authorization"), clock_wall_ms() / 1000,
			      &session->user, detail);
	if (!e)
		e = revoked_check(a->tm->revoked, &session->user, detail);
	if (!e) {
		rpc_call_set_languages(call, session->user.language, session->user.tenant_language);
		e = auth_check(method, &session->user, detail);
	}
	if (!e)
		e = apirate_take(a->tm->apirate, call, &session->user, detail); /* CreateToken, too */
	if (e)
		mem_free(session);
	else
		rpc_call_set_user(call, session, session_free);
	return e;
}

err_t admin_recheck(struct rpc_call *call, struct err_detail *detail, void *arg)
{
	const struct session *session = rpc_call_user(call);
	const struct admin *a = arg;

	if (!session)
		return ERR_OK; /* a public method */
	return revoked_recheck(a->tm->revoked, &session->user, clock_wall_ms() / 1000, detail);
}

/* ---- jobs ---- */

err_t job_new(struct job **ret, struct manager *tm, const struct method *m, struct rpc_call *call)
{
	struct job *j = mem_zalloc(sizeof(*j));
	const struct session *session = rpc_call_user(call);

	if (!j)
		return ERR_EXHAUSTED;
	*j = (struct job){ .tm = tm, .call = call, .method = m, .language = rpc_language(call) };
	if (session)
		j->user = session->user;
	(void)str_copy(j->peer, sizeof(j->peer), rpc_peer(call) ? rpc_peer(call) : "");
	arena_init(&j->arena, 0);
	*ret = j;
	return ERR_OK;
}

static void job_free(struct job *j)
{
	arena_done(&j->arena);
	upload_free(j->upload);
	import_upload_free(j->import);
	mem_free(j);
}

/* What a caller may be told when it is not the caller's doing. */
static void explain(struct job *j, err_t e)
{
	const char *text = "internal error; the log of the service has the details";

	if (*j->detail.message)
		return;
	if (e == ERR_UNAVAILABLE || e == ERR_TIMEOUT)
		text = "the database is away; try again";
	else if (e == ERR_EXHAUSTED)
		text = "out of memory or too many requests; try again";
	else if (e == ERR_ABORTED)
		text = "others changed the same at the same time; try again";
	(void)err_set(&j->detail, e, "", "%s", text);
}

void job_fail(struct job *j, err_t e)
{
	struct log_ctx ctx = { .tenant = j->rq.tenant };

	if (e == ERR_INTERNAL || e == ERR_UNAVAILABLE || e == ERR_DATA_LOSS || e == ERR_UNKNOWN)
		LOG_ERROR(&ctx, "admin.failed", "action=%s error=%s detail=%s", j->method->action, err_name(e),
			  LOG_Q(j->db_error));
	metric_add(&requests_failed, 1);
	explain(j, e);
	rpc_fail(j->call, e, &j->detail);
	job_free(j);
}

static void on_done(err_t e, void *arg)
{
	struct job *j = arg;
	struct log_ctx ctx = { .tenant = j->rq.tenant };

	e = job_result(j, e);
	if (e) {
		job_fail(j, e);
		return;
	}
	metric_add(&requests_ok, 1);
	if (j->changed && !j->rq.validate_only) {
		LOG_INFO(&ctx, "admin.changed", "action=%s id=%s actor=%s", j->method->action, LOG_Q(j->rq.id),
			 LOG_Q(j->user.subject));
		publisher_kick(j->tm->publisher);
		if (!j->method->kind && j->method->verb == VERB_DELETE)
			purge_kick(j->tm->purge); /* without a grace it is due */
		if (j->import)
			importer_kick(j->tm->importer);
		if (j->method->verb == VERB_REVOKE || !*j->rq.tenant) /* an operator's tokens may be */
			revoker_kick(j->tm->revoker);
	}
	rpc_reply(j->call, j->reply);
	job_free(j);
}

static err_t run(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	err_t e = j->method->op(tx, j);

	if (e)
		(void)str_copy(j->db_error, sizeof(j->db_error), db_error(tx));
	return e;
}

void job_start(struct job *j)
{
	err_t e = db_run(j->tm->db, str_empty(j->rq.tenant) ? NULL : j->rq.tenant, run, j, on_done, j);

	if (e)
		job_fail(j, e);
}

err_t job_check_tenant(struct job *j)
{
	const char *tenant;

	if (str_empty(j->rq.tenant))
		return ERR_OK;
	return auth_tenant(&j->user, j->rq.tenant, &tenant, &j->detail);
}

static void on_gone(struct rpc_call *call, void *arg)
{
	struct job *j = arg;

	(void)call;
	atomic_store(&j->gone, true);
}

static void on_call(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const struct entry *en = arg;
	struct job *j;
	err_t e = job_new(&j, en->tm, &en->m, call);

	if (e) {
		rpc_fail(call, e, NULL);
		return;
	}
	rpc_on_cancel(call, on_gone, j);
	e = request_from_pb(&j->rq, &en->m, req, &j->detail);
	if (!e)
		e = job_check_tenant(j);
	if (!e && !str_empty(j->rq.request_id))
		e = request_fingerprint(req, j->fingerprint);
	if (e)
		job_fail(j, e);
	else
		job_start(j);
}

/* ---- the table ---- */

static err_t add(struct admin *a, const struct method *m, const char *rpc, const char *action)
{
	struct entry *en = &a->entries[a->n++];

	en->tm = a->tm;
	en->m = *m;
	(void)str_copy(en->rpc, sizeof(en->rpc), rpc);
	(void)str_copy(en->action, sizeof(en->action), action);
	en->m.action = en->action;
	return rpc_server_add(a->tm->server, &trunkline__admin__v1__admin_service__descriptor, en->rpc, RPC_UNARY,
			      on_call, en);
}

static const struct verb_row {
	enum verb verb;
	const char *prefix, *action;
	bool many;
	err_t (*resource_op)(struct db_tx *tx, void *job), (*tenant_op)(struct db_tx *tx, void *job);
} verbs[] = {
	{ VERB_CREATE, "Create", "create", false, ops_resource_create, ops_tenant_create },
	{ VERB_GET, "Get", "get", false, ops_resource_get, ops_tenant_get },
	{ VERB_LIST, "List", "list", true, ops_resource_list, ops_tenant_list },
	{ VERB_UPDATE, "Update", "update", false, ops_resource_update, ops_tenant_update },
	{ VERB_DELETE, "Delete", "delete", false, ops_resource_delete, ops_tenant_delete },
};

/* In no tenant. */
static err_t add_of_operators(struct admin *a)
{
	static const struct {
		const struct kind *kind;
		enum verb verb;
		const char *rpc, *action;
		err_t (*op)(struct db_tx *tx, void *job);
	} rows[] = {
		{ &pool_kind, VERB_CREATE, "CreatePool", "pools.create", ops_pool_create },
		{ &pool_kind, VERB_GET, "GetPool", "pools.get", ops_pool_get },
		{ &pool_kind, VERB_LIST, "ListPools", "pools.list", ops_pool_list },
		{ &pool_kind, VERB_UPDATE, "UpdatePool", "pools.update", ops_pool_update },
		{ &pool_kind, VERB_DELETE, "DeletePool", "pools.delete", ops_pool_delete },
		{ &operator_kind, VERB_CREATE, "CreateOperator", "operators.create", ops_operator_create },
		{ &operator_kind, VERB_GET, "GetOperator", "operators.get", ops_resource_get },
		{ &operator_kind, VERB_LIST, "ListOperators", "operators.list", ops_resource_list },
		{ &operator_kind, VERB_UPDATE, "UpdateOperator", "operators.update", ops_operator_update },
		{ &operator_kind, VERB_DELETE, "DeleteOperator", "operators.delete", ops_operator_delete },
		{ &operator_role_kind, VERB_CREATE, "CreateOperatorRole", "roles.create", ops_operator_create },
		{ &operator_role_kind, VERB_GET, "GetOperatorRole", "roles.get", ops_resource_get },
		{ &operator_role_kind, VERB_LIST, "ListOperatorRoles", "roles.list", ops_resource_list },
		{ &operator_role_kind, VERB_UPDATE, "UpdateOperatorRole", "roles.update", ops_operator_update },
		{ &operator_role_kind, VERB_DELETE, "DeleteOperatorRole", "roles.delete", ops_operator_delete },
	};
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_SIZE(rows); i++) {
		const struct method m = { .kind = rows[i].kind, .verb = rows[i].verb, .op = rows[i].op };

		e = add(a, &m, rows[i].rpc, rows[i].action);
	}
	return e;
}

/* kind NULL: tenants. */
static err_t add_verbs(struct admin *a, const struct kind *kind)
{
	char rpc[40], action[40];
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_SIZE(verbs); i++) {
		const struct verb_row *v = &verbs[i];
		struct method m = { .kind = kind, .verb = v->verb, .op = kind ? v->resource_op : v->tenant_op };

		/* Prompts come by UploadPrompt. */
		if (v->verb == VERB_CREATE && kind && strcmp(kind->name, "prompt") == 0)
			continue;
		if (kind)
			snprintf(rpc, sizeof(rpc), "%s%s", v->prefix, v->many ? kind->titles : kind->title);
		else
			snprintf(rpc, sizeof(rpc), "%s%s", v->prefix, v->many ? "Tenants" : "Tenant");
		snprintf(action, sizeof(action), "%s.%s", kind ? kind->plural : "tenants", v->action);
		e = add(a, &m, rpc, action);
	}
	return e;
}

static err_t add_flow_versions(struct admin *a)
{
	static const struct {
		enum verb verb;
		const char *rpc, *action;
		err_t (*op)(struct db_tx *tx, void *job);
	} rows[] = {
		{ VERB_PUBLISH, "PublishFlow", "flows.publish", ops_flow_publish },
		{ VERB_PUBLISH, "RollbackFlow", "flows.rollback", ops_flow_rollback },
		{ VERB_VERSIONS, "ListFlowVersions", "flows.versions", ops_flow_versions },
		{ VERB_VERSION, "GetFlowVersion", "flows.version", ops_flow_version },
	};
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < ARRAY_SIZE(rows); i++) {
		const struct method m = { .kind = kind_find("flow"), .verb = rows[i].verb, .op = rows[i].op };

		e = add(a, &m, rows[i].rpc, rows[i].action);
	}
	return e;
}

static err_t add_imports(struct admin *a)
{
	static const struct {
		enum verb verb;
		const char *rpc, *action;
		err_t (*op)(struct db_tx *tx, void *job);
	} rows[] = {
		{ VERB_GET, "GetImport", "imports.get", ops_import_get },
		{ VERB_LIST, "ListImports", "imports.list", ops_import_list },
		{ VERB_GET, "CancelImport", "imports.cancel", ops_import_cancel },
	};
	err_t e = import_upload_register(a->tm);

	for (size_t i = 0; !e && i < ARRAY_SIZE(rows); i++) {
		const struct method m = { .kind = &import_kind, .verb = rows[i].verb, .op = rows[i].op };

		e = add(a, &m, rows[i].rpc, rows[i].action);
	}
	return e;
}

static err_t add_tokens(struct admin *a)
{
	const struct method get = { .kind = &token_kind, .verb = VERB_GET, .op = ops_token_get };
	const struct method list = { .kind = &token_kind, .verb = VERB_LIST, .op = ops_token_list };
	const struct method revoke = { .kind = &token_kind, .verb = VERB_REVOKE, .op = ops_token_revoke };
	err_t e = add(a, &get, "GetToken", "tokens.get");

	if (!e)
		e = add(a, &list, "ListTokens", "tokens.list");
	return e ? e : add(a, &revoke, "RevokeToken", "tokens.revoke");
}

static err_t add_all(struct admin *a)
{
	/* Listed like a resource: by parent and page. */
	static const struct kind audit = {
		.name = "audit", .plural = "audit", .titles = "AuditEntries", .of_operators = true
	};
	const struct method list = { .kind = &audit, .verb = VERB_LIST, .op = ops_audit_list };
	const struct method verify = { .kind = &audit, .verb = VERB_VERIFY, .op = ops_audit_verify };
	const struct method undelete = { .verb = VERB_UNDELETE, .op = ops_tenant_undelete };
	const struct method rotate = { .verb = VERB_UNDELETE, .op = ops_rotation_begin }; /* a name, and no more */
	const struct method rotation = { .verb = VERB_GET, .op = ops_rotation_get };
	const struct method deletion = { .verb = VERB_GET, .op = ops_deletion_get };
	err_t e = add_verbs(a, NULL);

	for (size_t i = 0; !e && i < n_kinds; i++)
		e = add_verbs(a, &kinds[i]);
	if (!e)
		e = add_flow_versions(a);
	if (!e)
		e = add_imports(a);
	if (!e)
		e = add_tokens(a);
	if (!e)
		e = add_of_operators(a);
	if (!e)
		e = add(a, &list, "ListAuditEntries", "audit.list");
	if (!e)
		e = add(a, &verify, "VerifyAudit", "audit.verify");
	if (!e)
		e = add(a, &undelete, "UndeleteTenant", "tenants.undelete");
	if (!e)
		e = add(a, &deletion, "GetTenantDeletion", "tenants.get_deletion");
	if (!e)
		e = add(a, &rotate, "RotateTenantKey", "tenants.rotate_key");
	if (!e)
		e = add(a, &rotation, "GetKeyRotation", "tenants.get_key_rotation");
	return e ? e : upload_register(a->tm);
}

err_t admin_new(struct admin **ret, struct manager *tm)
{
	struct admin *a = mem_zalloc(sizeof(*a));

	if (!a)
		return ERR_EXHAUSTED;
	a->tm = tm;
	metrics_register(&requests_ok);
	metrics_register(&requests_failed);
	quota_register();
	*ret = a;
	return ERR_OK;
}

err_t admin_start(struct admin *a)
{
	return add_all(a);
}

void admin_free(struct admin **a)
{
	mem_free(*a);
	*a = NULL;
}
