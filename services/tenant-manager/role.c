#include "role.h"

#include <string.h>
#include "pbr.h"
#include "trunkline/config/v1/config.pb-c.h"

typedef Trunkline__Config__V1__Role role_t;
typedef Trunkline__Config__V1__Agent agent_t;

uint64_t role_set(char *const *permissions, size_t n)
{
	uint64_t set = 0;

	for (size_t i = 0; i < n; i++)
		set |= rights_bit(rights_find(permissions[i]));
	return set & ~rights_bit(RIGHT_NONE);
}

static uint64_t tenants_role(const role_t *r)
{
	return role_set(r->permissions, r->n_permissions) & RIGHTS_TENANT;
}

/* The resource's message in the arena; NULL: there is none. */
static err_t load(struct db_tx *tx, struct arena *a, const char *kind, const char *id, const ProtobufCMessage **ret)
{
	const char *params[] = { kind, id };
	struct db_result *res = NULL;
	size_t size;
	err_t e = db_exec(tx, &res, "SELECT body FROM tm.resource WHERE tenant = tm.tenant() AND kind = $1 AND id = $2",
			  2, params);

	*ret = NULL;
	if (!e && db_rows(res)) {
		const void *bytes = db_bytes(res, 0, 0, &size);

		*ret = bytes ? pbr_unpack(a, kind_find(kind)->desc, bytes, size) : NULL;
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

/* *ret_found false: there is no such role. */
static err_t one_role(struct db_tx *tx, const char *id, uint64_t *ret, bool *ret_found)
{
	const struct rights_role *built_in = rights_role_find(id);
	const ProtobufCMessage *m;
	struct arena a;

	*ret_found = built_in != NULL;
	if (built_in) {
		*ret = built_in->rights;
		return ERR_OK;
	}
	arena_init(&a, 0);
	err_t e = load(tx, &a, "role", id, &m);
	*ret_found = m != NULL;
	*ret = m ? tenants_role((const role_t *)m) : 0;
	arena_done(&a);
	return e;
}

err_t role_rights(struct db_tx *tx, char *const *ids, size_t n, uint64_t *ret, size_t *ret_missing)
{
	err_t e = ERR_OK;

	*ret = 0;
	*ret_missing = n;
	for (size_t i = 0; !e && i < n; i++) {
		uint64_t set = 0;
		bool found;

		e = one_role(tx, ids[i], &set, &found);
		*ret |= set & RIGHTS_TENANT;
		if (!found && *ret_missing == n)
			*ret_missing = i;
	}
	return e;
}

static err_t rights_of_agent(struct db_tx *tx, const agent_t *agent, uint64_t *ret)
{
	size_t missing;

	return role_rights(tx, agent->roles, agent->n_roles, ret, &missing);
}

err_t role_agent_rights(struct db_tx *tx, const char *agent_id, uint64_t *ret)
{
	const ProtobufCMessage *m;
	struct arena a;

	*ret = 0;
	arena_init(&a, 0);
	err_t e = load(tx, &a, "agent", agent_id, &m);
	if (!e && m)
		e = rights_of_agent(tx, (const agent_t *)m, ret);
	arena_done(&a);
	return e;
}

static err_t refuse(const struct auth_user *giver, uint64_t too_much, const char *field, struct err_detail *detail)
{
	enum right first = rights_first(too_much);

	if (first == RIGHT_NONE)
		return ERR_OK;
	return err_set(detail, ERR_DENIED, field, "nobody gives more than he has: %s needs %s for this", giver->subject,
		       rights_name(first));
}

err_t role_refuse(const struct auth_user *giver, uint64_t set, const char *field, struct err_detail *detail)
{
	return refuse(giver, set & ~auth_may_give(giver), field, detail);
}

err_t role_refuse_operator(const struct auth_user *giver, uint64_t set, const char *field, struct err_detail *detail)
{
	return refuse(giver, set & ~giver->rights, field, detail);
}

err_t role_check_gift(struct change *c, const ProtobufCMessage *m, const ProtobufCMessage *old, bool password)
{
	const char *kind = c->job->method->kind->name;
	uint64_t given = 0, had = 0;
	err_t e = ERR_OK;

	if (strcmp(kind, "role") == 0) {
		given = tenants_role((const role_t *)m);
		had = old ? tenants_role((const role_t *)old) : 0;
		return role_refuse(&c->job->user, given & ~had, "role.permissions", &c->job->detail);
	}
	if (strcmp(kind, "agent") != 0)
		return ERR_OK;
	e = rights_of_agent(c->tx, (const agent_t *)m, &given);
	if (!e && old && !password)
		e = rights_of_agent(c->tx, (const agent_t *)old, &had);
	return e ? e : role_refuse(&c->job->user, given & ~had, "agent.roles", &c->job->detail);
}
