/* role permissions: the tables of libs/rights as a page (docs/permissions.md). */
#include "catalog.h"

#include <stdio.h>
#include <string.h>
#include "rights/rights.h"

static const char intro[] =
    "# Permissions\n"
    "\n"
    "Every method of every service needs exactly one permission of the token (`authorization: Bearer …`).\n"
    "Without it the answer is PERMISSION_DENIED, and the message names the permission; a method that is in\n"
    "no table is denied to everybody. A token has the permissions of its scopes, which are the built-in\n"
    "roles `operator`, `tenant-admin`, `supervisor` and `agent`; of the roles that were named when it was\n"
    "made (`CreateToken`), or that the agent has (`Agent.roles`, at `Login`); and those that were named one\n"
    "by one. A role of a tenant's own making (`AdminService.CreateRole`, `trunkline role create`) has\n"
    "permissions of the first table; one that operators make for themselves (`CreateOperatorRole`,\n"
    "`trunkline operator-role create`) of both. Nobody gives a permission that he does not have himself.\n"
    "\n"
    "A token is made once and holds what it was made with: a permission that is taken away is had until\n"
    "the token ends, a day at most, or is withdrawn; the tokens of an operator (`CreateToken.operator_id`) are\n"
    "withdrawn with the permission. Made by `tools/config-docs` from the tables of the programs\n"
    "(`trunkline role permissions`).\n";

static void print_methods(enum right right)
{
	const char *method, *service = "";
	bool any = false;

	for (size_t i = 0; (method = rights_method_at(i)); i++) {
		const char *name = strrchr(method, '/') + 1, *from = name;

		if (rights_of_method(method) != right)
			continue;
		while (from[-1] != '.')
			from--;
		if (strncmp(from, service, (size_t)(name - from)) != 0) {
			printf("%s%.*s: ", any ? "; " : "", (int)(name - from - 1), from);
			service = from;
			any = false;
		}
		printf("%s`%s`", any ? ", " : "", name);
		any = true;
	}
}

static void print_roles(enum right right)
{
	const struct rights_role *role;
	bool any = false;

	for (size_t i = 0; (role = rights_role_at(i)); i++) {
		if (!(role->rights & rights_bit(right)))
			continue;
		printf("%s%s", any ? ", " : "", role->id);
		any = true;
	}
}

static void print_table(const char *title, bool platform)
{
	printf("\n## %s\n\n| permission | allows to | methods | built-in roles |\n|---|---|---|---|\n", title);
	for (int i = 1; i < RIGHTS_END; i++) {
		enum right right = (enum right)i;

		if (!rights_name(right) || platform != !!(rights_bit(right) & RIGHTS_PLATFORM))
			continue;
		printf("| `%s` | %s | ", rights_name(right), rights_meaning(right));
		print_methods(right);
		printf(" | ");
		print_roles(right);
		printf(" |\n");
	}
}

err_t run_permissions(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const struct rights_role *role;

	(void)cli;
	(void)v;
	(void)detail;
	fputs(intro, stdout);
	print_table("Within a tenant", false);
	print_table("Of the platform: operators only", true);
	printf("\nNo token is needed for ");
	print_methods(RIGHT_PUBLIC);
	printf(".\n\n## Built-in roles\n\n| role | who |\n|---|---|\n");
	for (size_t i = 0; (role = rights_role_at(i)); i++)
		printf("| `%s` | %s |\n", role->id, role->meaning);
	return ERR_OK;
}
