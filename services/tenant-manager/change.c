#include "change.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "pbr.h"
#include "quota.h"
#include "token.h"

/* A worker is everybody's: it does not wait out what one tenant's import writes. Holds for the other locks of the transaction, too. */
static err_t limit_wait(struct change *c)
{
	return c->job->patient ? ERR_OK : db_queue(c->tx, "SET LOCAL lock_timeout = '1s'", 0, NULL);
}

static err_t lock_tenant(struct change *c)
{
	struct db_result *res = NULL;
	err_t e = limit_wait(c);

	if (!e)
		e = db_exec(
		    c->tx, &res,
		    "SELECT version, sip_domain, config_bytes, quotas, deleted_at IS NOT NULL, purge_at <= now() "
		    "FROM tm.tenant WHERE tenant = tm.tenant() FOR UPDATE",
		    0, NULL);
	if (e == ERR_ABORTED)
		e = err_set(&c->job->detail, e, "",
			    "an import of the tenant is being written; try again in a few seconds");
	if (!e && !db_rows(res))
		e = err_set(&c->job->detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	if (!e) {
		c->version = (uint64_t)db_int(res, 0, 0) + 1;
		(void)str_copy(c->sip_domain, sizeof(c->sip_domain), db_text(res, 0, 1));
		c->config_bytes = db_int(res, 0, 2);
		c->deletion = !db_bool(res, 0, 4)  ? DELETION_NONE
			      : db_bool(res, 0, 5) ? DELETION_PURGING
						   : DELETION_GRACE;
		e = quota_from_row(&c->job->arena, res, 0, 3, &c->quotas);
	}
	db_result_free(&res);
	return e;
}

err_t change_repeated(struct change *c, const ProtobufCMessageDescriptor *reply)
{
	struct job *j = c->job;
	struct db_result *res = NULL;
	const char *params[] = { j->rq.request_id };
	size_t size;

	if (str_empty(j->rq.request_id) || j->rq.validate_only)
		return ERR_OK;
	err_t e = db_exec(c->tx, &res,
			  "SELECT method, fingerprint, response FROM tm.request WHERE " OURS "AND request_id = $1 "
			  "AND at > now() - interval '1 day'",
			  1, params);
	if (!e && db_rows(res)) {
		const void *bytes = db_bytes(res, 0, 2, &size);

		if (strcmp(db_text(res, 0, 0), j->method->action) != 0 ||
		    strcmp(db_text(res, 0, 1), j->fingerprint) != 0)
			e = err_set(&j->detail, ERR_INVALID, "request_id",
				    "was used for another request; take a new one");
		else if (!bytes || !(j->reply = pbr_unpack(&j->arena, reply, bytes, size)))
			e = ERR_EXHAUSTED;
		c->repeated = true;
	}
	db_result_free(&res);
	return e;
}

err_t change_begin_any(struct change *c, struct db_tx *tx, struct job *job, const ProtobufCMessageDescriptor *reply)
{
	*c = (struct change){ .tx = tx, .job = job };
	job_restart(job);
	err_t e = lock_tenant(c);
	if (!e)
		e = token_check(tx, &job->user, &job->detail);
	return e ? e : change_repeated(c, reply);
}

/* To its own administrators a tenant that is deleted is as one that never was. */
static err_t check_deletion(const struct change *c)
{
	struct job *j = c->job;

	if (c->deletion != DELETION_NONE && !auth_is_operator(&j->user))
		return err_set(&j->detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	return deletion_check_change(c->deletion, &j->detail);
}

err_t change_begin(struct change *c, struct db_tx *tx, struct job *job, const ProtobufCMessageDescriptor *reply)
{
	err_t e = change_begin_any(c, tx, job, reply);

	return e ? e : check_deletion(c);
}

err_t change_begin_platform(struct change *c, struct db_tx *tx, struct job *job,
			    const ProtobufCMessageDescriptor *reply)
{
	*c = (struct change){ .tx = tx, .job = job };
	job_restart(job);
	err_t e = limit_wait(c);
	if (!e)
		e = db_exec(tx, NULL, "SELECT pg_advisory_xact_lock(hashtextextended('tm.platform', 0))", 0, NULL);
	if (e == ERR_ABORTED)
		e = err_set(&job->detail, e, "", "others changed the same at the same time; try again");
	if (!e)
		e = token_check(tx, &job->user, &job->detail);
	return e ? e : change_repeated(c, reply);
}

err_t change_outbox(struct change *c, int stage, const char *item_fmt, ...)
{
	char item[128], stage_text[DB_NUMBER], version[DB_NUMBER];
	const char *params[] = { item, db_number(stage, stage_text), db_number((int64_t)c->version, version) };
	va_list ap;

	va_start(ap, item_fmt);
	vsnprintf(item, sizeof(item), item_fmt, ap);
	va_end(ap);
	c->job->changed = true;
	return db_exec(
	    c->tx, NULL,
	    "INSERT INTO tm.outbox (tenant, item, stage, version) VALUES (tm.tenant(), $1, $2, $3) "
	    "ON CONFLICT (tenant, item) DO UPDATE SET version = excluded.version, at = now(), retry_at = now()",
	    3, params);
}

err_t change_publish(struct change *c, int64_t bytes)
{
	const struct kind *kind = c->job->method->kind;

	if (kind->config_field == KIND_NOT_PUBLISHED)
		return ERR_OK;
	if (!kind->config_field)
		return change_outbox(c, STAGE_AGENT, "%s.%s", kind->name, c->job->rq.id);
	c->config_bytes += bytes;
	return change_outbox(c, STAGE_MAIN, "main");
}

static err_t bind_message(struct change *c, int index, const ProtobufCMessage *m)
{
	size_t size;

	if (!m)
		return ERR_OK;
	void *bytes = pbr_pack(&c->job->arena, m, &size);
	if (!bytes)
		return ERR_EXHAUSTED;
	db_bind_bytes(c->tx, index, bytes, size);
	return ERR_OK;
}

/* Beside a head that was taken away or set otherwise nothing can be added: no change goes on without its audit. */
static err_t audit_error(struct job *j, err_t e)
{
	if (e != ERR_EXISTS && e != ERR_PRECONDITION)
		return e;
	return err_set(&j->detail, ERR_DATA_LOSS, "",
		       "this audit does not go on from its head; 'trunkline audit verify' says where");
}

err_t change_audit(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after)
{
	struct job *j = c->job;
	char name[NAME_MAX_TEXT];
	const char *params[] = { j->user.subject,
				 j->method->action,
				 name_text(j->rq.tenant, j->method->kind, j->rq.id, name),
				 j->peer,
				 NULL,
				 NULL };
	struct db_result *res = NULL;
	err_t e = bind_message(c, 4, before);

	if (!e)
		e = bind_message(c, 5, after);
	if (!e)
		e = db_exec(c->tx, &res,
			    "INSERT INTO tm.audit (tenant, seq, actor, action, resource, peer, before, after) "
			    "SELECT coalesce(tm.tenant(), ''), coalesce(max(seq), 0) + 1, $1, $2, $3, $4, $5::bytea, "
			    "$6::bytea FROM tm.audit_head WHERE " OURS "RETURNING seq",
			    6, params);
	e = audit_error(j, e);
	j->changed = true;
	if (!e && *j->rq.tenant) /* facts are of tenants */
		e = change_outbox(c, STAGE_EVENT, "audit.%s", db_text(res, 0, 0));
	db_result_free(&res);
	return e;
}

static err_t grow_version(struct change *c)
{
	char version[DB_NUMBER], bytes[DB_NUMBER];
	const char *params[] = { db_number((int64_t)c->version, version), db_number(c->config_bytes, bytes) };

	if (c->config_bytes > c->job->tm->config->max_config_bytes)
		return err_set(&c->job->detail, ERR_EXHAUSTED, "",
			       "the tenant's configuration would be larger than %lld bytes",
			       (long long)c->job->tm->config->max_config_bytes);
	return db_exec(
	    c->tx, NULL,
	    "UPDATE tm.tenant SET version = $1, config_bytes = $2, updated_at = now() WHERE tenant = tm.tenant()", 2,
	    params);
}

err_t change_answer(struct change *c)
{
	struct job *j = c->job;
	const char *params[] = { j->rq.request_id, j->method->action, j->fingerprint, NULL };

	if (str_empty(j->rq.request_id) || j->rq.validate_only)
		return ERR_OK;
	err_t e =
	    db_exec(c->tx, NULL, "DELETE FROM tm.request WHERE " OURS "AND at < now() - interval '1 day'", 0, NULL);
	if (!e)
		e = bind_message(c, 3, j->reply);
	return e ? e
		 : db_exec(c->tx, NULL,
			   "INSERT INTO tm.request (tenant, request_id, method, fingerprint, response) "
			   "VALUES (coalesce(tm.tenant(), ''), $1, $2, $3, $4)",
			   4, params);
}

err_t change_finish(struct change *c)
{
	/* What is deferred to the end is checked now, while there is somebody to tell. */
	err_t e = db_exec(c->tx, NULL, "SET CONSTRAINTS ALL IMMEDIATE", 0, NULL);

	if (e == ERR_PRECONDITION && strcmp(db_constraint(c->tx), "resource_ref_target") == 0)
		e = err_set(&c->job->detail, ERR_PRECONDITION, "name",
			    "others refer to it, or it refers to something that has just been deleted");
	if (e)
		return e;
	return c->job->rq.validate_only ? ERR_CANCELLED : ERR_OK;
}

err_t change_end(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after)
{
	err_t e = change_audit(c, before, after);

	if (!e)
		e = grow_version(c);
	if (!e)
		e = change_answer(c);
	return e ? e : change_finish(c);
}

err_t change_end_platform(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after)
{
	err_t e = change_audit(c, before, after);

	if (!e)
		e = change_answer(c);
	return e ? e : change_finish(c);
}

err_t job_result(const struct job *j, err_t e)
{
	return e == ERR_CANCELLED && j->rq.validate_only && j->reply ? ERR_OK : e;
}

void job_restart(struct job *j)
{
	arena_reset(&j->arena);
	j->reply = NULL;
	j->changed = false;
	j->detail = (struct err_detail){ 0 };
}
