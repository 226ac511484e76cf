/* report_wire: requests and answers of ReportService; the only file that knows their messages. */
#ifndef REPORTING_REPORT_WIRE_H
#define REPORTING_REPORT_WIRE_H

#include <stdint.h>
#include "base/err.h"
#include "db/db.h"
#include "rpc/rpc.h"
#include "vault/vault.h"

enum report_kind { REPORT_QUEUES, REPORT_AGENTS, REPORT_SUMMARY, REPORT_CALLS, REPORT_KINDS };

#define REPORT_ROWS_MAX 10000
#define REPORT_PAGE_MAX 1000
#define REPORT_PAGE	100
#define REPORT_TEXT	136

/* A question, validated. Times are wall ms; step_ms divides them. */
struct report_query {
	enum report_kind kind;
	char tenant[REPORT_TEXT]; /* of `parent`, "": the token's */
	int64_t from_ms, to_ms, step_ms;
	char queue_id[REPORT_TEXT], agent_id[REPORT_TEXT];
	char caller[REPORT_TEXT], called[REPORT_TEXT];
	bool caller_prefix, called_prefix;
	char disposition[REPORT_TEXT];
	int page_size;
	int64_t after_ms; /* page token: the last row before; -1: none */
	char after_call[REPORT_TEXT];
};
/* Rows in the order of the columns in query.c. */
struct report_result {
	struct db_result *totals, *queues, *agents, *calls;
	const struct vault_tenant *vault; /* of the calls */
	bool clear;			  /* who asks may see what is sensitive */
	int64_t lag_records;
};

/* now_ms fills what the request leaves open. */
err_t report_from_pb(struct report_query *ret, enum report_kind kind, const ProtobufCMessage *req, int64_t now_ms,
		     struct err_detail *d) MUST;
/* Answers the call. */
void report_reply(struct rpc_call *call, const struct report_query *q, const struct report_result *r);

extern const ProtobufCServiceDescriptor *const report_service;
extern const char *const report_methods[REPORT_KINDS];

#endif
