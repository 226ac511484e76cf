/*
 * Flows: drafts, publications, versions. A version is made by a trigger whenever what is published changes
 * (migrations/0006_flow_versions.sql); here is who publishes what, and why.
 */
#include "ops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "pbr.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"

#define DRAFT_BYTES_MAX ((size_t)1 << 20)
#define UNPUBLISHED	480 /* what a call to a flow that was never published gets */
#define COLUMNS                                                                                                 \
	"version, floor(extract(epoch FROM published_at) * 1000)::bigint, author, comment, rollback_of, body, " \
	"encode(sha256(body), 'hex')"

err_t ops_flow_sign(struct change *c, const char *comment, uint64_t rollback_of)
{
	char of[DB_NUMBER];
	const char *params[] = { c->job->user.subject, comment, db_number(rollback_of, of) };

	return db_exec(c->tx, NULL,
		       "SELECT set_config('trunkline.flow_author', $1, true), set_config('trunkline.flow_comment', $2, "
		       "true), set_config('trunkline.flow_rollback_of', $3, true)",
		       3, params);
}

err_t ops_flow_prune(struct change *c)
{
	char live[DB_NUMBER], kept[DB_NUMBER];
	const char *params[] = { c->job->rq.id, db_number(c->live_version, live),
				 db_number((int64_t)c->job->tm->config->flow_versions_kept, kept) };

	return db_exec(
	    c->tx, NULL,
	    "DELETE FROM tm.flow_version WHERE tenant = tm.tenant() AND flow_id = $1 AND version <= $2::bigint - "
	    "$3::bigint",
	    3, params);
}

/* ---- drafts ---- */

static err_t check_draft(struct job *j, const ProtobufCMessage *m, size_t size)
{
	if (size > DRAFT_BYTES_MAX)
		return err_set(&j->detail, ERR_INVALID, "flow", "%zu bytes; a draft has at most %zu", size,
			       DRAFT_BYTES_MAX);
	return check_display_name(pbr_string(m, "display_name"), "flow.display_name", &j->detail);
}

/* What is published of a flow that is a draft only: a previous version of this service publishes whatever there is. */
static err_t insert_placeholder(struct change *c, const ProtobufCMessage *draft)
{
	static char step_id[] = "unpublished";
	Trunkline__Config__V1__HangUpStep hang_up = TRUNKLINE__CONFIG__V1__HANG_UP_STEP__INIT;
	Trunkline__Config__V1__FlowStep step = TRUNKLINE__CONFIG__V1__FLOW_STEP__INIT, *steps[] = { &step };
	Trunkline__Config__V1__Flow flow = TRUNKLINE__CONFIG__V1__FLOW__INIT;
	err_t e = db_exec(c->tx, NULL, "SELECT set_config('trunkline.flow_unpublished', 'yes', true)", 0, NULL);

	hang_up.status = UNPUBLISHED;
	step.id = step_id;
	step.step_case = TRUNKLINE__CONFIG__V1__FLOW_STEP__STEP_HANG_UP;
	step.hang_up = &hang_up;
	flow.id = c->job->rq.id;
	flow.display_name = (char *)pbr_string(draft, "display_name");
	flow.n_steps = 1;
	flow.steps = steps;
	return e ? e : ops_store(c, &flow.base, NULL);
}

err_t ops_flow_draft(struct change *c, const ProtobufCMessage *m, const struct stored *old, struct stored *ret)
{
	struct job *j = c->job;
	char revision[DB_NUMBER];
	const char *params[] = { j->rq.id, NULL, db_number(c->version, revision) };
	struct db_result *res = NULL;
	size_t size = 0;
	void *bytes = pbr_pack(&j->arena, m, &size);
	err_t e = bytes ? check_draft(j, m, size) : ERR_EXHAUSTED;

	if (!e && !old)
		e = insert_placeholder(c, m);
	if (e)
		return e;
	db_bind_bytes(c->tx, 1, bytes, size);
	e = db_exec(
	    c->tx, &res,
	    "UPDATE tm.resource SET draft = nullif($2, body), revision = $3, updated_at = now() "
	    "WHERE tenant = tm.tenant() AND kind = 'flow' AND id = $1 RETURNING live_version, draft IS NOT NULL",
	    3, params);
	if (!e)
		*ret = (struct stored){ .msg = (ProtobufCMessage *)m,
					.revision = c->version,
					.live_version = (uint64_t)db_int(res, 0, 0),
					.draft = db_bool(res, 0, 1) };
	db_result_free(&res);
	return e;
}

/* ---- versions ---- */

static Trunkline__Admin__V1__FlowVersion *version_from_row(struct job *j, struct db_result *res, int row, bool whole)
{
	Trunkline__Admin__V1__FlowVersion *v =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__flow_version__descriptor);
	char name[NAME_MAX_TEXT];
	size_t size;

	if (!v)
		return NULL;
	(void)name_text(j->rq.tenant, j->method->kind, j->rq.id, name);
	v->version = (uint64_t)db_int(res, row, 0);
	v->name = arena_printf(&j->arena, "%s/versions/%" PRIu64, name, v->version);
	v->publish_time_ms = db_int(res, row, 1);
	v->author = arena_strdup(&j->arena, db_text(res, row, 2));
	v->comment = arena_strdup(&j->arena, db_text(res, row, 3));
	v->rollback_of = (uint64_t)db_int(res, row, 4);
	v->sha256 = arena_strdup(&j->arena, db_text(res, row, 6));
	if (whole) {
		const void *bytes = db_bytes(res, row, 5, &size);

		v->flow = bytes ? (void *)pbr_unpack(&j->arena, j->method->kind->desc, bytes, size) : NULL;
		if (!v->flow)
			return NULL;
		v->flow->name = arena_strdup(&j->arena, name);
	}
	return v->name && v->author && v->comment && v->sha256 && (!whole || v->flow->name) ? v : NULL;
}

/* ERR_NOT_FOUND with field when there is no such version (any more). */
static err_t load_version(struct db_tx *tx, struct job *j, uint64_t version, const char *field,
			  Trunkline__Admin__V1__FlowVersion **ret)
{
	char text[DB_NUMBER];
	const char *params[] = { j->rq.id, db_number(version, text) };
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res,
			  "SELECT " COLUMNS " FROM tm.flow_version WHERE tenant = tm.tenant() AND flow_id = $1 "
			  "AND version = $2::bigint",
			  2, params);

	if (!e && !db_rows(res))
		e = err_set(&j->detail, ERR_NOT_FOUND, field,
			    "no such version; ListFlowVersions has those that are kept");
	if (!e) {
		*ret = version_from_row(j, res, 0, true);
		e = *ret ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	return e;
}

err_t ops_flow_version(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__FlowVersion *v = NULL;
	struct stored flow;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e)
		e = ops_load(tx, j, &flow);
	if (!e)
		e = load_version(tx, j, j->rq.version, "name", &v);
	if (!e)
		j->reply = &v->base;
	return e;
}

static err_t fill_versions(struct job *j, struct db_result *res)
{
	Trunkline__Admin__V1__ListFlowVersionsResponse *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__list_flow_versions_response__descriptor);
	size_t n = (size_t)(db_rows(res) < j->rq.page_size ? db_rows(res) : j->rq.page_size);

	if (!r || !(r->versions = arena_alloc(&j->arena, (n + 1) * sizeof(*r->versions))))
		return ERR_EXHAUSTED;
	for (; r->n_versions < n; r->n_versions++) {
		r->versions[r->n_versions] = version_from_row(j, res, (int)r->n_versions, false);
		if (!r->versions[r->n_versions])
			return ERR_EXHAUSTED;
	}
	if ((size_t)db_rows(res) > n && !(r->next_page_token = arena_strdup(&j->arena, db_text(res, (int)n - 1, 0))))
		return ERR_EXHAUSTED;
	j->reply = &r->base;
	return ERR_OK;
}

err_t ops_flow_versions(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	char before_text[DB_NUMBER], limit[DB_NUMBER];
	struct stored flow;
	struct db_result *res = NULL;
	int64_t before = INT64_MAX;

	job_restart(j);
	err_t e = ops_check_tenant(tx, j);
	if (!e)
		e = ops_load(tx, j, &flow);
	if (!e && *j->rq.page_token && str_to_i64(j->rq.page_token, 1, INT64_MAX, &before))
		e = err_set(&j->detail, ERR_INVALID, "page_token", "not a next_page_token");
	const char *params[] = { j->rq.id, db_number((int64_t)before, before_text),
				 db_number((int64_t)j->rq.page_size + 1, limit) };
	if (!e)
		e = db_exec(tx, &res,
			    "SELECT " COLUMNS " FROM tm.flow_version WHERE tenant = tm.tenant() AND flow_id = $1 "
			    "AND version < $2::bigint ORDER BY version DESC LIMIT $3::int",
			    3, params);
	if (!e)
		e = fill_versions(j, res);
	db_result_free(&res);
	return e;
}

/* ---- publication ---- */

/* What calls run now; before the first publication there is none. */
static err_t load_live(struct change *c, const struct stored *flow, Trunkline__Admin__V1__FlowVersion **ret)
{
	*ret = NULL;
	return flow->live_version ? load_version(c->tx, c->job, flow->live_version, "name", ret) : ERR_OK;
}

static const ProtobufCMessage *live_answer(struct job *j, const struct stored *flow,
					   const Trunkline__Admin__V1__FlowVersion *live)
{
	struct stored s = { .revision = flow->revision, .live_version = flow->live_version };

	if (!live)
		return ops_answer(j, flow);
	s.msg = &live->flow->base;
	return ops_answer(j, &s);
}

/* Stores m as what is published, and answers with the version that it has become. */
static err_t publish(struct change *c, ProtobufCMessage *m, const struct stored *flow, uint64_t rollback_of)
{
	struct job *j = c->job;
	Trunkline__Admin__V1__FlowVersion *live = NULL, *now = NULL;
	err_t e = load_live(c, flow, &live);

	pbr_set_string(m, "name", "");
	if (!e)
		e = ops_flow_sign(c, j->rq.comment, rollback_of);
	if (!e)
		e = ops_store(c, m, flow);
	if (!e)
		e = load_version(c->tx, j, c->live_version, "name", &now);
	if (e)
		return e;
	struct stored after = { .msg = &now->flow->base, .revision = c->version, .live_version = c->live_version };
	const ProtobufCMessage *before_msg = live_answer(j, flow, live), *after_msg = ops_answer(j, &after);
	j->reply = &now->base;
	return before_msg && after_msg ? change_end(c, before_msg, after_msg) : ERR_EXHAUSTED;
}

static err_t begin(struct change *c, struct db_tx *tx, struct job *j, struct stored *flow)
{
	err_t e = change_begin(c, tx, j, &trunkline__admin__v1__flow_version__descriptor);

	if (e || c->repeated)
		return e;
	j->rq.resource_field = "flow";
	e = ops_load(tx, j, flow);
	return e ? e : ops_check_etag(j, flow->revision);
}

err_t ops_flow_publish(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct stored flow;
	struct change c;
	err_t e = begin(&c, tx, j, &flow);

	if (e || c.repeated)
		return e;
	if (!flow.draft)
		return err_set(&j->detail, ERR_PRECONDITION, "name",
			       "there is no draft: version %" PRIu64 " has all that was written", flow.live_version);
	return publish(&c, flow.msg, &flow, 0);
}

err_t ops_flow_rollback(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	Trunkline__Admin__V1__FlowVersion *old = NULL, *live = NULL;
	struct stored flow;
	struct change c;
	err_t e = begin(&c, tx, j, &flow);

	if (e || c.repeated)
		return e;
	e = load_version(tx, j, j->rq.version, "version", &old);
	if (!e)
		e = load_live(&c, &flow, &live);
	if (!e && live && strcmp(live->sha256, old->sha256) == 0)
		e = err_set(&j->detail, ERR_PRECONDITION, "version", "version %" PRIu64 ", which is live, has the same",
			    live->version);
	c.keep_draft = true;
	return e ? e : publish(&c, &old->flow->base, &flow, j->rq.version);
}
