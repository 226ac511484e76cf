#include "catalog.h"

#include <stdio.h>
#include <string.h>

const struct catalog_noun catalog_nouns[] = {
	{ "tenant", "tenants of the platform (operators)" },
	{ "pool", "pools of instances that serve some tenants only (operators)" },
	{ "operator", "who runs the platform, or a part of it (operators)" },
	{ "operator-role", "sets of permissions for operators (operators)" },
	{ "number", "telephone numbers and what a call to them does" },
	{ "trunk", "where calls come from and go out to" },
	{ "calendar", "working hours and holidays" },
	{ "skill", "skills that queues ask for and agents have" },
	{ "queue", "queues" },
	{ "prompt", "announcements and music" },
	{ "flow", "IVR flows" },
	{ "role", "sets of permissions for agents and tokens" },
	{ "import", "agents or numbers from a table, CSV or XLSX" },
	{ "agent", "agents: administration, and an agent's own work" },
	{ "apply", "create or change everything that a file describes" },
	{ "calls", "calls that were, and are" },
	{ "recording", "recordings: search, download" },
	{ "report", "what queues and agents did" },
	{ "audit", "who changed what" },
	{ "events", "what happens, as it happens" },
	{ "token", "access tokens for people and programs" },
	{ "login", "get a token by an agent's password and keep it" },
	{ "logout", "forget the kept token" },
	{ "whoami", "whose token this is" },
	{ "completion", "completion for the shell" },
	{ "version", "version of this tool" },
	{ NULL, NULL },
};

const struct catalog_resource catalog_resources[] = {
	{ "tenant", "tenants", "Tenant",
	  "TENANT=name:leaf,NAME=display_name,SIP DOMAIN=sip_domain,TIME "
	  "ZONE=time_zone,SUSPENDED=suspended,STATE=state:word,VERSION=config_version,PUBLISHED=published_version",
	  "a tenant",
	  "trunkline tenant create acme --display-name \"Acme Ltd\" --sip-domain acme.example --time-zone "
	  "Europe/Berlin" },
	{ "pool", "pools", "Pool", "POOL=name:leaf,NAME=display_name,TENANTS=tenants,DESCRIPTION=description",
	  "a pool of instances", "trunkline pool create gold --display-name \"Acme alone\"" },
	{ "operator", "operators", "Operator",
	  "OPERATOR=name:leaf,NAME=display_name,ROLES=roles:list,DISABLED=disabled", "an operator",
	  "trunkline operator create li --display-name \"Li Wei\" --roles billing; trunkline token create "
	  "--operator-id li" },
	{ "operator-role", "roles", "OperatorRole", "ROLE=id,NAME=display_name,PERMISSIONS=permissions:list",
	  "a role of operators",
	  "trunkline operator-role create billing --permissions tenants.list,tenant.read,tenant.write,tenants.quotas" },
	{ "number", "numbers", "Number",
	  "NUMBER=number,NAME=display_name,CALENDAR=calendar_id,WORKING=working:choice,OTHER=other:choice,FORCED="
	  "forced:choice,FORCE=force",
	  "a telephone number",
	  "trunkline number create +4930123456 --working flow:main --other flow:closed --calendar-id office" },
	{ "trunk", "trunks", "Trunk",
	  "TRUNK=id,NAME=display_name,ADDRESSES=addresses:list,USER=username,HOST=host,MAX CALLS=max_calls", "a trunk",
	  "trunkline trunk create carrier --addresses 192.0.2.10,192.0.2.64/28 --host sip.carrier.example:5060" },
	{ "calendar", "calendars", "Calendar",
	  "CALENDAR=id,NAME=display_name,TIME ZONE=time_zone,HOURS=hours:count,HOLIDAYS=holidays:list", "a calendar",
	  "trunkline calendar create office --hours '[{\"weekday\":1,\"from_minute\":540,\"to_minute\":1080}]' "
	  "--holidays 2026-12-25" },
	{ "skill", "skills", "Skill", "SKILL=id,NAME=display_name", "a skill",
	  "trunkline skill create german --display-name German" },
	{ "queue", "queues", "Queue",
	  "QUEUE=id,NAME=display_name,SKILLS=skills:list,PRIORITY=priority,RING=ring_timeout_ms:span,WRAP-UP=wrap_up_"
	  "ms:span,RECORD=record,SL=service_level_ms:span",
	  "a queue", "trunkline queue create sales --skills german:5 --wrap-up 10s --record --music-prompt-id music" },
	{ "prompt", "prompts", "Prompt",
	  "PROMPT=id,NAME=display_name,LENGTH=duration_ms:span,SIZE=size_bytes:size,SHA-256=sha256", "a prompt",
	  "trunkline prompt create welcome --file welcome.wav --display-name Welcome" },
	{ "flow", "flows", "Flow", "FLOW=id,NAME=display_name,STEPS=steps:count,LIVE=live_version,DRAFT=draft",
	  "an IVR flow", "trunkline flow create main --steps @steps.json" },
	{ "role", "roles", "Role", "ROLE=id,NAME=display_name,PERMISSIONS=permissions:list", "a role",
	  "trunkline role create auditor --permissions audit.read,reports.read" },
	{ "agent", "agents", "Agent",
	  "AGENT=id,NAME=display_name,ENABLED=enabled,SKILLS=skills:list,AUTO READY=auto_ready_after_wrap_up",
	  "an agent",
	  "trunkline agent create 1001 --display-name \"Mei Lin\" --password-stdin --enabled --skills german:8 < "
	  "password.txt" },
	{ NULL, NULL, NULL, NULL, NULL, NULL },
};

#define STATUS_COLUMNS                                                                                             \
	"AGENT=agent_id,NAME=display_name,STATE=state:word,REASON=reason,SINCE=since_ms:time,QUEUE=queue_id,CALL=" \
	"call_id,SITE=site"

#define DESK_COMMAND(name, method, help)                                                                  \
	{                                                                                                 \
		"agent", name, help, run_method, SERVER_DESK, NULL, method, "agent_id?", NULL, NULL, NULL \
	}

#define IMPORT_OPTIONS                                                                                                \
	"dry-run  only check, and show what would become of each column|good-rows  leave bad rows out|charset=NAME  " \
	"of "                                                                                                         \
	"CSV: UTF-8 or GB18030|map=HEADER=FIELD  a column by another name, FIELD - for none; may be given again|"     \
	"request-id=UUID  again with the same one it is not done twice|no-wait  do not wait for its end"

const struct catalog_verb catalog_verbs[] = {
	DESK_COMMAND("sign-in", "SignIn", "sign in (a lead may name another agent)"),
	DESK_COMMAND("sign-out", "SignOut", "sign out, after the call if there is one"),
	DESK_COMMAND("ready", "SetReady", "take calls"),
	DESK_COMMAND("busy", "SetBusy", "take no calls, after the present one; --reason break|meal|…"),
	DESK_COMMAND("finish-wrap-up", "FinishWrapUp", "after-call work is done"),
	DESK_COMMAND("state", "GetState", "the state as it is"),
	{ "agent", "states", "the states of all agents (leads)", run_table, SERVER_DESK, NULL, "ListAgents", "",
	  "agents", STATUS_COLUMNS, NULL },
	{ "agent", "watch", "own state, offered calls and queues as they change; leads: --all-agents", run_agent_watch,
	  SERVER_DESK, NULL, "StreamEvents", "", NULL, NULL, NULL },
	{ "tenant", "undelete", "as it was, until its grace is over", run_tenant, SERVER_ADMIN, NULL, "UndeleteTenant",
	  "name", NULL, NULL, "dry-run  only check" },
	{ "tenant", "deletion", "the report of its deletion: when, by whom, what went, what is kept", run_tenant,
	  SERVER_ADMIN, NULL, "GetTenantDeletion", "name", NULL, NULL, NULL },
	{ "tenant", "rotate-key", "another version of the key of its sensitive fields; key-rotation says how far it is",
	  run_tenant, SERVER_ADMIN, NULL, "RotateTenantKey", "name", NULL, NULL, "dry-run  only check" },
	{ "tenant", "key-rotation", "how far its last rotation of the key is", run_tenant, SERVER_ADMIN, NULL,
	  "GetKeyRotation", "name", NULL, NULL, NULL },
	{ "tenant", "onboard", "takes a new tenant from its requirement to live work, by a plan; again: goes on",
	  run_tenant_onboard, SERVER_ADMIN, NULL, NULL, "plan", NULL, NULL,
	  "dry-run  change nothing: what would be done, and how far it is|wait=TIME  for calls and for the end of the "
	  "trial, at most "
	  "(default 10m)|go-live  when all before is done|report=FILE  where the report goes (default "
	  "TENANT-onboarding.md)" },
	{ "flow", "publish", "the draft goes live, as the next version; --comment", run_flow_publish, SERVER_ADMIN,
	  NULL, "PublishFlow", "name", NULL, NULL, NULL },
	{ "flow", "rollback", "an earlier version goes live again: --version N --comment", run_flow_publish,
	  SERVER_ADMIN, NULL, "RollbackFlow", "name", NULL, NULL, NULL },
	{ "flow", "versions", "what was published, newest first", run_flow_versions, SERVER_ADMIN, NULL,
	  "ListFlowVersions", "parent", "versions",
	  "VERSION=version,PUBLISHED=publish_time_ms:time,WHO=author,ROLLBACK "
	  "OF=rollback_of,COMMENT=comment,SHA-256=sha256",
	  NULL },
	{ "flow", "version", "one of them, whole", run_flow_version, SERVER_ADMIN, NULL, "GetFlowVersion",
	  "name version", NULL, NULL, NULL },
	{ "import", "agents", "new agents from a table", run_import, SERVER_ADMIN, NULL, "CreateImport", "file", NULL,
	  NULL, IMPORT_OPTIONS },
	{ "import", "numbers", "new telephone numbers from a table", run_import, SERVER_ADMIN, NULL, "CreateImport",
	  "file", NULL, NULL, IMPORT_OPTIONS },
	{ "import", "list", "newest first", run_table, SERVER_ADMIN, NULL, "ListImports", "", "imports",
	  "IMPORT=name:leaf,KIND=kind:word,FILE=file_name,BEGAN=create_time_ms:time,WHO=author,DRY=validate_only,STATE="
	  "state:word,"
	  "ROWS=rows_read,BAD=rows_bad,WRITTEN=rows_applied,ERROR=error",
	  NULL },
	{ "calls", "list", "newest first", run_table, SERVER_REPORTING, NULL, "ListCalls", "", "calls",
	  "OFFERED=offered_ms:time,CALLER=caller,CALLED=called,QUEUE=queue_id,AGENT=agent_id,WAIT=wait_ms:span,TALK="
	  "talk_ms:span,KEYS=digits,"
	  "RESULT=disposition,CAUSE=cause,RECORDING=recording_id,CALL=call_id",
	  NULL },
	{ "recording", "list", "newest first", run_table, SERVER_RECORDER, NULL, "ListRecordings", "", "recordings",
	  "STARTED=started_ms:time,CALLER=caller,CALLED=called,QUEUE=queue_id,AGENT=agent_id,LENGTH=duration_ms:span,"
	  "SIZE=size_bytes:size,"
	  "STATE=state:word,RECORDING=recording_id",
	  NULL },
	{ "recording", "get", "one of them, whole", run_method, SERVER_RECORDER, NULL, "GetRecording", "recording_id",
	  NULL, NULL, NULL },
	{ "recording", "fetch", "download the audio", run_recording_fetch, SERVER_RECORDER, NULL, "Download",
	  "recording_id", NULL, NULL,
	  "output=FILE  where to, - for standard output (default: the name the recorder proposes); also -o" },
	{ "report", "queue", "queues by quarters of an hour, or --step-minutes 30, 60, 1440", run_table,
	  SERVER_REPORTING, NULL, "QueryQueueIntervals", "", "intervals", "START=start_ms:time," CATALOG_QUEUE_COLUMNS,
	  NULL },
	{ "report", "agent", "agents by quarters of an hour, or --step-minutes 30, 60, 1440", run_table,
	  SERVER_REPORTING, NULL, "QueryAgentIntervals", "", "intervals", "START=start_ms:time," CATALOG_AGENT_COLUMNS,
	  NULL },
	{ "report", "summary", "sums: the tenant, its queues, its agents", run_report_summary, SERVER_REPORTING, NULL,
	  "GetSummary", "", NULL, NULL, NULL },
	{ "events", "watch", "facts of calls, agents and recordings as they happen (leads)", run_events_watch,
	  SERVER_DESK, NULL, "WatchFacts", "", NULL, NULL, NULL },
	{ "audit", "list", "changes, newest first", run_table, SERVER_ADMIN, NULL, "ListAuditEntries", "", "entries",
	  "SEQ=seq,TIME=time_ms:time,WHO=actor,WHAT=action,RESOURCE=resource,FROM=peer",
	  "platform  the platform's instead of a tenant's (operators)" },
	{ "audit", "verify", "recompute the chain: is each entry what was written, and none missing?", run_audit_verify,
	  SERVER_ADMIN, NULL, "VerifyAudit", "", NULL, NULL,
	  "head=HEX  a head that was kept: some entry must still have it|by-service  only ask the service|"
	  "platform  the platform's instead of a tenant's (operators)" },
	{ "role", "permissions", "what there is to be permitted, the methods that ask for it, and the built-in roles",
	  run_permissions, SERVER_ADMIN, NULL, NULL, "", NULL, NULL, NULL },
	{ "token", "create", "a token for somebody else, within one's own rights", run_method, SERVER_ADMIN, NULL,
	  "CreateToken", "", NULL, NULL, NULL },
	{ "token", "list", "newest first; without a tenant those of operators", run_table, SERVER_ADMIN, NULL,
	  "ListTokens", "", "tokens",
	  "TOKEN=name,SUBJECT=subject,ROLES=roles:list,MADE "
	  "BY=author,MADE=create_time_ms:time,EXPIRES=expire_time_ms:time,"
	  "USED=use_time_ms:time,WITHDRAWN=revoke_time_ms:time,BY=revoked_by",
	  NULL },
	{ "token", "get", "one of them, whole, by its name in the list", run_method, SERVER_ADMIN, NULL, "GetToken",
	  "name", NULL, NULL, NULL },
	{ "token", "revoke", "withdrawn: every service refuses it within a second", run_method, SERVER_ADMIN, NULL,
	  "RevokeToken", "name", NULL, NULL, NULL },
	{ "apply", "", "create or change everything that a file describes", run_apply, SERVER_ADMIN, NULL, NULL, "",
	  NULL, NULL, "file=FILE  YAML or JSON, - for standard input|dry-run  only check" },
	{ "login", "", "get a token by an agent's password and keep it", run_login, SERVER_ADMIN, NULL, NULL, "", NULL,
	  NULL,
	  "agent=ID  the agent|password-stdin  read the password from standard input|save=FILE  where to keep the "
	  "token" },
	{ "logout", "", "forget the kept token", run_logout, SERVER_ADMIN, NULL, NULL, "", NULL, NULL, NULL },
	{ "whoami", "", "whose token this is", run_whoami, SERVER_ADMIN, NULL, NULL, "", NULL, NULL, NULL },
	{ "completion", "bash", "print the completion script: eval \"$(trunkline completion bash)\"", run_completion,
	  SERVER_ADMIN, NULL, NULL, "", NULL, NULL, NULL },
	{ "version", "", "version of this tool", run_version, SERVER_ADMIN, NULL, NULL, "", NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, SERVER_ADMIN, NULL, NULL, NULL, NULL, NULL, NULL },
};

const char *const catalog_resource_verbs[] = { "list", "get", "create", "update", "delete", "apply", NULL };

static const struct {
	const char *name, *help;
	catalog_run_fn *run;
	const char *prefix; /* of the method */
} crud[] = {
	{ "list", "all of them", run_list, "List" },
	{ "get", "one of them, whole", run_get, "Get" },
	{ "create", "a new one", run_create, "Create" },
	{ "update", "change what the options name", run_update, "Update" },
	{ "delete", "for ever", run_delete, "Delete" },
	{ "apply", "create or change those that a file describes", run_apply, NULL },
};

const struct catalog_resource *catalog_resource(const char *noun)
{
	for (const struct catalog_resource *r = catalog_resources; r->noun; r++)
		if (strcmp(r->noun, noun) == 0)
			return r;
	return NULL;
}

static const struct catalog_verb *resource_verb(const struct catalog_resource *r, const char *verb)
{
	static char method[64];
	static struct catalog_verb v;
	bool prompt = strcmp(r->noun, "prompt") == 0;

	for (size_t i = 0; i < ARRAY_SIZE(crud); i++) {
		if (strcmp(crud[i].name, verb) != 0)
			continue;
		snprintf(method, sizeof(method), "%s%s%s", crud[i].prefix ? crud[i].prefix : "", r->camel,
			 i == 0 ? "s" : "");
		v = (struct catalog_verb){ .noun = r->noun,
					   .name = crud[i].name,
					   .help = crud[i].help,
					   .run = crud[i].run,
					   .server = SERVER_ADMIN,
					   .service = service_admin(),
					   .method = method,
					   .list = r->plural,
					   .args = i == 0 || i == 5 ? "" : "id",
					   .columns = r->columns };
		if (i == 5)
			v.options = "file=FILE  YAML or JSON, - for standard input|dry-run  only check";
		if (prompt && i == 2) {
			v.run = run_upload_prompt;
			v.options = "file=FILE  WAV, FLAC, Ogg …: becomes 8 kHz mono";
		}
		if (i == 2 || i == 3)
			v.options = v.options
					? v.options
					: "password-stdin  read the password from standard input|dry-run  only check";
		if ((i == 2 || i == 3) && strcmp(r->noun, "flow") == 0)
			v.options = "draft-only  only the draft: calls notice nothing|dry-run  only check";
		if (i == 4)
			v.options = "dry-run  only check";
		if (i == 4 && strcmp(r->noun, "tenant") == 0) {
			v.help = "closed now, gone when its grace is over (--grace 7d, 0); until then: undelete";
			v.run = run_tenant;
			v.args = "name";
		}
		return &v;
	}
	return NULL;
}

static const ProtobufCServiceDescriptor *service_of(const struct catalog_verb *v)
{
	if (!v->method)
		return NULL;
	if (v->server == SERVER_DESK)
		return service_desk();
	if (v->server == SERVER_RECORDER)
		return service_recordings();
	if (v->server == SERVER_REPORTING)
		return service_reports();
	return strcmp(v->method, "CreateToken") == 0 ? service_auth() : service_admin();
}

const struct catalog_verb *catalog_find(const char *noun, const char *verb)
{
	const struct catalog_resource *r = catalog_resource(noun);
	static struct catalog_verb found;

	for (const struct catalog_verb *v = catalog_verbs; v->noun; v++)
		if (strcmp(v->noun, noun) == 0 && (!*v->name || strcmp(v->name, verb) == 0)) {
			found = *v;
			if (!found.service)
				found.service = service_of(v);
			return &found;
		}
	return r ? resource_verb(r, verb) : NULL;
}

bool catalog_is_noun(const char *noun)
{
	for (const struct catalog_noun *n = catalog_nouns; n->name; n++)
		if (strcmp(n->name, noun) == 0)
			return true;
	return false;
}

const ProtobufCMessageDescriptor *catalog_message_of(const struct catalog_resource *r)
{
	char method[64];

	snprintf(method, sizeof(method), "Get%s", r->camel);
	return protobuf_c_service_descriptor_get_method_by_name(service_admin(), method)->output;
}

const ProtobufCMessageDescriptor *catalog_flags_of(const struct catalog_verb *v)
{
	const struct catalog_resource *r = catalog_resource(v->noun);
	const ProtobufCMethodDescriptor *md;

	if (v->run == run_create || v->run == run_update || v->run == run_upload_prompt)
		return catalog_message_of(r);
	if (!v->service || !v->method || v->run == run_apply || v->run == run_import)
		return NULL;
	md = protobuf_c_service_descriptor_get_method_by_name(v->service, v->method);
	return md ? md->input : NULL;
}
