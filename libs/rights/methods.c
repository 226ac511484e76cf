/* Every method of every service and the one permission that it needs. */
#include "rights.h"

#include <string.h>
#include "base/err.h"

struct row {
	const char *method;
	enum right needs;
};

#define ADMIN "/trunkline.admin.v1.AdminService/"
#define READ_AND_CHANGE(one, many, RIGHTS)                                                        \
	{ ADMIN "Get" one, RIGHT_##RIGHTS##_READ }, { ADMIN "List" many, RIGHT_##RIGHTS##_READ }, \
	    { ADMIN "Update" one, RIGHT_##RIGHTS##_WRITE },                                       \
	{                                                                                         \
		ADMIN "Delete" one, RIGHT_##RIGHTS##_WRITE                                        \
	}
#define OF_OPERATORS(one, many)                                                                          \
	{ ADMIN "Create" one, RIGHT_OPERATORS_MANAGE }, { ADMIN "Get" one, RIGHT_OPERATORS_READ },       \
	    { ADMIN "List" many, RIGHT_OPERATORS_READ }, { ADMIN "Update" one, RIGHT_OPERATORS_MANAGE }, \
	{                                                                                                \
		ADMIN "Delete" one, RIGHT_OPERATORS_MANAGE                                               \
	}
#define RESOURCE(one, many, RIGHTS) { ADMIN "Create" one, RIGHT_##RIGHTS##_WRITE }, READ_AND_CHANGE(one, many, RIGHTS)

static const struct row admin[] = {
	{ ADMIN "CreateTenant", RIGHT_TENANTS_CREATE },
	{ ADMIN "GetTenant", RIGHT_TENANT_READ },
	{ ADMIN "ListTenants", RIGHT_TENANTS_LIST },
	{ ADMIN "UpdateTenant", RIGHT_TENANT_WRITE },
	{ ADMIN "DeleteTenant", RIGHT_TENANTS_DELETE },
	{ ADMIN "UndeleteTenant", RIGHT_TENANTS_DELETE },
	{ ADMIN "GetTenantDeletion", RIGHT_TENANTS_LIST },
	RESOURCE("Pool", "Pools", POOLS),
	OF_OPERATORS("Operator", "Operators"),
	OF_OPERATORS("OperatorRole", "OperatorRoles"),
	{ ADMIN "RotateTenantKey", RIGHT_KEYS_ROTATE },
	{ ADMIN "GetKeyRotation", RIGHT_TENANT_READ },
	RESOURCE("Number", "Numbers", NUMBERS),
	RESOURCE("Trunk", "Trunks", TRUNKS),
	RESOURCE("Calendar", "Calendars", CALENDARS),
	RESOURCE("Skill", "Skills", SKILLS),
	RESOURCE("Queue", "Queues", QUEUES),
	RESOURCE("Flow", "Flows", FLOWS),
	{ ADMIN "PublishFlow", RIGHT_FLOWS_WRITE },
	{ ADMIN "RollbackFlow", RIGHT_FLOWS_WRITE },
	{ ADMIN "ListFlowVersions", RIGHT_FLOWS_READ },
	{ ADMIN "GetFlowVersion", RIGHT_FLOWS_READ },
	RESOURCE("Agent", "Agents", AGENTS),
	{ ADMIN "CreateImport", RIGHT_AGENTS_WRITE }, /* of numbers: numbers.write as well */
	{ ADMIN "GetImport", RIGHT_AGENTS_READ },
	{ ADMIN "ListImports", RIGHT_AGENTS_READ },
	{ ADMIN "CancelImport", RIGHT_AGENTS_WRITE },
	RESOURCE("Role", "Roles", ROLES),
	{ ADMIN "UploadPrompt", RIGHT_PROMPTS_WRITE },
	READ_AND_CHANGE("Prompt", "Prompts", PROMPTS),
	{ ADMIN "GetToken", RIGHT_TOKENS_READ },
	{ ADMIN "ListTokens", RIGHT_TOKENS_READ },
	{ ADMIN "RevokeToken", RIGHT_TOKENS_REVOKE }, /* an operator's: operators.manage as well */
	{ ADMIN "ListAuditEntries", RIGHT_AUDIT_READ },
	{ ADMIN "VerifyAudit", RIGHT_AUDIT_READ },
	{ NULL, RIGHT_NONE },
};

#define AUTH "/trunkline.admin.v1.AuthService/"
static const struct row auth[] = {
	{ AUTH "Login", RIGHT_PUBLIC },
	{ AUTH "CreateToken", RIGHT_TOKENS_CREATE },
	{ NULL, RIGHT_NONE },
};

#define DESK "/trunkline.desk.v1.AgentService/"
static const struct row desk[] = {
	{ DESK "SignIn", RIGHT_DESK_WORK },	     { DESK "SignOut", RIGHT_DESK_WORK },
	{ DESK "SetReady", RIGHT_DESK_WORK },	     { DESK "SetBusy", RIGHT_DESK_WORK },
	{ DESK "FinishWrapUp", RIGHT_DESK_WORK },    { DESK "GetState", RIGHT_DESK_WORK },
	{ DESK "StreamEvents", RIGHT_DESK_WORK },    { DESK "ListAgents", RIGHT_DESK_SUPERVISE },
	{ DESK "WatchFacts", RIGHT_DESK_SUPERVISE }, { NULL, RIGHT_NONE },
};

#define RECORDING "/trunkline.recording.v1.RecordingService/"
static const struct row recording[] = {
	{ RECORDING "ListRecordings", RIGHT_RECORDINGS_LISTEN },
	{ RECORDING "GetRecording", RIGHT_RECORDINGS_LISTEN },
	{ RECORDING "Download", RIGHT_RECORDINGS_LISTEN },
	{ NULL, RIGHT_NONE },
};

#define REPORT "/trunkline.report.v1.ReportService/"
static const struct row report[] = {
	{ REPORT "QueryQueueIntervals", RIGHT_REPORTS_READ },
	{ REPORT "QueryAgentIntervals", RIGHT_REPORTS_READ },
	{ REPORT "GetSummary", RIGHT_REPORTS_READ },
	{ REPORT "ListCalls", RIGHT_REPORTS_READ },
	{ NULL, RIGHT_NONE },
};

static const struct row *const services[] = { admin, auth, desk, recording, report };

enum right rights_of_method(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		for (const struct row *r = services[i]; r->method; r++) {
			if (strcmp(r->method, method) == 0)
				return r->needs;
		}
	}
	return RIGHT_NONE;
}

const char *rights_method_at(size_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		for (const struct row *r = services[i]; r->method; r++) {
			if (!index--)
				return r->method;
		}
	}
	return NULL;
}
