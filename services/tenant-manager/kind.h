/*
 * kind: the table of resource kinds: everything in which they differ but their own rules (tenantconf/check.h).
 */
#ifndef TM_KIND_H
#define TM_KIND_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include "base/err.h"

#define NAME_MAX_TEXT	   160
#define KIND_NOT_PUBLISHED (-1)

struct kind {
	const char *name;   /* "queue": in tables, field of requests */
	const char *plural; /* "queues": in resource names, field of list responses */
	const char *title;  /* "Queue", "Queues": in method names */
	const char *titles;
	const char *id_field; /* "queue_id" of CreateQueueRequest */
	const char *own_id;   /* field of the resource that holds the id */
	const ProtobufCMessageDescriptor *desc;
	int config_field;    /* of TenantConfig; 0: published on its own; KIND_NOT_PUBLISHED */
	bool of_operators;   /* they have some of their own: without a tenant, "tokens/0a" */
	bool operators_only; /* and nobody else has any: "pools/gold" */
};
extern const struct kind kinds[];
extern const size_t n_kinds;

/* NULL: no such kind. */
const struct kind *kind_find(const char *name);
const struct kind *kind_find_plural(const char *plural);

/* A resource name in its parts; kind NULL: the tenant itself. */
struct name {
	char tenant[64];
	const struct kind *kind;
	char id[64];
};
/* "tenants/acme" or "tenants/acme/queues/sales"; want: the kind it must be, NULL: a tenant. field is told in errors. */
err_t name_parse(struct name *ret, const char *text, const struct kind *want, const char *field,
		 struct err_detail *detail) MUST;
/* Of what operators have of their own tenant is "": "pools/gold". */
const char *name_text(const char *tenant, const struct kind *kind, const char *id, char buf[NAME_MAX_TEXT]);
/* An id as this kind has them (a number is its own). */
err_t kind_check_id(const struct kind *kind, const char *id, const char *field, struct err_detail *detail) MUST;
/* What everybody is told of a resource that is not there, whoever asks. */
err_t kind_not_found(const struct kind *kind, struct err_detail *detail);

#endif
