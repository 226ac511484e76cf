#ifndef TENANTCONF_CHECK_INTERNAL_H
#define TENANTCONF_CHECK_INTERNAL_H

#include "tenantconf/check.h"
#include "tenantconf/tenant.h"
#include "trunkline/config/v1/config.pb-c.h"

/* id and display_name. */
err_t check_named(const char *id, const char *display_name, struct err_detail *d) MUST;
err_t check_flow(const Trunkline__Config__V1__Flow *f, struct err_detail *d) MUST;
/* Loops of steps that take no time (check_loop.c); the steps' references have been checked. */
err_t check_flow_loops(const Trunkline__Config__V1__Flow *f, struct err_detail *d) MUST;
err_t check_trunk(const Trunkline__Config__V1__Trunk *t, struct err_detail *d) MUST;
err_t check_role(const Trunkline__Config__V1__Role *r, struct err_detail *d) MUST;
err_t check_agent_roles(const Trunkline__Config__V1__Agent *a, struct err_detail *d) MUST;
/* "10.0.0.0/8", "2001:db8::1"; false: neither. */
bool check_parse_prefix(const char *text, struct tenant_prefix *ret);
/* ${name} well-formed; the text itself ≤ FLOW_VALUE_MAX - 1. */
bool check_template(const char *text);
/* Exits of a step, in a fixed order; *ret_n of them, "" where none is given. cases of a branch are not among them. */
#define CHECK_EXITS_MAX 4
struct check_exit {
	const char *field, *step_id;
};
size_t check_step_exits(const Trunkline__Config__V1__FlowStep *s, struct check_exit exits[CHECK_EXITS_MAX]);

#endif
