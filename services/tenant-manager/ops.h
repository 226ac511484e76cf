/*
 * ops: the operations, each one transaction on a database worker; arg is the struct job. They leave the answer in
 * job->reply, or what was wrong in job->detail. They may run again (db.h) and begin anew then.
 */
#ifndef TM_OPS_H
#define TM_OPS_H

#include "change.h"
#include "trunkline/admin/v1/admin.pb-c.h"

err_t ops_resource_create(struct db_tx *tx, void *job);
err_t ops_resource_get(struct db_tx *tx, void *job); /* these two also of tm.operator_resource */
err_t ops_resource_list(struct db_tx *tx, void *job);
err_t ops_resource_update(struct db_tx *tx, void *job);
err_t ops_resource_delete(struct db_tx *tx, void *job);
err_t ops_tenant_create(struct db_tx *tx, void *job);
err_t ops_tenant_get(struct db_tx *tx, void *job);
err_t ops_tenant_list(struct db_tx *tx, void *job);
err_t ops_tenant_update(struct db_tx *tx, void *job);
err_t ops_tenant_delete(struct db_tx *tx, void *job);
err_t ops_tenant_undelete(struct db_tx *tx, void *job);
err_t ops_rotation_begin(struct db_tx *tx, void *job);
err_t ops_rotation_get(struct db_tx *tx, void *job);
err_t ops_deletion_get(struct db_tx *tx, void *job);
err_t ops_prompt_upload(struct db_tx *tx, void *job);
err_t ops_flow_publish(struct db_tx *tx, void *job);
err_t ops_flow_rollback(struct db_tx *tx, void *job);
err_t ops_flow_versions(struct db_tx *tx, void *job);
err_t ops_flow_version(struct db_tx *tx, void *job);
err_t ops_import_create(struct db_tx *tx, void *job);
err_t ops_import_get(struct db_tx *tx, void *job);
err_t ops_import_list(struct db_tx *tx, void *job);
err_t ops_import_cancel(struct db_tx *tx, void *job);
err_t ops_token_get(struct db_tx *tx, void *job);
err_t ops_token_list(struct db_tx *tx, void *job);
err_t ops_token_revoke(struct db_tx *tx, void *job);
err_t ops_audit_list(struct db_tx *tx, void *job);
err_t ops_audit_verify(struct db_tx *tx, void *job);

/* ---- shared by ops_*.c ---- */
/* The job's tenant as it is answered. ERR_NOT_FOUND. */
err_t ops_tenant_load(struct db_tx *tx, struct job *j, Trunkline__Admin__V1__Tenant **ret) MUST;
/* The job's tenant is there for who asks: one that is deleted only for operators. ERR_NOT_FOUND. */
err_t ops_check_tenant(struct db_tx *tx, struct job *j) MUST;
struct stored {
	ProtobufCMessage *msg; /* in the job's arena */
	uint64_t revision;
	size_t size;	       /* of what is published */
	uint64_t live_version; /* of a flow */
	bool draft;	       /* msg is one, and not published */
};
/* ERR_NOT_FOUND with kind_not_found(). */
err_t ops_load(struct db_tx *tx, struct job *j, struct stored *ret) MUST;
/* Checks m, writes it (insert or update) with its references, marks it for publishing. old: what it replaces, or NULL. */
err_t ops_store(struct change *c, const ProtobufCMessage *m, const struct stored *old) MUST;
/* As it is answered. NULL: no memory. */
ProtobufCMessage *ops_answer(struct job *j, const struct stored *s);
/* ---- of flows, ops_flow.c ---- */
/* Who publishes, and why: for the version that comes of what is stored next. */
err_t ops_flow_sign(struct change *c, const char *comment, uint64_t rollback_of) MUST;
/* Versions beyond those that are kept go. */
err_t ops_flow_prune(struct change *c) MUST;
/* Writes the draft m alone; of a new flow (old NULL) with a place-holder to be published. */
err_t ops_flow_draft(struct change *c, const ProtobufCMessage *m, const struct stored *old, struct stored *ret) MUST;
/* Removes audio that no prompt of the tenant names any more, and marks it. */
err_t ops_drop_audio(struct change *c, const char *sha256) MUST;
/* The tenant's suspension plays that prompt. */
err_t ops_announces(struct change *c, const char *prompt_id, bool *ret) MUST;
/* NOT_FOUND of a tenant that is not there, for reads that would find nothing anyway. */
err_t ops_check_tenant(struct db_tx *tx, struct job *j) MUST;
err_t ops_check_etag(struct job *j, uint64_t revision) MUST;

#endif
