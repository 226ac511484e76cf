#include "token.h"

#include <string.h>
#include "ops.h"
#include "page.h"
#include "pbr.h"
#include "revoked/revoked.h"

#define KEPT_MS	   (2 * AUTH_LIFE_MAX * 1000LL) /* from its making: a day after it has expired, at least */
#define SCOPES_MAX 4
#define COLUMNS                                                                                \
	"id, body, coalesce((extract(epoch FROM revoked_at) * 1000)::bigint, 0), revoked_by, " \
	"coalesce((extract(epoch FROM told_at) * 1000)::bigint, 0), "                          \
	"coalesce((extract(epoch FROM used_at) * 1000)::bigint, 0) "

typedef Trunkline__Admin__V1__Token token_t;

const struct kind token_kind = { .name = ERR_TEXT("token"),
				 .plural = "tokens",
				 .desc = &trunkline__admin__v1__token__descriptor,
				 .of_operators = true };

size_t token_rights(uint64_t set, char *names[RIGHTS_END])
{
	size_t n = 0;

	for (enum right r; (r = rights_first(set)) != RIGHT_NONE; set &= ~rights_bit(r))
		names[n++] = (char *)(uintptr_t)rights_name(r);
	return n;
}

/* ---- one that is being made ---- */

static err_t insert(struct db_tx *tx, const struct token_note *t, const void *body, size_t size)
{
	char expires[DB_NUMBER];
	const char *params[] = { t->user->token_id, NULL, db_number(t->now_s + t->lifetime_s, expires),
				 t->is_given ? t->author : "", t->operator_id ? t->operator_id : "" };

	db_bind_bytes(tx, 1, body, size);
	return db_exec(tx, NULL,
		       "INSERT INTO tm.token (tenant, id, body, expires_at, given_by, operator_id) "
		       "VALUES (coalesce(tm.tenant(), ''), $1, $2, to_timestamp($3::bigint), $4, $5) ON CONFLICT DO "
		       "NOTHING",
		       5, params);
}

/* A few at a time, and none that another transaction is about to take: logins come by the hundred. */
static err_t prune(struct db_tx *tx, int64_t now_s)
{
	char floor[AUTH_TOKEN_ID];
	const char *params[] = { floor };

	auth_token_id_floor(now_s * 1000 - KEPT_MS, floor);
	return db_queue(tx,
			"DELETE FROM tm.token WHERE ctid = ANY (ARRAY(SELECT ctid FROM tm.token WHERE " OURS
			"AND id < $1 ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED))",
			1, params);
}

static size_t name_scopes(unsigned scopes, char *names[SCOPES_MAX])
{
	size_t n = 0;

	for (unsigned scope = AUTH_OPERATOR; scope <= AUTH_AGENT; scope <<= 1)
		if (scopes & scope)
			names[n++] = (char *)(uintptr_t)auth_scope_name((enum auth_scope)scope);
	return n;
}

err_t token_note(struct db_tx *tx, const struct token_note *t)
{
	char *permissions[RIGHTS_END], *roles[SCOPES_MAX + TOKEN_ROLES_MAX];
	token_t m = TRUNKLINE__ADMIN__V1__TOKEN__INIT;
	struct arena a;
	size_t size;

	m.subject = (char *)(uintptr_t)t->user->subject;
	m.agent_id = (char *)(uintptr_t)t->user->agent;
	m.author = (char *)(uintptr_t)t->author;
	m.operator_id = (char *)(uintptr_t)(t->operator_id ? t->operator_id : "");
	m.permissions = permissions;
	m.n_permissions = token_rights(auth_all_rights(t->user), permissions);
	m.roles = roles;
	m.n_roles = name_scopes(t->user->scopes, roles);
	for (size_t i = 0; i < t->n_roles; i++) /* a scope has been named */
		if (auth_scope_find(t->roles[i]) == AUTH_NONE)
			roles[m.n_roles++] = t->roles[i];
	m.create_time_ms = t->now_s * 1000;
	m.expire_time_ms = (t->now_s + t->lifetime_s) * 1000;
	arena_init(&a, 0);
	const void *body = pbr_pack(&a, &m.base, &size);
	err_t e = body ? insert(tx, t, body, size) : ERR_EXHAUSTED;
	arena_done(&a);
	return e ? e : prune(tx, t->now_s);
}

err_t token_check(struct db_tx *tx, const struct auth_user *user, struct err_detail *detail)
{
	const char *params[] = { user->tenant, user->token_id };
	struct db_result *res = NULL;

	if (!*user->token_id)
		return ERR_OK;
	err_t e = db_exec(tx, &res, "SELECT tm.is_revoked($1, $2)", 2, params);
	if (!e && db_bool(res, 0, 0))
		e = revoked_refuse(detail);
	db_result_free(&res);
	return e;
}

/* One after the other, so that each sees those of who came before; nobody walks over more than there may be. */
err_t token_check_room(struct db_tx *tx, const char *maker, const struct token_limits *limits,
		       struct err_detail *detail)
{
	char most[DB_NUMBER];
	const char *params[] = { maker, db_number(limits->of_owner, most) };
	struct db_result *res = NULL;
	err_t e =
	    db_queue(tx, "SELECT pg_advisory_xact_lock(hashtextextended('tm.token/' || coalesce(tm.tenant(), ''), 0))",
		     0, NULL);

	if (!e)
		e = db_exec(
		    tx, &res,
		    "SELECT count(*) FILTER (WHERE given_by = $1), count(*) FROM (SELECT given_by FROM tm.token "
		    "WHERE " OURS "AND given_by <> '' AND revoked_at IS NULL AND expires_at > now() LIMIT "
		    "$2::bigint) t",
		    2, params);
	if (!e && db_int(res, 0, 0) >= limits->of_maker)
		e = err_set(detail, ERR_EXHAUSTED, "tokens.max_of_maker",
			    "%lld of %lld live tokens made by %s: withdraw some, or wait until they expire",
			    (long long)db_int(res, 0, 0), (long long)limits->of_maker, maker);
	else if (!e && db_int(res, 0, 1) >= limits->of_owner)
		e = err_set(detail, ERR_EXHAUSTED, "tokens.max_of_tenant",
			    "%lld of %lld live tokens in all: withdraw some, or wait until they expire",
			    (long long)db_int(res, 0, 1), (long long)limits->of_owner);
	db_result_free(&res);
	return e;
}

/* ---- looking ---- */

/* A row with COLUMNS. NULL: no memory. */
static token_t *from_row(struct job *j, struct db_result *res, int row)
{
	char name[NAME_MAX_TEXT];
	size_t size;
	const void *body = db_bytes(res, row, 1, &size);
	token_t *m = body ? (void *)pbr_unpack(&j->arena, token_kind.desc, body, size) : NULL;

	if (!m)
		return NULL;
	m->name = arena_strdup(&j->arena, name_text(j->rq.tenant, &token_kind, db_text(res, row, 0), name));
	m->revoke_time_ms = db_int(res, row, 2);
	m->revoked_by = arena_strdup(&j->arena, db_text(res, row, 3));
	m->publish_time_ms = db_int(res, row, 4);
	m->use_time_ms = db_int(res, row, 5);
	return m->name && m->revoked_by ? m : NULL;
}

/* A row, from one statement: NOT_FOUND when it has none. */
static err_t load(struct db_tx *tx, struct job *j, const char *sql, int n, const char *const *params, token_t **ret)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, sql, n, params);

	if (!e && !db_rows(res))
		e = kind_not_found(&token_kind, &j->detail);
	if (!e) {
		*ret = from_row(j, res, 0);
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

static err_t load_one(struct db_tx *tx, struct job *j, token_t **ret)
{
	return load(tx, j, "SELECT " COLUMNS "FROM tm.token WHERE " OURS "AND id = $1", 1, (const char *[]){ j->rq.id },
		    ret);
}

static err_t check_owner(struct db_tx *tx, struct job *j)
{
	if (*j->rq.tenant)
		return ops_check_tenant(tx, j);
	return auth_is_operator(&j->user)
		   ? ERR_OK
		   : err_set(&j->detail, ERR_DENIED, "",
			     "only operators see operators' tokens; tenants/{tenant} is missing");
}

err_t ops_token_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	token_t *m = NULL;

	job_restart(j);
	err_t e = check_owner(tx, j);
	if (!e)
		e = load_one(tx, j, &m);
	if (!e)
		j->reply = &m->base;
	return e;
}

static err_t read_rows(struct db_tx *tx, const struct job *j, const char *after, const char *limit,
		       struct db_result **ret)
{
	const char *params[] = { after, limit };

	(void)j;
	return db_exec(tx, ret,
		       "SELECT " COLUMNS "FROM tm.token WHERE " OURS "AND id < $1 ORDER BY id DESC LIMIT $2::int", 2,
		       params);
}

static err_t take_row(struct job *j, struct db_result *res, int row, ProtobufCMessage **ret)
{
	token_t *m = from_row(j, res, row);

	*ret = m ? &m->base : NULL;
	return m ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_token_list(struct db_tx *tx, void *arg)
{
	static const struct page_source tokens = { .of = &trunkline__admin__v1__token__descriptor,
						   .response = &trunkline__admin__v1__list_tokens_response__descriptor,
						   .list = "tokens",
						   .read = read_rows,
						   .take = take_row };
	struct job *j = arg;
	struct page pg;
	err_t e = page_begin(&pg, j, &tokens);

	if (!e && *j->rq.page_token && strspn(j->rq.page_token, "0123456789abcdef") != strlen(j->rq.page_token))
		e = err_set(&j->detail, ERR_INVALID, "page_token", "not a next_page_token");
	if (!e)
		e = check_owner(tx, j);
	if (e)
		return e;
	if (!*j->rq.page_token)
		pg.last = "g"; /* behind every id */
	return page_read(tx, &pg);
}

/* ---- withdrawing ---- */

static err_t mark(struct db_tx *tx, struct job *j, token_t **ret)
{
	const char *params[] = { j->rq.id, j->user.subject };

	return load(tx, j,
		    "UPDATE tm.token SET revoked_at = now(), revoked_by = $2 WHERE " OURS
		    "AND id = $1 RETURNING " COLUMNS,
		    2, params, ret);
}

err_t token_withdraw(struct db_tx *tx, const char *operator_id, const char *by)
{
	const char *params[] = { operator_id, by };

	return db_exec(tx, NULL,
		       "UPDATE tm.token SET revoked_at = now(), revoked_by = $2 WHERE tenant = '' AND operator_id = $1 "
		       "AND operator_id <> '' AND revoked_at IS NULL AND expires_at > now()",
		       2, params);
}

/* Also of a tenant that is deleted, until it is purged. */
static err_t revoke(struct db_tx *tx, struct job *j, token_t **ret)
{
	token_t *before = NULL;
	struct change c;
	bool operators = !*j->rq.tenant;
	err_t e = operators ? change_begin_platform(&c, tx, j, NULL) : change_begin_any(&c, tx, j, NULL);

	if (!e)
		e = check_owner(tx, j);
	if (!e && operators)
		e = auth_require(&j->user, RIGHT_OPERATORS_MANAGE, &j->detail);
	if (!e)
		e = load_one(tx, j, &before);
	*ret = before;
	if (e || before->revoke_time_ms)
		return e;
	e = mark(tx, j, ret);
	return e ? e : change_audit(&c, &before->base, &(*ret)->base);
}

err_t ops_token_revoke(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	token_t *m = NULL;
	err_t e = revoke(tx, j, &m);

	if (!e)
		j->reply = &m->base;
	return e;
}
