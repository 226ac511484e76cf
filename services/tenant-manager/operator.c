#include "operator.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "merge.h"
#include "ops.h"
#include "pbr.h"
#include "role.h"
#include "staff.h"
#include "tenantconf/check.h"
#include "token.h"
#include "trunkline/config/v1/config.pb-c.h"

#define EACH_MAX 1000 /* operators, and roles: all are read with each change */
#define ID_MAX	 53   /* its name is a subject */

typedef Trunkline__Admin__V1__Operator operator_t;
typedef Trunkline__Config__V1__Role role_t;

const struct kind operator_kind = { .name = ERR_TEXT("operator"),
				    .plural = "operators",
				    .title = "Operator",
				    .titles = "Operators",
				    .id_field = "operator_id",
				    .own_id = "id", /* it has none but its name */
				    .desc = &trunkline__admin__v1__operator__descriptor,
				    .config_field = KIND_NOT_PUBLISHED,
				    .of_operators = true,
				    .operators_only = true };
const struct kind operator_role_kind = { .name = ERR_TEXT("role"),
					 .plural = "roles",
					 .title = "OperatorRole",
					 .titles = "OperatorRoles",
					 .id_field = "role_id",
					 .own_id = "id",
					 .desc = &trunkline__config__v1__role__descriptor,
					 .config_field = KIND_NOT_PUBLISHED,
					 .of_operators = true,
					 .operators_only = true };

static bool is_role(const struct job *j)
{
	return j->method->kind == &operator_role_kind;
}

/* ---- the picture ---- */

struct picture {
	struct staff staff;
	const operator_t **operators; /* of the staff, in its order */
	struct named {
		const char *id;
		uint64_t rights;
	} * roles;
	size_t n_roles;
};

static uint64_t role_permissions(const role_t *r)
{
	return role_set(r->permissions, r->n_permissions) & rights_all();
}

/* 0: there is no such role. */
static uint64_t one_role(const struct picture *p, const char *id, bool *found)
{
	const struct rights_role *built_in = rights_role_find(id);

	*found = true;
	if (built_in)
		return built_in->platform ? built_in->rights : 0;
	for (size_t i = 0; i < p->n_roles; i++) {
		if (strcmp(p->roles[i].id, id) == 0)
			return p->roles[i].rights;
	}
	*found = false;
	return 0;
}

/* All that the roles give; *ret_missing: the first that there is not, or their number. */
static uint64_t roles_give(const struct picture *p, const operator_t *o, size_t *ret_missing)
{
	uint64_t set = 0;
	bool found;

	*ret_missing = o->n_roles;
	for (size_t i = 0; i < o->n_roles; i++) {
		set |= one_role(p, o->roles[i], &found);
		if (!found && *ret_missing == o->n_roles)
			*ret_missing = i;
	}
	return set;
}

static err_t take_row(struct picture *p, struct arena *a, struct db_result *res, int row)
{
	bool role = strcmp(db_text(res, row, 0), operator_role_kind.name) == 0;
	const char *id = arena_strdup(a, db_text(res, row, 1));
	size_t size, missing;
	const void *bytes = db_bytes(res, row, 2, &size);
	const ProtobufCMessage *m =
	    bytes ? pbr_unpack(a, role ? operator_role_kind.desc : operator_kind.desc, bytes, size) : NULL;

	if (!id || !m)
		return ERR_EXHAUSTED;
	if (role) {
		p->roles[p->n_roles++] = (struct named){ id, role_permissions((const role_t *)m) };
	} else {
		const operator_t *o = (const operator_t *)m;

		p->operators[p->staff.n] = o;
		p->staff.members[p->staff.n++] =
		    (struct staff_member){ id, o->disabled ? 0 : roles_give(p, o, &missing) };
	}
	return ERR_OK;
}

static err_t load_picture(struct change *c, struct picture *p)
{
	struct arena *a = &c->job->arena;
	struct db_result *res = NULL;
	err_t e = db_exec(c->tx, &res,
			  "SELECT kind, id, body FROM tm.operator_resource WHERE tenant = '' ORDER BY kind DESC, id "
			  "COLLATE \"C\"", /* roles first */
			  0, NULL);
	size_t n = e ? 0 : (size_t)db_rows(res) + 1;

	*p = (struct picture){ 0 };
	if (!e) {
		p->staff.members = arena_alloc(a, n * sizeof(*p->staff.members));
		p->operators = arena_alloc(a, n * sizeof(operator_t *));
		p->roles = arena_alloc(a, n * sizeof(*p->roles));
		e = p->staff.members && p->operators && p->roles ? ERR_OK : ERR_EXHAUSTED;
	}
	for (int i = 0; !e && i < db_rows(res); i++)
		e = take_row(p, a, res, i);
	db_result_free(&res);
	return e;
}

err_t operator_rights(struct change *c, const char *id, uint64_t *ret)
{
	struct err_detail *d = &c->job->detail;
	struct picture p;
	size_t missing;
	err_t e = load_picture(c, &p);

	*ret = 0;
	for (size_t i = 0; !e && i < p.staff.n; i++) {
		if (strcmp(p.staff.members[i].id, id) != 0 || p.operators[i]->disabled)
			continue;
		*ret = roles_give(&p, p.operators[i], &missing);
		return *ret ? ERR_OK : err_set(d, ERR_PRECONDITION, "operator_id", "his roles give no permission");
	}
	return e ? e : err_set(d, ERR_NOT_FOUND, "operator_id", "no such operator, or he is disabled");
}

/* ---- a change ---- */

static err_t begin(struct change *c, struct picture *before, struct db_tx *tx, struct job *j,
		   const ProtobufCMessageDescriptor *reply)
{
	err_t e = change_begin_platform(c, tx, j, reply);

	return e || c->repeated ? e : load_picture(c, before);
}

/* Values; what they refer to is looked at in check_gift. */
static err_t check(struct job *j, const ProtobufCMessage *m)
{
	const operator_t *o = (const operator_t *)m;
	err_t e;

	if (is_role(j)) {
		e = check_operators_role(m, &j->detail);
	} else {
		e = check_display_name(o->display_name, "display_name", &j->detail);
		if (!e)
			e = check_roles(o->roles, o->n_roles, true, &j->detail);
	}
	if (e == ERR_INVALID)
		check_prefix(&j->detail, "%s.", j->rq.resource_field);
	return e;
}

/* Nobody gives what he has not himself: in a role, by a role, or to somebody who was disabled. */
static err_t check_gift(struct job *j, const struct picture *p, const ProtobufCMessage *m, const ProtobufCMessage *old)
{
	const operator_t *o = (const operator_t *)m, *was = (const operator_t *)old;
	size_t missing;

	if (is_role(j)) {
		uint64_t had = old ? role_permissions((const role_t *)old) : 0;

		return role_refuse_operator(&j->user, role_permissions((const role_t *)m) & ~had, "role.permissions",
					    &j->detail);
	}
	uint64_t had = was && (o->disabled || !was->disabled) ? roles_give(p, was, &missing) : 0;
	uint64_t given = roles_give(p, o, &missing);
	if (missing < o->n_roles)
		return check_bad(&j->detail, "there is no such role of operators", "operator.roles[%zu]", missing);
	return role_refuse_operator(&j->user, given & ~had, "operator.roles", &j->detail);
}

static err_t write_row(struct change *c, const ProtobufCMessage *m, bool insert)
{
	struct job *j = c->job;
	char revision[DB_NUMBER];
	const char *params[] = { j->method->kind->name, j->rq.id, NULL, db_number((int64_t)c->version, revision) };
	size_t size;
	const void *bytes = pbr_pack(&j->arena, m, &size);

	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(c->tx, 2, bytes, size);
	err_t e = db_exec(c->tx, NULL,
			  insert ? "INSERT INTO tm.operator_resource (kind, id, body, revision) VALUES ($1, $2, $3, $4)"
				 : "UPDATE tm.operator_resource SET body = $3, revision = $4, updated_at = now() WHERE "
				   "tenant = '' AND kind = $1 AND id = $2",
			  4, params);
	if (e == ERR_EXISTS)
		e = err_set(&j->detail, e, j->method->kind->id_field, "there is a %s '%s' already",
			    j->method->kind->name, j->rq.id);
	return e;
}

/* What he may no more goes at once, with his tokens: the services are told as of any that is withdrawn. */
static err_t withdraw(struct change *c, const struct picture *before, const struct picture *after)
{
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < before->staff.n; i++) {
		const struct staff_member *m = &before->staff.members[i];

		if (staff_loses(m, &after->staff))
			e = token_withdraw(c->tx, m->id, c->job->user.subject);
	}
	return e;
}

static err_t finish(struct change *c, const struct picture *before, const ProtobufCMessage *old,
		    const ProtobufCMessage *now)
{
	struct picture after;
	err_t e = load_picture(c, &after);

	if (!e)
		e = staff_check(&before->staff, &after.staff, &c->job->detail);
	if (!e)
		e = withdraw(c, before, &after);
	return e ? e : change_end_platform(c, old, now);
}

static err_t check_new(struct job *j, const struct picture *p)
{
	size_t n = is_role(j) ? p->n_roles : p->staff.n;

	if (n >= EACH_MAX)
		return err_set(&j->detail, ERR_EXHAUSTED, j->method->kind->plural, "%llu of %llu in use",
			       (unsigned long long)n, (unsigned long long)EACH_MAX);
	if (!is_role(j) && strlen(j->rq.id) > ID_MAX)
		return err_set(&j->detail, ERR_INVALID, j->method->kind->id_field, "longer than %d bytes", ID_MAX);
	return ERR_OK;
}

err_t ops_operator_create(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct picture before;
	struct merged m;
	struct change c;
	err_t e = begin(&c, &before, tx, j, j->method->kind->desc);

	if (e || c.repeated)
		return e;
	c.version = (uint64_t)clock_wall_ms();
	e = check_new(j, &before);
	if (!e)
		e = merge_resource(&m, j, NULL, "", c.version);
	if (!e)
		e = check(j, m.msg);
	if (!e)
		e = check_gift(j, &before, m.msg, NULL);
	if (!e)
		e = write_row(&c, m.msg, true);
	if (e)
		return e;
	j->reply = ops_answer(j, &(struct stored){ .msg = m.msg, .revision = c.version });
	return j->reply ? finish(&c, &before, NULL, j->reply) : ERR_EXHAUSTED;
}

/* Of something that exists, with the etag of the request. */
static err_t begin_existing(struct change *c, struct picture *before, struct stored *old, struct db_tx *tx,
			    struct job *j, const ProtobufCMessageDescriptor *reply)
{
	err_t e = begin(c, before, tx, j, reply);

	if (e || c->repeated)
		return e;
	e = ops_load(tx, j, old);
	if (!e)
		e = ops_check_etag(j, old->revision);
	if (!e) {
		uint64_t now = (uint64_t)clock_wall_ms();

		c->version = now > old->revision ? now : old->revision + 1;
	}
	return e;
}

err_t ops_operator_update(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct picture before;
	struct stored old;
	struct merged m;
	struct change c;
	err_t e = begin_existing(&c, &before, &old, tx, j, j->method->kind->desc);

	if (e || c.repeated)
		return e;
	e = merge_resource(&m, j, old.msg, "", c.version);
	if (!e)
		e = check(j, m.msg);
	if (!e)
		e = check_gift(j, &before, m.msg, old.msg);
	if (!e)
		e = write_row(&c, m.msg, false);
	if (e)
		return e;
	j->reply = ops_answer(j, &(struct stored){ .msg = m.msg, .revision = c.version });
	const ProtobufCMessage *was = ops_answer(j, &old);
	return j->reply && was ? finish(&c, &before, was, j->reply) : ERR_EXHAUSTED;
}

static err_t check_unused(struct job *j, const struct picture *p)
{
	char name[NAME_MAX_TEXT];

	for (size_t i = 0; is_role(j) && i < p->staff.n; i++) {
		const operator_t *o = p->operators[i];

		for (size_t k = 0; k < o->n_roles; k++) {
			if (strcmp(o->roles[k], j->rq.id) == 0)
				return err_set(&j->detail, ERR_PRECONDITION, "name", "in use by %s",
					       name_text("", &operator_kind, p->staff.members[i].id, name));
		}
	}
	return ERR_OK;
}

err_t ops_operator_delete(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	const char *params[] = { j->method->kind->name, j->rq.id };
	struct picture before;
	struct stored old;
	struct change c;
	err_t e = begin_existing(&c, &before, &old, tx, j, &google__protobuf__empty__descriptor);

	if (e || c.repeated)
		return e;
	e = check_unused(j, &before);
	if (!e)
		e = db_exec(tx, NULL, "DELETE FROM tm.operator_resource WHERE tenant = '' AND kind = $1 AND id = $2", 2,
			    params);
	if (e)
		return e;
	j->reply = pbr_new(&j->arena, &google__protobuf__empty__descriptor);
	const ProtobufCMessage *was = ops_answer(j, &old);
	return j->reply && was ? finish(&c, &before, was, NULL) : ERR_EXHAUSTED;
}
