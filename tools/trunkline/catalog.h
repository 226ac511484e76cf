/*
 * catalog: every command of the tool, as data: noun, verb, the method behind it, its arguments and how it is shown.
 */
#ifndef TRUNKLINE_CATALOG_H
#define TRUNKLINE_CATALOG_H

#include "cli.h"

typedef err_t catalog_run_fn(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail);

/* Something that AdminService keeps: its methods are Create<camel>, Get<camel>, List<plural of it>, Update… and Delete…. */
struct catalog_resource {
	const char *noun,
	    *plural;	     /* "queue", "queues": also the collection in resource names and the field in answers */
	const char *camel;   /* "Queue" */
	const char *columns; /* of list */
	const char *help, *example;
};
struct catalog_verb {
	const char *noun, *name;
	const char *help;
	catalog_run_fn *run;
	enum cli_server server;
	const ProtobufCServiceDescriptor *service;
	const char *method;
	const char *args; /* positional: field names of the request, separated by blanks; '?' after one: optional */
	const char *list; /* field of the response that is a list to be shown as a table; NULL: shown as a message */
	const char *columns;
	const char *options; /* further flags that the command itself reads: "file=FILE  help|…" */
};
struct catalog_noun {
	const char *name, *help;
};

#define CATALOG_QUEUE_COLUMNS                                                  \
	"QUEUE=queue_id,OFFERED=offered,ANSWERED=answered,IN "                 \
	"TARGET=answered_in_target,ABANDONED=abandoned,OVERFLOWED=overflowed," \
	"SL=kpis.service_level:percent,ASA=kpis.speed_of_answer_ms:span,MAX "  \
	"WAIT=wait_max_ms:span,TALK=kpis.talk_time_ms:span,"                   \
	"AHT=kpis.handle_time_ms:span"
#define CATALOG_AGENT_COLUMNS                                                                                         \
	"AGENT=agent_id,OFFERED=offered,ANSWERED=answered,MISSED=missed,TALK=talk_ms:span,HOLD=hold_ms:span,WRAP-UP=" \
	"wrap_up_ms:span,"                                                                                            \
	"READY=ready_ms:span,BUSY=busy_ms:span,AHT=kpis.handle_time_ms:span,OCCUPANCY=kpis.occupancy:percent"

extern const struct catalog_resource catalog_resources[]; /* ends with noun NULL */
extern const struct catalog_verb catalog_verbs[];
extern const struct catalog_noun catalog_nouns[];
extern const char *const catalog_resource_verbs[]; /* create list get update delete apply */

const struct catalog_resource *catalog_resource(const char *noun);
/* Also makes the row of a resource's verb. NULL: there is none. */
const struct catalog_verb *catalog_find(const char *noun, const char *verb);
bool catalog_is_noun(const char *noun);
/* The message whose fields are the flags of the command; NULL: none. */
const ProtobufCMessageDescriptor *catalog_flags_of(const struct catalog_verb *v);
/* The resource's own message, from the Get method. */
const ProtobufCMessageDescriptor *catalog_message_of(const struct catalog_resource *r);

/* ---- services_wire.c ---- */
const ProtobufCServiceDescriptor *service_admin(void);
const ProtobufCServiceDescriptor *service_auth(void);
const ProtobufCServiceDescriptor *service_desk(void);
const ProtobufCServiceDescriptor *service_recordings(void);
const ProtobufCServiceDescriptor *service_reports(void);

/* ---- run_*.c ---- */
catalog_run_fn run_create, run_get, run_list, run_update, run_delete, run_apply; /* resources */
catalog_run_fn run_upload_prompt, run_tenant, run_tenant_onboard, run_import;
catalog_run_fn run_flow_publish, run_flow_versions, run_flow_version;
catalog_run_fn run_method, run_table; /* any method: flags → request, answer → text */
catalog_run_fn run_agent_watch, run_events_watch;
catalog_run_fn run_recording_fetch, run_report_summary, run_audit_verify;
catalog_run_fn run_login, run_logout, run_whoami;
catalog_run_fn run_permissions, run_completion, run_complete, run_version;

/* ---- help.c ---- */
void help_all(void);
void help_noun(const char *noun);
void help_verb(const struct catalog_verb *v);

#endif
