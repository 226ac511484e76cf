/*
 * change: what every change has in common. Between begin and end, on a database worker, the tenant's row is locked: the
 * changes of one tenant come one after the other, and its version grows by one with each. What is in no tenant has an audit and
 * repeated requests, too: those of tenant ''.
 */
#ifndef TM_CHANGE_H
#define TM_CHANGE_H

#include "deletion.h"
#include "request.h"

struct change {
	struct db_tx *tx;
	struct job *job;
	uint64_t version; /* of this change: what it writes carries it */
	char sip_domain[256];
	const ProtobufCMessage *quotas; /* the tenant's; NULL: no limits */
	int64_t config_bytes;		/* of the tenant's resources without agents; the operation adjusts it */
	enum deletion_state deletion;	/* as it was when it was locked */
	uint64_t live_version;		/* of the flow that was written; 0: never published */
	bool keep_draft;		/* what is written leaves the flow's draft alone */
	bool repeated; /* the request was answered before: job->reply is that answer, nothing is to be done */
};
/* Locks the tenant; refuses who comes with a withdrawn token; looks whether the request is a repetition. Of a tenant that is deleted only _any changes something, who looks
 * itself. */
err_t change_begin_any(struct change *c, struct db_tx *tx, struct job *job,
		       const ProtobufCMessageDescriptor *reply) MUST;
err_t change_begin(struct change *c, struct db_tx *tx, struct job *job, const ProtobufCMessageDescriptor *reply) MUST;
/* For WHERE: the rows of the transaction's tenant; without one the platform's. */
#define OURS "tenant = coalesce(tm.tenant(), '') "
/* Of what is in no tenant (pools, operators, their roles and tokens): these come one after the other, too; ended by change_end_platform. */
err_t change_begin_platform(struct change *c, struct db_tx *tx, struct job *job,
			    const ProtobufCMessageDescriptor *reply) MUST;
/* Audit, outbox, version, answer of the request. before, after: of the resource, without secrets; NULL: there is none. */
err_t change_end(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after) MUST;
/* Audit and answer; nothing is published. */
err_t change_end_platform(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after) MUST;

/* Pieces for operations on tenants, which have no row to lock yet, or none any more. */
err_t change_repeated(struct change *c, const ProtobufCMessageDescriptor *reply) MUST;
err_t change_audit(struct change *c, const ProtobufCMessage *before, const ProtobufCMessage *after) MUST;
/* What the call services are to be told of the job's resource; its body has grown by bytes. */
err_t change_publish(struct change *c, int64_t bytes) MUST;
err_t change_outbox(struct change *c, int stage, const char *item_fmt, ...) PRINTF(3, 4) MUST;
err_t change_answer(struct change *c) MUST;
/* The answer stands, or, for validate_only, everything is undone (job_result). */
err_t change_finish(struct change *c) MUST;
/* What the caller is told when the transaction came to e. */
err_t job_result(const struct job *j, err_t e);

#define STAGE_PROMPT 0
#define STAGE_MAIN   1
#define STAGE_AGENT  2
#define STAGE_GONE   3
#define STAGE_EVENT  4

#endif
