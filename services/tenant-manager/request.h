/*
 * request: one administrative request as the operations see it, whatever the kind of resource; and the job that carries
 * it to a database worker and back. A job belongs to the loop, but for the time in which its operation runs on a worker.
 */
#ifndef TM_REQUEST_H
#define TM_REQUEST_H

#include <stdatomic.h>
#include "auth/auth.h"
#include "base/arena.h"
#include "db/db.h"
#include "kind.h"
#include "rpc/rpc.h"
#include "manager.h"

enum verb {
	VERB_CREATE,
	VERB_GET,
	VERB_LIST,
	VERB_UPDATE,
	VERB_DELETE,
	VERB_UNDELETE,
	VERB_VERIFY,
	VERB_PUBLISH,  /* also a roll-back */
	VERB_VERSIONS, /* a list, of a flow */
	VERB_VERSION,
	VERB_REVOKE,
};

struct method {
	const struct kind *kind; /* NULL: tenants */
	enum verb verb;
	const char *action; /* "queues.create", for the audit */
	err_t (*op)(struct db_tx *tx, void *job);
};

/* Of ListAuditEntries; "" and 0: any. */
struct audit_filter {
	const char *actor, *action, *resource_prefix;
	int64_t from_ms, to_ms;
	bool oldest_first;
};

struct request {
	char tenant[64]; /* "": none (ListTenants) */
	char id[64];
	const char *etag;	/* "": any */
	const char *request_id; /* "": none */
	bool validate_only;
	const ProtobufCMessage *resource; /* Create, Update; of the request */
	size_t n_paths;
	char *const *paths; /* of the update mask */
	int page_size;
	const char *page_token;
	const char *filter; /* of a list, "": everything */
	bool show_deleted;  /* ListTenants */
	int64_t grace_ms;   /* DeleteTenant; DELETION_GRACE_UNSET: none was given */
	struct audit_filter audit;
	bool draft_only;	    /* of a flow */
	const char *comment;	    /* on its publication */
	uint64_t version;	    /* of it; 0: none was named */
	const char *resource_field; /* "queue": stands before the fields in errors */
};

struct job {
	struct manager *tm;
	struct rpc_call *call;
	const struct method *method;
	struct request rq;
	struct auth_user user;
	char peer[64];
	enum text_language language; /* of texts in the answer */
	char fingerprint[65];
	struct upload *upload;	      /* UploadPrompt only; owned */
	struct import_upload *import; /* CreateImport only; owned */
	bool patient;		      /* waits for the tenant's lock as long as it takes; others for a second */
	atomic_bool gone; /* nobody waits for the answer any more; what takes long on a worker looks at it */
	/* results; begun anew with each attempt */
	struct arena arena;
	ProtobufCMessage *reply;
	struct err_detail detail;
	char db_error[200]; /* for the log */
	bool changed;	    /* something waits in the outbox */
};

/* admin_wire.c. Fills rq from the request message; parent, name and page are checked, the resource is not. */
err_t request_from_pb(struct request *rq, const struct method *m, const ProtobufCMessage *pb,
		      struct err_detail *detail) MUST;
/* What makes two requests the same; passwords do not go in. */
err_t request_fingerprint(const ProtobufCMessage *pb, char hex[65]) MUST;

/* Begins an attempt: forgets what an earlier one left. */
void job_restart(struct job *j);

#endif
