/*
 * check: the rules of config.proto for one resource (Number, Trunk, Calendar, Skill, Queue, Prompt, Flow, Agent, Role;
 * and Quotas), and the references it makes. Pure, any thread. This is the one header of the library that shows protobuf types: for
 * tenant-manager, which receives resources one by one, and for this library's own reader.
 *
 *	err_t e = check_resource(&queue->base, &detail);         // detail.field: "skills[0].level"
 *	check_refs(&queue->base, one_reference, self);
 */
#ifndef TENANTCONF_CHECK_H
#define TENANTCONF_CHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include "base/err.h"

/* Values and, of a flow, the references between its steps. Not: whether other resources exist. */
err_t check_resource(const ProtobufCMessage *resource, struct err_detail *detail) MUST;

enum check_kind { CHECK_CALENDAR, CHECK_FLOW, CHECK_QUEUE, CHECK_AGENT, CHECK_PROMPT, CHECK_SKILL, CHECK_ROLE };
/* Calls fn for each reference to another resource of the tenant (built-in roles are none), with the path of the field, until fn fails. */
typedef err_t check_ref_fn(enum check_kind kind, const char *id, const char *path, void *arg);
err_t check_refs(const ProtobufCMessage *resource, check_ref_fn *fn, void *arg) MUST;
/* "queue" … */
const char *check_kind_name(enum check_kind kind);

/* Single values, with field as the path to be told. */
err_t check_id(const char *id, const char *field, struct err_detail *detail) MUST;
err_t check_display_name(const char *text, const char *field, struct err_detail *detail) MUST;
err_t check_time_zone(const char *name, const char *field, struct err_detail *detail) MUST;
/* Host name in lower case, letters, digits, '-' and '.', as a SIP domain. */
err_t check_domain(const char *domain, const char *field, struct err_detail *detail) MUST;
/* A BCP 47 tag of a language that texts are there in (text/text.h), or "". For who writes it: a reader takes any, and shows English. */
err_t check_language(const char *tag, const char *field, struct err_detail *detail) MUST;
err_t check_number(const char *number, const char *field, struct err_detail *detail) MUST;
/* The same of a Role that operators have: any permission. */
err_t check_operators_role(const ProtobufCMessage *role, struct err_detail *detail) MUST;
/* Of an operator (platform), or an agent: ids of roles, each once, at most 16; of built-in ones those of his side; told as "roles[0]". */
err_t check_roles(char *const *roles, size_t n, bool platform, struct err_detail *detail) MUST;
/* printf of a path into the detail, so that `return check_bad(d, "…", path…)` reads well. */
err_t check_bad(struct err_detail *detail, const char *message, const char *path_fmt, ...) PRINTF(3, 4);
/* Puts a prefix before detail->field. */
void check_prefix(struct err_detail *detail, const char *fmt, ...) PRINTF(2, 3);

#endif
