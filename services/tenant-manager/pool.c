#include "pool.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/placement.h"
#include "merge.h"
#include "ops.h"
#include "page.h"
#include "pbr.h"
#include "tenantconf/check.h"

#define DESCRIPTION_MAX 1000
#define COLUMNS                                                                                           \
	"id, display_name, description, revision, floor(extract(epoch FROM created_at) * 1000)::bigint, " \
	"floor(extract(epoch FROM updated_at) * 1000)::bigint, (SELECT count(*) FROM tm.tenants_of_pool(id)) "

typedef Trunkline__Admin__V1__Pool pool_t;

const struct kind pool_kind = { .name = ERR_TEXT("pool"),
				.plural = "pools",
				.id_field = "pool_id",
				.own_id = "id", /* it has none but its name */
				.desc = &trunkline__admin__v1__pool__descriptor,
				.of_operators = true,
				.operators_only = true };

err_t pool_take(struct db_tx *tx, const char *pool, struct err_detail *detail)
{
	const char *params[] = { pool };
	struct db_result *res = NULL;
	err_t e;

	if (str_empty(pool))
		return ERR_OK;
	e = db_exec(tx, &res, "SELECT tm.take_pool($1)", 1, params);
	if (!e && !db_bool(res, 0, 0))
		e = err_set(detail, ERR_INVALID, "tenant.pool",
			    "there is no pool '%.63s'; an operator creates it first, or empty for the shared one",
			    pool);
	db_result_free(&res);
	return e;
}

/* ---- looking ---- */

static pool_t *from_row(struct arena *a, struct db_result *res, int row)
{
	pool_t *m = (void *)pbr_new(a, pool_kind.desc);

	if (!m)
		return NULL;
	m->name = arena_printf(a, "%s/%s", pool_kind.plural, db_text(res, row, 0));
	m->display_name = arena_strdup(a, db_text(res, row, 1));
	m->description = arena_strdup(a, db_text(res, row, 2));
	m->etag = arena_strdup(a, db_text(res, row, 3));
	m->create_time_ms = db_int(res, row, 4);
	m->update_time_ms = db_int(res, row, 5);
	m->tenants = (uint32_t)db_int(res, row, 6);
	return m->name && m->display_name && m->description && m->etag ? m : NULL;
}

static err_t load(struct db_tx *tx, struct job *j, pool_t **ret)
{
	const char *params[] = { j->rq.id };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT " COLUMNS "FROM tm.pool WHERE tenant = '' AND id = $1", 1, params);

	if (!e && !db_rows(res))
		e = kind_not_found(&pool_kind, &j->detail);
	if (!e) {
		*ret = from_row(&j->arena, res, 0);
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_pool_get(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	pool_t *m = NULL;
	err_t e;

	job_restart(j);
	e = load(tx, j, &m);
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
		       "SELECT " COLUMNS "FROM tm.pool WHERE tenant = '' AND id > $1 ORDER BY id LIMIT $2::int", 2,
		       params);
}

static err_t take_row(struct job *j, struct db_result *res, int row, ProtobufCMessage **ret)
{
	pool_t *m = from_row(&j->arena, res, row);

	*ret = m ? &m->base : NULL;
	return m ? ERR_OK : ERR_EXHAUSTED;
}

err_t ops_pool_list(struct db_tx *tx, void *arg)
{
	static const struct page_source pools = { .of = &trunkline__admin__v1__pool__descriptor,
						  .response = &trunkline__admin__v1__list_pools_response__descriptor,
						  .list = "pools",
						  .read = read_rows,
						  .take = take_row };
	struct page pg;
	err_t e = page_begin(&pg, arg, &pools);

	return e ? e : page_read(tx, &pg);
}

/* ---- changing ---- */

static err_t check(struct job *j, const pool_t *m)
{
	err_t e = check_display_name(m->display_name, "pool.display_name", &j->detail);

	if (!e && str_empty(m->display_name))
		e = err_set(&j->detail, ERR_INVALID, "pool.display_name", "missing");
	if (!e && strlen(m->description) > DESCRIPTION_MAX)
		e = err_set(&j->detail, ERR_INVALID, "pool.description", "%zu bytes long; at most %d",
			    strlen(m->description), DESCRIPTION_MAX);
	return e;
}

/* As it is now: answered, or undone (validate_only). before NULL: it is new. */
static err_t finish(struct change *c, const ProtobufCMessage *before)
{
	pool_t *m = NULL;
	err_t e = load(c->tx, c->job, &m);

	if (e)
		return e;
	c->job->reply = &m->base;
	return change_end_platform(c, before, &m->base);
}

err_t ops_pool_create(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	const pool_t *m = (const pool_t *)j->rq.resource;
	char revision[DB_NUMBER];
	const char *params[] = { j->rq.id, m->display_name, m->description, db_number(clock_wall_ms(), revision) };
	struct change c;
	err_t e = change_begin_platform(&c, tx, j, NULL);

	if (!e)
		e = check(j, m);
	if (!e && placement_shared(j->rq.id))
		e = err_set(&j->detail, ERR_INVALID, "pool_id",
			    "'shared' is always there: the pool of all tenants that are in no other");
	if (!e)
		e = db_exec(tx, NULL,
			    "INSERT INTO tm.pool (id, display_name, description, revision) VALUES ($1, $2, $3, $4)", 4,
			    params);
	if (e == ERR_EXISTS)
		e = err_set(&j->detail, e, "pool_id", "there is a pool '%s' already", j->rq.id);
	return e ? e : finish(&c, NULL);
}

/* The row is locked: who wants to move a tenant into it waits. */
static err_t begin(struct change *c, struct db_tx *tx, struct job *j, pool_t **ret)
{
	const char *params[] = { j->rq.id };
	err_t e = change_begin_platform(c, tx, j, NULL);

	if (!e)
		e = db_exec(tx, NULL, "SELECT FROM tm.pool WHERE tenant = '' AND id = $1 FOR UPDATE", 1, params);
	if (!e)
		e = load(tx, j, ret);
	return e ? e : ops_check_etag(j, strtoull((*ret)->etag, NULL, 10));
}

static err_t merge(struct job *j, pool_t *m)
{
	static const char *const open_fields[] = { "display_name", "description" };
	err_t e = merge_check_mask(&j->rq, &j->detail);

	for (unsigned i = 0; !e && i < m->base.descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->base.descriptor->fields[i];
		bool explicitly, open = false;

		for (size_t k = 0; k < ARRAY_SIZE(open_fields); k++)
			open |= strcmp(open_fields[k], f->name) == 0;
		if (!merge_masked(&j->rq, f, &explicitly))
			continue;
		if (open)
			pbr_copy_field(&m->base, j->rq.resource, f);
		else if (explicitly)
			e = err_set(&j->detail, ERR_INVALID, "update_mask", "'%s' cannot be changed", f->name);
	}
	return e;
}

err_t ops_pool_update(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	pool_t *m = NULL, *before = NULL;
	char revision[DB_NUMBER];
	struct change c;
	err_t e = begin(&c, tx, j, &before);

	if (!e) {
		m = (void *)pbr_shallow(&j->arena, &before->base);
		e = m ? merge(j, m) : ERR_EXHAUSTED;
	}
	if (!e)
		e = check(j, m);
	if (!e) {
		const char *params[] = { j->rq.id, m->display_name, m->description,
					 db_number(clock_wall_ms(), revision) };

		e = db_exec(tx, NULL,
			    "UPDATE tm.pool SET display_name = $2, description = $3, revision = greatest($4::bigint, "
			    "revision + 1), updated_at = now() WHERE tenant = '' AND id = $1",
			    4, params);
	}
	return e ? e : finish(&c, &before->base);
}

static err_t check_empty(struct db_tx *tx, struct job *j)
{
	const char *params[] = { j->rq.id };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "SELECT count(*), min(t) FROM tm.tenants_of_pool($1) t", 1, params);

	if (!e && db_int(res, 0, 0))
		e = err_set(&j->detail, ERR_PRECONDITION, "name", "%lld tenants are in it, the first is '%.63s'",
			    (long long)db_int(res, 0, 0), db_text(res, 0, 1));
	db_result_free(&res);
	return e;
}

err_t ops_pool_delete(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	const char *params[] = { j->rq.id };
	pool_t *m = NULL;
	struct change c;
	err_t e = begin(&c, tx, j, &m);

	if (!e)
		e = check_empty(tx, j);
	if (!e)
		e = db_exec(tx, NULL, "DELETE FROM tm.pool WHERE tenant = '' AND id = $1", 1, params);
	if (e)
		return e;
	j->reply = pbr_new(&j->arena, &google__protobuf__empty__descriptor);
	return j->reply ? change_end_platform(&c, &m->base, NULL) : ERR_EXHAUSTED;
}
