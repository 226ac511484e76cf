#include "rights.h"

#include <string.h>
#include "base/err.h"

static const struct {
	const char *name, *meaning;
} rows[RIGHTS_END] = {
	[RIGHT_TENANT_READ] = { "tenant.read", "see the tenant itself: names, time zone, quotas" },
	[RIGHT_TENANT_WRITE] = { "tenant.write", "change the tenant's display name and time zone" },
	[RIGHT_NUMBERS_READ] = { "numbers.read", "see numbers" },
	[RIGHT_NUMBERS_WRITE] = { "numbers.write", "create, change, delete numbers" },
	[RIGHT_TRUNKS_READ] = { "trunks.read", "see trunks" },
	[RIGHT_TRUNKS_WRITE] = { "trunks.write", "create, change, delete trunks" },
	[RIGHT_CALENDARS_READ] = { "calendars.read", "see calendars" },
	[RIGHT_CALENDARS_WRITE] = { "calendars.write", "create, change, delete calendars" },
	[RIGHT_SKILLS_READ] = { "skills.read", "see skills" },
	[RIGHT_SKILLS_WRITE] = { "skills.write", "create, change, delete skills" },
	[RIGHT_QUEUES_READ] = { "queues.read", "see queues" },
	[RIGHT_QUEUES_WRITE] = { "queues.write", "create, change, delete queues" },
	[RIGHT_FLOWS_READ] = { "flows.read", "see IVR flows" },
	[RIGHT_FLOWS_WRITE] = { "flows.write", "create, change, delete IVR flows" },
	[RIGHT_PROMPTS_READ] = { "prompts.read", "see prompts" },
	[RIGHT_PROMPTS_WRITE] = { "prompts.write", "upload, change, delete prompts" },
	[RIGHT_AGENTS_READ] = { "agents.read", "see agents" },
	[RIGHT_AGENTS_WRITE] = { "agents.write", "create, change, delete agents; passwords and roles of those who may "
						 "no more than oneself" },
	[RIGHT_ROLES_READ] = { "roles.read", "see roles" },
	[RIGHT_ROLES_WRITE] = { "roles.write", "create, change, delete roles, of permissions that one has oneself" },
	[RIGHT_TOKENS_CREATE] = { "tokens.create", "make tokens, of permissions that one has oneself; of another "
						   "agent: with recordings.all and desk.supervise" },
	[RIGHT_AUDIT_READ] = { "audit.read", "see and verify the audit" },
	[RIGHT_REPORTS_READ] = { "reports.read", "see reports, indicators and lists of calls" },
	[RIGHT_RECORDINGS_LISTEN] = { "recordings.listen", "find and download recordings; of an agent: its own" },
	[RIGHT_RECORDINGS_ALL] = { "recordings.all", "with recordings.listen: everybody's recordings" },
	[RIGHT_DESK_WORK] = { "desk.work", "work as an agent: sign in and out, states, own events" },
	[RIGHT_DESK_SUPERVISE] = { "desk.supervise", "see all agents and facts; with desk.work: act for other agents" },
	[RIGHT_CALLS_SENSITIVE] = { "calls.sensitive",
				    "with reports.read or recordings.listen: see, and look for, what "
				    "the tenant has marked as sensitive" },
	[RIGHT_KEYS_ROTATE] = { "keys.rotate", "make a new version of the key of what is encrypted" },
	[RIGHT_TOKENS_READ] = { "tokens.read", "see which tokens were made, and for whom" },
	[RIGHT_TOKENS_REVOKE] = { "tokens.revoke", "withdraw tokens before they expire" },
	[RIGHT_TENANTS_LIST] = { "tenants.list", "list the tenants of the platform" },
	[RIGHT_TENANTS_CREATE] = { "tenants.create", "create tenants, with their quotas" },
	[RIGHT_TENANTS_DELETE] = { "tenants.delete", "delete tenants with all they have" },
	[RIGHT_TENANTS_QUOTAS] = { "tenants.quotas", "with tenant.write: set a tenant's quotas" },
	[RIGHT_TENANTS_SUSPEND] = { "tenants.suspend", "with tenant.write: suspend and resume a tenant" },
	[RIGHT_TENANTS_DELEGATE] = { "tenants.delegate", "give within tenants every permission, also those that one "
							 "does not have oneself" },
	[RIGHT_OPERATORS_MANAGE] = { "operators.manage",
				     "create, change, delete operators and their roles, of permissions "
				     "that one has oneself; with tokens.create and tokens.revoke: "
				     "operators' own tokens" },
	[RIGHT_OPERATORS_READ] = { "operators.read", "see operators and their roles" },
	[RIGHT_POOLS_READ] = { "pools.read", "see pools of instances" },
	[RIGHT_POOLS_WRITE] = { "pools.write", "create, change, delete pools of instances" },
	[RIGHT_TENANTS_PLACE] = { "tenants.place", "with tenant.write: move a tenant to another pool of instances" },
};

const char *rights_name(enum right right)
{
	return (unsigned)right < RIGHTS_END ? rows[right].name : NULL;
}

const char *rights_meaning(enum right right)
{
	return (unsigned)right < RIGHTS_END ? rows[right].meaning : NULL;
}

enum right rights_find(const char *name)
{
	for (int i = 0; i < RIGHTS_END; i++) {
		if (rows[i].name && strcmp(rows[i].name, name) == 0)
			return (enum right)i;
	}
	return RIGHT_NONE;
}

enum right rights_first(uint64_t set)
{
	for (int i = 1; i < RIGHTS_END; i++) {
		if (rows[i].name && set & rights_bit((enum right)i))
			return (enum right)i;
	}
	return RIGHT_NONE;
}

uint64_t rights_all(void)
{
	uint64_t all = 0;

	for (int i = 1; i < RIGHTS_END; i++)
		all |= rows[i].name ? rights_bit((enum right)i) : 0;
	return all;
}

/* ---- built-in roles ---- */

#define BIT(name) (UINT64_C(1) << RIGHT_##name)
/* What a tenant has, to look at. */
#define READ                                                                                                \
	(BIT(TENANT_READ) | BIT(NUMBERS_READ) | BIT(TRUNKS_READ) | BIT(CALENDARS_READ) | BIT(SKILLS_READ) | \
	 BIT(QUEUES_READ) | BIT(FLOWS_READ) | BIT(PROMPTS_READ) | BIT(AGENTS_READ) | BIT(ROLES_READ) |      \
	 BIT(AUDIT_READ) | BIT(REPORTS_READ) | BIT(TOKENS_READ))
#define WRITE                                                                                                    \
	(BIT(TENANT_WRITE) | BIT(NUMBERS_WRITE) | BIT(TRUNKS_WRITE) | BIT(CALENDARS_WRITE) | BIT(SKILLS_WRITE) | \
	 BIT(QUEUES_WRITE) | BIT(FLOWS_WRITE) | BIT(PROMPTS_WRITE) | BIT(AGENTS_WRITE) | BIT(ROLES_WRITE) |      \
	 BIT(TOKENS_CREATE) | BIT(TOKENS_REVOKE) | BIT(KEYS_ROTATE))
#define WORK	  (BIT(DESK_WORK) | BIT(RECORDINGS_LISTEN))
#define SUPERVISE (WORK | BIT(DESK_SUPERVISE) | BIT(RECORDINGS_ALL))

/* The first four are the scopes of AuthService (auth.h). An operator runs the platform and does not listen to its calls. */
static const struct rights_role roles[] = {
	{ "operator", "runs the platform: all tenants' administration", true,
	  READ | WRITE | BIT(TENANTS_LIST) | BIT(TENANTS_CREATE) | BIT(TENANTS_DELETE) | BIT(TENANTS_QUOTAS) |
	      BIT(TENANTS_SUSPEND) | BIT(TENANTS_DELEGATE) | BIT(OPERATORS_MANAGE) | BIT(POOLS_READ) |
	      BIT(POOLS_WRITE) | BIT(TENANTS_PLACE) | BIT(OPERATORS_READ) },
	{ "tenant-admin", "administers one tenant: everything in it", false,
	  READ | WRITE | SUPERVISE | BIT(CALLS_SENSITIVE) },
	{ "supervisor", "lead: monitors, reads recordings and reports of one tenant", false,
	  SUPERVISE | BIT(REPORTS_READ) },
	{ "agent", "one agent of one tenant, itself only", false, WORK },
	{ "operator-readonly", "an operator who sees all tenants and changes nothing", true,
	  READ | BIT(TENANTS_LIST) | BIT(POOLS_READ) | BIT(OPERATORS_READ) },
	{ "operator-provisioning", "an operator who sets up tenants: creates them, their quotas, numbers and trunks",
	  true,
	  READ | BIT(TENANT_WRITE) | BIT(NUMBERS_WRITE) | BIT(TRUNKS_WRITE) | BIT(TENANTS_LIST) | BIT(TENANTS_CREATE) |
	      BIT(TENANTS_QUOTAS) },
	{ "operator-allocation", "an operator who allots: quotas, suspending, numbers and trunks of all tenants", true,
	  READ | BIT(TENANT_WRITE) | BIT(NUMBERS_WRITE) | BIT(TRUNKS_WRITE) | BIT(TENANTS_LIST) | BIT(TENANTS_QUOTAS) |
	      BIT(TENANTS_SUSPEND) },
};

const struct rights_role *rights_role_at(size_t index)
{
	return index < ARRAY_SIZE(roles) ? &roles[index] : NULL;
}

const struct rights_role *rights_role_find(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		if (strcmp(roles[i].id, id) == 0)
			return &roles[i];
	}
	return NULL;
}
