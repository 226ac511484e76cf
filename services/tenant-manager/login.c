#include "login.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "pbr.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/auth.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "upload.h"

#define LIFETIME_S     (8 * 3600)
#define LIFETIME_MAX_S (24 * 3600)

struct login {
	struct manager *tm;
	struct rpc_call *call;
	const Trunkline__Admin__V1__LoginRequest *req; /* NULL: CreateToken, which only asks whether the agent exists */
	struct auth_user user;
	int64_t lifetime_s;
	bool ok;
};

static const struct {
	Trunkline__Admin__V1__Scope pb;
	enum auth_scope scope;
} scopes[] = {
	{ TRUNKLINE__ADMIN__V1__SCOPE__SCOPE_OPERATOR, AUTH_OPERATOR },
	{ TRUNKLINE__ADMIN__V1__SCOPE__SCOPE_TENANT_ADMIN, AUTH_TENANT_ADMIN },
	{ TRUNKLINE__ADMIN__V1__SCOPE__SCOPE_SUPERVISOR, AUTH_SUPERVISOR },
	{ TRUNKLINE__ADMIN__V1__SCOPE__SCOPE_AGENT, AUTH_AGENT },
};

static void reply_token(struct login *l)
{
	Trunkline__Admin__V1__LoginResponse login = TRUNKLINE__ADMIN__V1__LOGIN_RESPONSE__INIT;
	Trunkline__Admin__V1__CreateTokenResponse created = TRUNKLINE__ADMIN__V1__CREATE_TOKEN_RESPONSE__INIT;
	Trunkline__Admin__V1__Scope agent = TRUNKLINE__ADMIN__V1__SCOPE__SCOPE_AGENT;
	int64_t now_s = clock_wall_ms() / 1000;
	char *token;
	err_t e = auth_sign(l->tm->signer, &l->user, now_s, l->lifetime_s, &token);

	if (e) {
		rpc_fail(l->call, e, NULL);
		return;
	}
	login.access_token = created.access_token = token;
	login.expire_time_ms = created.expire_time_ms = (now_s + l->lifetime_s) * 1000;
	login.n_scopes = 1;
	login.scopes = &agent;
	rpc_reply(l->call, l->req ? &login.base : &created.base);
	mem_free(token);
}

/* ---- on a worker ---- */

/* The hash of the agent's password, "" if there is none, or it may not sign in; and what it reads texts in. */
static err_t read_agent(struct db_tx *tx, struct auth_user *user, bool *ret_enabled, char hash[AUTH_HASH_TEXT])
{
	const char *params[] = { user->agent };
	struct db_result *res = NULL;
	struct arena a;
	size_t size;
	err_t e = db_exec(tx, &res,
			  "SELECT r.body, c.argon2id, t.language FROM tm.tenant t JOIN tm.resource r ON r.tenant = "
			  "t.tenant AND r.kind = 'agent' "
			  "LEFT JOIN tm.credential c ON c.tenant = r.tenant AND c.agent_id = r.id "
			  "WHERE t.tenant = tm.tenant() AND NOT t.suspended AND r.id = $1",
			  1, params);

	hash[0] = '\0';
	*ret_enabled = false;
	arena_init(&a, 0);
	if (!e && db_rows(res)) {
		const void *bytes = db_bytes(res, 0, 0, &size);
		const ProtobufCMessage *m =
		    bytes ? pbr_unpack(&a, &trunkline__config__v1__agent__descriptor, bytes, size) : NULL;

		e = m ? ERR_OK : ERR_EXHAUSTED;
		*ret_enabled = m && pbr_bool(m, "enabled");
		(void)str_copy(hash, AUTH_HASH_TEXT, db_text(res, 0, 1));
		(void)str_copy(user->tenant_language, sizeof(user->tenant_language), db_text(res, 0, 2));
		if (m && !*user->language)
			(void)str_copy(user->language, sizeof(user->language), pbr_string(m, "language"));
	}
	arena_done(&a);
	db_result_free(&res);
	return e;
}

/* Of no password at all: who asks for an agent that does not exist waits as long as for a wrong password. */
static const char *nobodys_hash(void)
{
	static char hash[AUTH_HASH_TEXT];

	if (!hash[0] && auth_password_hash("trunkline-nobody", hash))
		hash[0] = '\0';
	return hash;
}

static err_t check_login(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	char hash[AUTH_HASH_TEXT];
	bool enabled;
	err_t e = read_agent(tx, &l->user, &enabled, hash);

	if (e)
		return e;
	bool known = enabled && hash[0];
	bool match = auth_password_ok(known ? hash : nobodys_hash(), l->req->password);
	l->ok = known && match;
	return ERR_OK;
}

static err_t check_agent(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	char hash[AUTH_HASH_TEXT];

	return read_agent(tx, &l->user, &l->ok, hash);
}

/* ---- Login ---- */

static void on_login(err_t e, void *arg)
{
	struct login *l = arg;
	struct log_ctx ctx = { .tenant = l->req->tenant, .agent = l->req->agent_id };
	struct err_detail detail = { 0 };

	if (e) {
		(void)err_set(&detail, e, "", "the database is away; try again");
		rpc_fail(l->call, e, &detail);
	} else if (!l->ok) {
		throttle_failed(l->tm->throttle, l->req->tenant, l->req->agent_id, clock_mono_ms());
		LOG_WARN(&ctx, "login.refused", "peer=%s", LOG_Q(rpc_peer(l->call)));
		e = err_set(&detail, ERR_UNAUTHENTICATED, "", "tenant, agent or password is wrong");
		rpc_fail(l->call, e, &detail);
	} else {
		throttle_succeeded(l->tm->throttle, l->req->tenant, l->req->agent_id);
		LOG_INFO(&ctx, "login.accepted", "peer=%s", LOG_Q(rpc_peer(l->call)));
		reply_token(l);
	}
	mem_free(l);
}

static void login(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Admin__V1__LoginRequest *req = (const void *)msg;
	struct manager *tm = arg;
	struct err_detail detail = { 0 };
	struct login *l = NULL;
	err_t e = check_id(req->tenant, "tenant", &detail);

	if (!e)
		e = check_id(req->agent_id, "agent_id", &detail);
	if (!e && strlen(req->password) > 128)
		e = err_set(&detail, ERR_INVALID, "password", "longer than 128 bytes");
	if (!e && throttle_refuses(tm->throttle, req->tenant, req->agent_id, clock_mono_ms()))
		e = err_set(&detail, ERR_EXHAUSTED, "", "too many failures; try again in a minute");
	if (!e) {
		l = mem_zalloc(sizeof(*l));
		e = l ? ERR_OK : ERR_EXHAUSTED;
	}
	if (!e) {
		*l = (struct login){ .tm = tm, .call = call, .req = req, .lifetime_s = LIFETIME_S };
		l->user.scopes = AUTH_AGENT;
		(void)str_copy(l->user.tenant, sizeof(l->user.tenant), req->tenant);
		(void)str_copy(l->user.agent, sizeof(l->user.agent), req->agent_id);
		snprintf(l->user.subject, sizeof(l->user.subject), "agent:%.50s", req->agent_id);
		e = db_run(tm->login_db, req->tenant, check_login, l, on_login, l);
	}
	if (e) {
		rpc_fail(call, e, &detail);
		mem_free(l);
	}
}

/* ---- CreateToken ---- */

static err_t take_scopes(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req,
			 struct err_detail *detail)
{
	for (size_t i = 0; i < req->n_scopes; i++) {
		unsigned scope = 0;

		for (size_t k = 0; k < ARRAY_SIZE(scopes); k++)
			scope |= scopes[k].pb == req->scopes[i] ? (unsigned)scopes[k].scope : 0;
		if (!scope)
			return err_set(detail, ERR_INVALID, "scopes", "%d is no scope", (int)req->scopes[i]);
		l->user.scopes |= scope;
	}
	if (!l->user.scopes)
		return err_set(detail, ERR_INVALID, "scopes", "missing: at least one");
	return ERR_OK;
}

/* Nobody gives more than he has, and scopes fit together. */
static err_t check_scopes(const struct login *l, const struct auth_user *giver, struct err_detail *detail)
{
	bool operators = l->user.scopes & AUTH_OPERATOR, agents = l->user.scopes & AUTH_AGENT;

	if (operators && !(giver->scopes & AUTH_OPERATOR))
		return err_set(detail, ERR_DENIED, "scopes", "only operators make operators");
	if (operators && (l->user.scopes != AUTH_OPERATOR || *l->user.tenant))
		return err_set(detail, ERR_INVALID, "scopes", "an operator has no tenant and no other scope");
	if (!operators && !*l->user.tenant)
		return err_set(detail, ERR_INVALID, "tenant", "missing");
	if (agents != (*l->user.agent != '\0'))
		return err_set(detail, ERR_INVALID, "agent_id", "goes with the scope agent, and only with it");
	return ERR_OK;
}

static err_t take_token(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req,
			const struct auth_user *giver, struct err_detail *detail)
{
	const char *tenant = "";
	err_t e = take_scopes(l, req, detail);

	if (!e && (*req->tenant || !(giver->scopes & AUTH_OPERATOR)))
		e = auth_tenant(giver, req->tenant, &tenant, detail);
	if (!e && *tenant)
		e = check_id(tenant, "tenant", detail);
	if (!e && *req->agent_id)
		e = check_id(req->agent_id, "agent_id", detail);
	if (!e && (req->lifetime_ms < 0 || req->lifetime_ms > LIFETIME_MAX_S * 1000LL))
		e = err_set(detail, ERR_INVALID, "lifetime_ms", "0 (8 hours) to 86,400,000");
	if (!e && strlen(req->subject) >= sizeof(l->user.subject))
		e = err_set(detail, ERR_INVALID, "subject", "longer than 63 bytes");
	if (!e)
		e = check_display_name(req->subject, "subject", detail);
	if (!e)
		e = check_language(req->language, "language", detail);
	if (e)
		return e;
	l->lifetime_s = req->lifetime_ms ? (req->lifetime_ms + 999) / 1000 : LIFETIME_S;
	(void)str_copy(l->user.tenant, sizeof(l->user.tenant), tenant);
	(void)str_copy(l->user.agent, sizeof(l->user.agent), req->agent_id);
	(void)str_copy(l->user.language, sizeof(l->user.language), req->language);
	if (*req->subject)
		(void)str_copy(l->user.subject, sizeof(l->user.subject), req->subject);
	else if (*req->agent_id)
		snprintf(l->user.subject, sizeof(l->user.subject), "agent:%.50s", req->agent_id);
	else
		snprintf(l->user.subject, sizeof(l->user.subject), "%s:%.50s", *tenant ? "admin" : "operator",
			 *tenant ? tenant : "token");
	return check_scopes(l, giver, detail);
}

static err_t check_tenant(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT language FROM tm.tenant WHERE tenant = tm.tenant()", 0, NULL);

	l->ok = !e && db_rows(res) == 1;
	if (l->ok)
		(void)str_copy(l->user.tenant_language, sizeof(l->user.tenant_language), db_text(res, 0, 0));
	db_result_free(&res);
	return e;
}

static void on_checked(err_t e, void *arg)
{
	struct login *l = arg;
	struct err_detail detail = { 0 };
	const struct session *s = rpc_call_user(l->call);
	struct log_ctx ctx = { .tenant = l->user.tenant, .agent = l->user.agent };

	if (e)
		(void)err_set(&detail, e, "", "the database is away; try again");
	else if (!l->ok && *l->user.agent)
		e = err_set(&detail, ERR_NOT_FOUND, "agent_id", "no such agent, or it is not enabled");
	else if (!l->ok)
		e = err_set(&detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	if (e) {
		rpc_fail(l->call, e, &detail);
	} else {
		LOG_INFO(&ctx, "token.created", "subject=%s by=%s lifetime_s=%lld", LOG_Q(l->user.subject),
			 LOG_Q(s->user.subject), (long long)l->lifetime_s);
		reply_token(l);
	}
	mem_free(l);
}

static void create_token(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct manager *tm = arg;
	const struct session *s = rpc_call_user(call);
	struct err_detail detail = { 0 };
	struct login *l = mem_zalloc(sizeof(*l));
	err_t e = ERR_EXHAUSTED;

	if (l) {
		*l = (struct login){ .tm = tm, .call = call };
		e = take_token(l, (const void *)msg, &s->user, &detail);
	}
	if (!e && !*l->user.tenant) {
		l->ok = true;
		on_checked(ERR_OK, l);
		return;
	}
	if (!e)
		e = db_run(tm->db, l->user.tenant, *l->user.agent ? check_agent : check_tenant, l, on_checked, l);
	if (e) {
		rpc_fail(call, e, &detail);
		mem_free(l);
	}
}

err_t login_register(struct manager *tm)
{
	const ProtobufCServiceDescriptor *service = &trunkline__admin__v1__auth_service__descriptor;
	err_t e = rpc_server_add(tm->server, service, "Login", RPC_UNARY, login, tm);

	return e ? e : rpc_server_add(tm->server, service, "CreateToken", RPC_UNARY, create_token, tm);
}
