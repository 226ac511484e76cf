/*
 * rights: what there is to be permitted, which method needs which of it, and the built-in roles (GT-3). Pure, any thread.
 *
 * Everything is a row of a table: a permission, a method of a gRPC service, a built-in role. A method without a row is denied
 * (libs/auth); rights_test.c walks the methods of every service in proto/. docs/permissions.md is made from the tables.
 *
 *	enum right needs = rights_of_method("/trunkline.admin.v1.AdminService/CreateQueue"); // RIGHT_QUEUES_WRITE
 *	if (!(have & rights_bit(needs)))
 *		… rights_name(needs) …                                                       // "queues.write"
 */
#ifndef RIGHTS_RIGHTS_H
#define RIGHTS_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers stand in tokens (claim "rights", bit n): they are never changed and never used again. At most 63. */
enum right {
	RIGHT_NONE = 0, /* no permission: nobody has it */

	/* within a tenant */
	RIGHT_TENANT_READ = 1,
	RIGHT_TENANT_WRITE = 2,
	RIGHT_NUMBERS_READ = 3,
	RIGHT_NUMBERS_WRITE = 4,
	RIGHT_TRUNKS_READ = 5,
	RIGHT_TRUNKS_WRITE = 6,
	RIGHT_CALENDARS_READ = 7,
	RIGHT_CALENDARS_WRITE = 8,
	RIGHT_SKILLS_READ = 9,
	RIGHT_SKILLS_WRITE = 10,
	RIGHT_QUEUES_READ = 11,
	RIGHT_QUEUES_WRITE = 12,
	RIGHT_FLOWS_READ = 13,
	RIGHT_FLOWS_WRITE = 14,
	RIGHT_PROMPTS_READ = 15,
	RIGHT_PROMPTS_WRITE = 16,
	RIGHT_AGENTS_READ = 17,
	RIGHT_AGENTS_WRITE = 18,
	RIGHT_ROLES_READ = 19,
	RIGHT_ROLES_WRITE = 20,
	RIGHT_TOKENS_CREATE = 21,
	RIGHT_AUDIT_READ = 22,
	RIGHT_REPORTS_READ = 23,
	RIGHT_RECORDINGS_LISTEN = 24, /* an agent: to its own */
	RIGHT_RECORDINGS_ALL = 25,    /* to everybody's; no method's own */
	RIGHT_DESK_WORK = 26,	      /* as an agent, for itself */
	RIGHT_DESK_SUPERVISE = 27,
	RIGHT_TOKENS_READ = 28,
	RIGHT_TOKENS_REVOKE = 29,
	RIGHT_CALLS_SENSITIVE = 30, /* no method's own: of what it shows */
	RIGHT_KEYS_ROTATE = 31,

	/* of the platform: operators only */
	RIGHT_TENANTS_LIST = 40,
	RIGHT_TENANTS_CREATE = 41,
	RIGHT_TENANTS_DELETE = 42,
	RIGHT_TENANTS_QUOTAS = 43,   /* a field of UpdateTenant */
	RIGHT_TENANTS_SUSPEND = 44,  /* likewise */
	RIGHT_TENANTS_DELEGATE = 45, /* gives within tenants what one does not have oneself */
	RIGHT_OPERATORS_MANAGE = 46, /* with the rights of tokens: those of operators */
	RIGHT_POOLS_READ = 47,
	RIGHT_POOLS_WRITE = 48,
	RIGHT_TENANTS_PLACE = 49, /* a field of UpdateTenant */
	RIGHT_OPERATORS_READ = 50,

	RIGHTS_END,
	RIGHT_PUBLIC = 63, /* of a method: needs no token */
};

/* A set of permissions: bit n is right n. */
static inline uint64_t rights_bit(enum right right)
{
	return UINT64_C(1) << right;
}
#define RIGHTS_PLATFORM (~(rights_bit(RIGHT_TENANTS_LIST) - 1))
#define RIGHTS_TENANT	(rights_bit(RIGHT_TENANTS_LIST) - 2)

/* NULL: there is no such permission (numbers have gaps). */
const char *rights_name(enum right right);
/* What it allows, one sentence for people. */
const char *rights_meaning(enum right right);
/* RIGHT_NONE: there is none of this name. */
enum right rights_find(const char *name);
/* The first of a set; RIGHT_NONE: it is empty. */
enum right rights_first(uint64_t set);
uint64_t rights_all(void);

/* method as gRPC has it. RIGHT_NONE: no table has it, and it is denied. */
enum right rights_of_method(const char *method);
/* The rows in their order, for lists; NULL: no more. */
const char *rights_method_at(size_t index);

struct rights_role {
	const char *id, *meaning;
	bool platform; /* of operators: of tokens without a tenant */
	uint64_t rights;
};
/* A built-in role; NULL: there is none of this id. */
const struct rights_role *rights_role_find(const char *id);
const struct rights_role *rights_role_at(size_t index);

#endif
