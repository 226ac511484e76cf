/* The rules of a role, and of those that an agent has (GT-3). */
#include "check_internal.h"

#include <string.h>
#include "rights/rights.h"

#define ROLES_MAX 16 /* of an agent, or an operator */

static bool there_twice(char *const *list, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(list[i], list[j]) == 0)
			return true;
	}
	return false;
}

static err_t check_permission(char *const *permissions, size_t i, bool platform, struct err_detail *d)
{
	enum right right = rights_find(permissions[i]);

	if (right == RIGHT_NONE)
		return err_set(d, ERR_INVALID, "", "'%.60s' is no permission, as queues.read is", permissions[i]);
	if (!platform && rights_bit(right) & RIGHTS_PLATFORM)
		return err_set(d, ERR_INVALID, "", "'%s' is for operators", permissions[i]);
	if (there_twice(permissions, i))
		return err_set(d, ERR_INVALID, "", "'%s' is there twice", permissions[i]);
	return ERR_OK;
}

static err_t check_any_role(const Trunkline__Config__V1__Role *r, bool platform, struct err_detail *d)
{
	err_t e = check_named(r->id, r->display_name, d);

	if (!e && rights_role_find(r->id))
		e = err_set(d, ERR_INVALID, "id", "'%s' is a built-in role; take another id", r->id);
	for (size_t i = 0; !e && i < r->n_permissions; i++) {
		e = check_permission(r->permissions, i, platform, d);
		if (e)
			check_prefix(d, "permissions[%zu]", i);
	}
	return e;
}

err_t check_role(const Trunkline__Config__V1__Role *r, struct err_detail *d)
{
	return check_any_role(r, false, d);
}

err_t check_operators_role(const ProtobufCMessage *role, struct err_detail *d)
{
	return check_any_role((const Trunkline__Config__V1__Role *)role, true, d);
}

static err_t check_role_id(char *const *roles, size_t i, bool platform, struct err_detail *d)
{
	const struct rights_role *built_in = rights_role_find(roles[i]);

	if (built_in && built_in->platform && !platform)
		return err_set(d, ERR_INVALID, "", "'%s' is a role of operators", roles[i]);
	if (built_in && !built_in->platform && platform)
		return err_set(d, ERR_INVALID, "", "'%s' is a role within tenants", roles[i]);
	if (there_twice(roles, i))
		return err_set(d, ERR_INVALID, "", "'%.63s' is there twice", roles[i]);
	return check_id(roles[i], "", d);
}

err_t check_roles(char *const *roles, size_t n, bool platform, struct err_detail *d)
{
	err_t e = ERR_OK;

	if (n > ROLES_MAX)
		return err_set(d, ERR_INVALID, "roles", "%zu of them; at most %d", n, ROLES_MAX);
	for (size_t i = 0; !e && i < n; i++) {
		e = check_role_id(roles, i, platform, d);
		if (e)
			check_prefix(d, "roles[%zu]", i);
	}
	return e;
}

err_t check_agent_roles(const Trunkline__Config__V1__Agent *a, struct err_detail *d)
{
	return check_roles(a->roles, a->n_roles, false, d);
}
