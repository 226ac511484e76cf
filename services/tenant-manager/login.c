#include "login.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "operator.h"
#include "pbr.h"
#include "publisher.h"
#include "role.h"
#include "secret.h"
#include "token.h"
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
	int64_t now_s, lifetime_s; /* now_s: when the request came, and the token is made */
	bool ok;
	/* CreateToken: what is asked for beside scopes, and the change that the audit has */
	const Trunkline__Admin__V1__CreateTokenRequest *wanted;
	struct job job;
	uint64_t by_roles, by_name; /* permissions of roles, and single ones */
	bool platform;		    /* some are of operators */
	char *own[TOKEN_ROLES_MAX]; /* the tenant's; of the request */
	size_t n_own, missing_own;  /* n_own: all are there */
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
	char *token, *names[RIGHTS_END], name[NAME_MAX_TEXT];
	err_t e = auth_sign(l->tm->signer, &l->user, l->now_s, l->lifetime_s, &token);

	if (e) {
		rpc_fail(l->call, e, NULL);
		return;
	}
	login.access_token = created.access_token = token;
	login.expire_time_ms = created.expire_time_ms = (l->now_s + l->lifetime_s) * 1000;
	login.n_scopes = 1;
	login.scopes = &agent;
	login.n_permissions = created.n_permissions = token_rights(auth_all_rights(&l->user), names);
	login.permissions = created.permissions = names;
	created.name = (char *)(uintptr_t)name_text(l->user.tenant, &token_kind, l->user.token_id, name);
	rpc_reply(l->call, l->req ? &login.base : &created.base);
	mem_free(token);
}

/* What the token is known by, before it is written down. */
static err_t begin_token(struct login *l)
{
	int64_t now_ms = clock_wall_ms();

	l->now_s = now_ms / 1000;
	return auth_token_id(now_ms, l->user.token_id);
}

/* ---- on a worker ---- */

/* What is known of an agent who wants to sign in. */
struct known {
	bool enabled;
	char hash[AUTH_HASH_TEXT]; /* of the password; "": there is none, or it is to be made */
	/* To be made, of an agent that was imported: the password is the one of the phone's digest. */
	bool imported;
	char realm[256], ha1_sha256[HA1_SHA256_TEXT];
};

/* And what it reads texts in, into user. */
static err_t read_agent(struct db_tx *tx, struct auth_user *user, struct known *k)
{
	const char *params[] = { user->agent };
	struct db_result *res = NULL;
	struct arena a;
	size_t size;
	err_t e = db_exec(tx, &res,
			  "SELECT r.body, c.argon2id, c.argon2id = '', t.sip_domain, t.language FROM tm.tenant t JOIN "
			  "tm.resource r ON r.tenant = t.tenant AND r.kind = 'agent' "
			  "LEFT JOIN tm.credential c ON c.tenant = r.tenant AND c.agent_id = r.id "
			  "WHERE t.tenant = tm.tenant() AND NOT t.suspended AND r.id = $1",
			  1, params);

	*k = (struct known){ 0 };
	arena_init(&a, 0);
	if (!e && db_rows(res)) {
		const void *bytes = db_bytes(res, 0, 0, &size);
		const ProtobufCMessage *m =
		    bytes ? pbr_unpack(&a, &trunkline__config__v1__agent__descriptor, bytes, size) : NULL;

		e = m ? ERR_OK : ERR_EXHAUSTED;
		k->enabled = m && pbr_bool(m, "enabled");
		(void)str_copy(k->hash, sizeof(k->hash), db_text(res, 0, 1));
		k->imported = m && db_bool(res, 0, 2);
		(void)str_copy(k->realm, sizeof(k->realm), db_text(res, 0, 3));
		(void)str_copy(k->ha1_sha256, sizeof(k->ha1_sha256), m ? pbr_string(m, "ha1_sha256") : "");
		(void)str_copy(user->tenant_language, sizeof(user->tenant_language), db_text(res, 0, 4));
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

/* An import cannot wait for 100,000 slow hashes: the first login with the right password makes the agent's, and takes as long as any. */
static err_t check_imported(struct db_tx *tx, struct login *l, const struct known *k)
{
	char md5[HA1_MD5_TEXT], sha256[HA1_SHA256_TEXT], hash[AUTH_HASH_TEXT];
	const char *params[] = { l->req->agent_id, hash };
	err_t e = secret_ha1(l->req->agent_id, k->realm, l->req->password, md5, sha256);

	if (!e && (str_empty(k->ha1_sha256) || !str_eq_secret(sha256, k->ha1_sha256))) {
		(void)auth_password_ok(nobodys_hash(), l->req->password);
		return ERR_OK;
	}
	if (!e)
		e = auth_password_hash(l->req->password, hash);
	if (!e)
		e = db_exec(tx, NULL,
			    "UPDATE tm.credential SET argon2id = $2 WHERE tenant = tm.tenant() AND agent_id = $1 AND "
			    "argon2id = ''",
			    2, params);
	l->ok = !e;
	return e;
}

static void check_password(struct login *l, const struct known *k)
{
	bool known = k->enabled && k->hash[0];
	bool match = auth_password_ok(known ? k->hash : nobodys_hash(), l->req->password);

	l->ok = known && match;
}

static err_t check_login(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct known k;
	err_t e = read_agent(tx, &l->user, &k);

	l->ok = false;
	if (!e && k.enabled && k.imported)
		e = check_imported(tx, l, &k);
	else if (!e)
		check_password(l, &k);
	if (e || !l->ok)
		return e;
	e = role_agent_rights(tx, l->req->agent_id, &l->user.rights);
	return e ? e
		 : token_note(tx, &(struct token_note){ .user = &l->user,
							.author = l->user.subject,
							.now_s = l->now_s,
							.lifetime_s = l->lifetime_s });
}

static err_t check_agent(struct db_tx *tx, struct login *l)
{
	struct known k;
	err_t e = read_agent(tx, &l->user, &k);

	l->ok = k.enabled;
	return e;
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
		e = begin_token(l);
	}
	if (!e)
		e = db_run(tm->login_db, req->tenant, check_login, l, on_login, l);
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
	return ERR_OK;
}

/* Built-in roles are known here; those of the tenant are looked up later. */
static err_t take_role(struct login *l, char *id, const char *field, struct err_detail *detail)
{
	const struct rights_role *built_in = rights_role_find(id);

	if (built_in) {
		l->user.scopes |= auth_scope_find(id);
		l->by_roles |= built_in->rights;
		l->platform = l->platform || built_in->platform;
		return ERR_OK;
	}
	l->own[l->n_own++] = id;
	return check_id(id, field, detail);
}

static err_t take_permissions(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req,
			      struct err_detail *detail)
{
	for (size_t i = 0; i < req->n_permissions; i++) {
		enum right right = rights_find(req->permissions[i]);

		if (right == RIGHT_NONE)
			return check_bad(detail, "no permission, as queues.read is", "permissions[%zu]", i);
		l->by_name |= rights_bit(right);
		l->platform = l->platform || rights_bit(right) & RIGHTS_PLATFORM;
	}
	return ERR_OK;
}

static err_t take_roles(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req, struct err_detail *detail)
{
	err_t e = take_scopes(l, req, detail);
	char field[32];

	if (!e && req->n_roles > TOKEN_ROLES_MAX)
		e = err_set(detail, ERR_INVALID, "roles", "%zu of them; at most %d", req->n_roles, TOKEN_ROLES_MAX);
	for (size_t i = 0; !e && i < req->n_roles; i++) {
		snprintf(field, sizeof(field), "roles[%zu]", i);
		e = take_role(l, req->roles[i], field, detail);
	}
	if (!e)
		e = take_permissions(l, req, detail);
	if (!e && !req->n_scopes && !req->n_roles && !req->n_permissions && !*req->operator_id)
		e = err_set(detail, ERR_INVALID, "scopes", "missing: at least one, or a role, or a permission");
	return e;
}

/* What it holds, and by which name, are the operator's. */
static err_t check_operator(const Trunkline__Admin__V1__CreateTokenRequest *req, struct err_detail *detail)
{
	if (!*req->operator_id)
		return ERR_OK;
	if (*req->tenant || *req->subject || *req->agent_id || req->n_scopes || req->n_roles || req->n_permissions)
		return err_set(detail, ERR_INVALID, "operator_id",
			       "goes without tenant, subject, scopes, agent_id, roles and permissions");
	return check_id(req->operator_id, "operator_id", detail);
}

/* Scopes and roles fit together. */
static err_t check_scopes(const struct login *l, const struct auth_user *giver, struct err_detail *detail)
{
	bool operators = l->platform || l->user.scopes & AUTH_OPERATOR || *l->wanted->operator_id;
	bool agents = l->user.scopes & AUTH_AGENT;

	if (operators && !auth_is_operator(giver))
		return err_set(detail, ERR_DENIED, "scopes", "only operators make operators");
	err_t e = operators ? auth_require(giver, RIGHT_OPERATORS_MANAGE, detail) : ERR_OK;
	if (e)
		return e;
	if (operators && (l->user.scopes & ~(unsigned)AUTH_OPERATOR || *l->user.tenant || l->n_own))
		return err_set(detail, ERR_INVALID, "scopes",
			       "an operator has no tenant, and neither scope nor role of one");
	if (!operators && !*l->user.tenant)
		return err_set(detail, ERR_INVALID, "tenant", "missing");
	if (agents != (*l->user.agent != '\0'))
		return err_set(detail, ERR_INVALID, "agent_id", "goes with the scope agent, and only with it");
	return ERR_OK;
}

/* The subject is the actor in the audit: nobody but operators signs with another's name. */
static err_t take_subject(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req,
			  const struct auth_user *giver, struct err_detail *detail)
{
	char own[sizeof(l->user.subject)], full[2 * sizeof(own)], name[NAME_MAX_TEXT];

	if (*req->subject)
		(void)str_copy(own, sizeof(own), req->subject);
	else if (*req->operator_id)
		(void)str_copy(own, sizeof(own), name_text("", &operator_kind, req->operator_id, name));
	else if (*req->agent_id)
		snprintf(own, sizeof(own), "agent:%.50s", req->agent_id);
	else
		snprintf(own, sizeof(own), "%s:%.50s", *l->user.tenant ? "admin" : "operator",
			 *l->user.tenant ? l->user.tenant : "token");
	if (auth_is_operator(giver) || strcmp(own, giver->subject) == 0)
		(void)str_copy(full, sizeof(full), own);
	else
		snprintf(full, sizeof(full), "%s/%s", giver->subject, own);
	return str_copy(l->user.subject, sizeof(l->user.subject), full)
		   ? ERR_OK
		   : err_set(detail, ERR_INVALID, "subject", "'%s' is longer than 63 bytes", full);
}

static err_t take_token(struct login *l, const Trunkline__Admin__V1__CreateTokenRequest *req,
			const struct auth_user *giver, struct err_detail *detail)
{
	const char *tenant = "";
	err_t e = check_operator(req, detail);

	if (!e)
		e = take_roles(l, req, detail);
	if (!e && (*req->tenant || !auth_is_operator(giver)))
		e = auth_tenant(giver, req->tenant, &tenant, detail);
	if (!e && *tenant)
		e = check_id(tenant, "tenant", detail);
	if (!e && *req->agent_id)
		e = check_id(req->agent_id, "agent_id", detail);
	if (!e && (req->lifetime_ms < 0 || req->lifetime_ms > LIFETIME_MAX_S * 1000LL))
		e = err_set(detail, ERR_INVALID, "lifetime_ms", "0 (8 hours) to 86,400,000");
	if (!e && strlen(req->subject) >= sizeof(l->user.subject))
		e = err_set(detail, ERR_INVALID, "subject", "longer than 63 bytes");
	if (!e && strncmp(req->subject, "operators/", strlen("operators/")) == 0)
		e = err_set(detail, ERR_INVALID, "subject", "is that of an operator: give operator_id instead");
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
	e = take_subject(l, req, giver, detail);
	return e ? e : check_scopes(l, giver, detail);
}

static err_t check_tenant(struct db_tx *tx, struct login *l)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT language FROM tm.tenant WHERE tenant = tm.tenant() AND deleted_at IS NULL",
			  0, NULL);

	l->ok = !e && db_rows(res) == 1;
	if (l->ok)
		(void)str_copy(l->user.tenant_language, sizeof(l->user.tenant_language), db_text(res, 0, 0));
	db_result_free(&res);
	return e;
}

/* recordings.listen and desk.work of an agent are of that agent: whoever makes another's token can hear and do what it can. */
static err_t refuse_other_agent(const struct login *l, const struct auth_user *giver, struct err_detail *detail)
{
	if (!*l->user.agent || strcmp(l->user.agent, giver->agent) == 0)
		return ERR_OK;
	return role_refuse(giver, rights_bit(RIGHT_RECORDINGS_ALL) | rights_bit(RIGHT_DESK_SUPERVISE), "agent_id",
			   detail);
}

static err_t judge(const struct login *l, struct err_detail *detail)
{
	const struct auth_user *giver = &l->job.user;
	err_t (*refuse)(const struct auth_user *, uint64_t, const char *, struct err_detail *) =
	    *l->user.tenant ? role_refuse : role_refuse_operator;

	if (!l->ok && *l->user.agent)
		return err_set(detail, ERR_NOT_FOUND, "agent_id", "no such agent, or it is not enabled");
	if (!l->ok)
		return err_set(detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	if (l->missing_own < l->n_own)
		return err_set(detail, ERR_INVALID, "roles", "there is no role '%s'", l->own[l->missing_own]);
	err_t e = refuse(giver, l->by_roles, *l->wanted->operator_id ? "operator_id" : "roles", detail);
	if (!e)
		e = refuse(giver, l->by_name, "permissions", detail);
	if (!e)
		e = refuse(giver, auth_all_rights(&l->user), "scopes", detail);
	return e ? e : refuse_other_agent(l, giver, detail);
}

static err_t note_token(struct db_tx *tx, struct login *l)
{
	const struct manager_config *c = l->tm->config;
	const struct token_limits limits = { c->tokens_of_maker, c->tokens_of_tenant };
	err_t e = token_check_room(tx, l->job.user.subject, &limits, &l->job.detail);

	return e ? e
		 : token_note(tx, &(struct token_note){ .user = &l->user,
							.roles = l->wanted->roles,
							.n_roles = l->wanted->n_roles,
							.author = l->job.user.subject,
							.operator_id = l->wanted->operator_id,
							.is_given = true,
							.now_s = l->now_s,
							.lifetime_s = l->lifetime_s });
}

/* Without the token itself. */
static err_t audit_token(struct change *c, struct login *l)
{
	Trunkline__Admin__V1__CreateTokenRequest given = *l->wanted;

	given.tenant = l->user.tenant;
	given.subject = l->user.subject;
	given.lifetime_ms = l->lifetime_s * 1000;
	return change_audit(c, NULL, &given.base);
}

/* What the token will hold; l->ok: whom it is for is there. */
static err_t check_token(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct change c;
	uint64_t own;

	job_restart(&l->job);
	err_t e = *l->user.agent ? check_agent(tx, l) : check_tenant(tx, l);
	if (!e)
		e = role_rights(tx, l->own, l->n_own, &own, &l->missing_own);
	if (e)
		return e;
	l->by_roles |= own;
	e = judge(l, &l->job.detail);
	if (e)
		return e;
	l->user.rights = l->by_roles | l->by_name;
	e = change_begin(&c, tx, &l->job, NULL);
	if (!e)
		e = audit_token(&c, l);
	return e ? e : note_token(tx, l);
}

/* An operator's: everything was known when it was asked for, but for what his roles give. */
static err_t check_operators(struct db_tx *tx, void *arg)
{
	struct login *l = arg;
	struct change c;
	err_t e = change_begin_platform(&c, tx, &l->job, NULL);

	l->ok = true;
	if (!e && *l->wanted->operator_id)
		e = operator_rights(&c, l->wanted->operator_id, &l->by_roles);
	if (!e)
		e = judge(l, &l->job.detail);
	l->user.rights = l->by_roles | l->by_name;
	if (!e)
		e = audit_token(&c, l);
	return e ? e : note_token(tx, l);
}

static void token_free(struct login *l)
{
	arena_done(&l->job.arena);
	mem_free(l);
}

static void on_checked(err_t e, void *arg)
{
	struct login *l = arg;
	struct log_ctx ctx = { .tenant = l->user.tenant, .agent = l->user.agent };

	if (e && !*l->job.detail.message)
		(void)err_set(&l->job.detail, e, "", "the database is away; try again");
	if (e) {
		rpc_fail(l->call, e, &l->job.detail);
	} else {
		LOG_INFO(&ctx, "token.created", "id=%s subject=%s by=%s lifetime_s=%lld rights=%llx", l->user.token_id,
			 LOG_Q(l->user.subject), LOG_Q(l->job.user.subject), (long long)l->lifetime_s,
			 (unsigned long long)auth_all_rights(&l->user));
		if (l->job.changed)
			publisher_kick(l->tm->publisher);
		reply_token(l);
	}
	token_free(l);
}

static err_t take_job(struct login *l)
{
	static const struct method method = { .kind = &token_kind, .verb = VERB_CREATE, .action = "tokens.create" };
	const struct session *s = rpc_call_user(l->call);
	struct job *j = &l->job;

	j->tm = l->tm;
	j->method = &method;
	j->user = s->user;
	(void)str_copy(j->peer, sizeof(j->peer), rpc_peer(l->call) ? rpc_peer(l->call) : "");
	arena_init(&j->arena, 0);
	err_t e = take_token(l, l->wanted, &j->user, &j->detail);
	(void)str_copy(j->rq.tenant, sizeof(j->rq.tenant), l->user.tenant);
	if (!e)
		e = begin_token(l);
	(void)str_copy(j->rq.id, sizeof(j->rq.id), l->user.token_id);
	return e;
}

static void create_token(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	struct manager *tm = arg;
	struct login *l = mem_zalloc(sizeof(*l));

	if (!l) {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
		return;
	}
	*l = (struct login){ .tm = tm, .call = call, .wanted = (const void *)msg };
	err_t e = take_job(l);
	if (!e && *l->user.tenant)
		e = db_run(tm->db, l->user.tenant, check_token, l, on_checked, l);
	else if (!e)
		e = db_run(tm->db, NULL, check_operators, l, on_checked, l);
	if (e)
		on_checked(e, l);
}

err_t login_register(struct manager *tm)
{
	const ProtobufCServiceDescriptor *service = &trunkline__admin__v1__auth_service__descriptor;
	err_t e = rpc_server_add(tm->server, service, "Login", RPC_UNARY, login, tm);

	return e ? e : rpc_server_add(tm->server, service, "CreateToken", RPC_UNARY, create_token, tm);
}
