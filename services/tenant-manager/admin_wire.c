#include "request.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "deletion.h"
#include "pbr.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/admin.pb-c.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000
#define PATHS_MAX    64
#define TIME_MS_MAX  (INT64_C(1) << 50) /* microseconds of it are still an int64 */

static err_t take_tenant(struct request *rq, const char *id, const char *field, struct err_detail *detail)
{
	err_t e = check_id(id, field, detail);

	if (!e)
		(void)str_copy(rq->tenant, sizeof(rq->tenant), id);
	return e;
}

/* The id of a resource to be created stands beside it, or in it; if in both, it must be the same. */
static err_t take_new_id(struct request *rq, const struct kind *kind, const ProtobufCMessage *pb,
			 struct err_detail *detail)
{
	const char *id = pbr_string(pb, kind ? kind->id_field : "tenant_id");
	const char *own = kind ? pbr_string(rq->resource, kind->own_id) : "";
	const char *field = kind ? kind->id_field : "tenant_id";

	if (str_empty(id))
		id = own;
	if (!str_empty(own) && strcmp(id, own) != 0)
		return err_set(detail, ERR_INVALID, field, "'%.70s', but the resource says '%.70s'", id, own);
	if (!kind)
		return take_tenant(rq, id, field, detail);
	err_t e = kind_check_id(kind, id, field, detail);
	if (!e)
		(void)str_copy(rq->id, sizeof(rq->id), id);
	return e;
}

/* The id of something that operators have of their own, "tokens/0a"; NULL: it is no such name. */
static const char *operators_own(const struct kind *kind, const char *text)
{
	size_t n;

	if (!kind || !kind->of_operators)
		return NULL;
	n = strlen(kind->plural);
	return strncmp(text, kind->plural, n) == 0 && text[n] == '/' ? text + n + 1 : NULL;
}

static err_t take_name(struct request *rq, const struct kind *kind, const char *text, const char *field,
		       struct err_detail *detail)
{
	const char *own = operators_own(kind, text);
	struct name name = { 0 };
	err_t e;

	if (!own && kind && kind->operators_only)
		return err_set(detail, ERR_INVALID, field, "'%.100s' is not %s/{%s}", text, kind->plural, kind->name);
	if (own) {
		e = kind_check_id(kind, own, field, detail);
		if (!e)
			(void)str_copy(name.id, sizeof(name.id), own);
	} else {
		e = name_parse(&name, text, kind, field, detail);
	}
	if (e)
		return e;
	(void)str_copy(rq->tenant, sizeof(rq->tenant), name.tenant);
	(void)str_copy(rq->id, sizeof(rq->id), name.id);
	return ERR_OK;
}

/* "tenants/acme/flows/main/versions/7" */
static err_t take_version_name(struct request *rq, const struct kind *kind, const char *text, struct err_detail *detail)
{
	const char *versions = strstr(text, "/versions/");
	char name[NAME_MAX_TEXT];
	int64_t version = 0;

	if (!versions || (size_t)(versions - text) >= sizeof(name) ||
	    str_to_i64(versions + strlen("/versions/"), 1, INT64_MAX, &version))
		return err_set(detail, ERR_INVALID, "name",
			       "'%.100s' is not tenants/{tenant}/%s/{%s}/versions/{number}", text, kind->plural,
			       kind->name);
	snprintf(name, sizeof(name), "%.*s", (int)(versions - text), text);
	rq->version = (uint64_t)version;
	return take_name(rq, kind, name, "name", detail);
}

static err_t take_resource(struct request *rq, const struct kind *kind, const ProtobufCMessage *pb,
			   struct err_detail *detail)
{
	rq->resource_field = kind ? kind->name : "tenant";
	rq->resource = pbr_message(pb, rq->resource_field);
	if (!rq->resource)
		return err_set(detail, ERR_INVALID, rq->resource_field, "missing");
	return ERR_OK;
}

static err_t take_mask(struct request *rq, const ProtobufCMessage *pb, struct err_detail *detail)
{
	const Google__Protobuf__FieldMask *mask = (const Google__Protobuf__FieldMask *)pbr_message(pb, "update_mask");

	if (!mask)
		return ERR_OK;
	if (mask->n_paths > PATHS_MAX)
		return err_set(detail, ERR_INVALID, "update_mask", "%zu paths; at most %d", mask->n_paths, PATHS_MAX);
	rq->n_paths = mask->n_paths;
	rq->paths = mask->paths;
	return ERR_OK;
}

static err_t take_page(struct request *rq, const ProtobufCMessage *pb, struct err_detail *detail)
{
	int32_t size = pbr_int32(pb, "page_size");

	if (size < 0)
		return err_set(detail, ERR_INVALID, "page_size", "%d is negative", size);
	rq->page_size = !size ? PAGE_DEFAULT : size > PAGE_MAX ? PAGE_MAX : size;
	rq->page_token = pbr_string(pb, "page_token");
	if (strlen(rq->page_token) > 64)
		return err_set(detail, ERR_INVALID, "page_token", "not a next_page_token");
	rq->filter = pbr_string(pb, "filter");
	rq->show_deleted = pbr_bool(pb, "show_deleted");
	return ERR_OK;
}

static err_t take_time(int64_t *ret, const ProtobufCMessage *pb, const char *field, struct err_detail *detail)
{
	*ret = pbr_int64(pb, field);
	if (*ret < 0 || *ret > TIME_MS_MAX)
		return err_set(detail, ERR_INVALID, field,
			       "%lld is no time; milliseconds since 1970 are wanted, below 2^50, or 0 for no limit",
			       (long long)*ret);
	return ERR_OK;
}

/* What other lists do not have is empty. */
static err_t take_audit_filter(struct audit_filter *f, const ProtobufCMessage *pb, struct err_detail *detail)
{
	*f = (struct audit_filter){ .actor = pbr_string(pb, "actor"),
				    .action = pbr_string(pb, "action"),
				    .resource_prefix = pbr_string(pb, "resource_prefix"),
				    .oldest_first = pbr_bool(pb, "oldest_first") };
	err_t e = take_time(&f->from_ms, pb, "from_ms", detail);
	if (!e)
		e = take_time(&f->to_ms, pb, "to_ms", detail);
	if (!e && f->to_ms && f->to_ms <= f->from_ms)
		e = err_set(detail, ERR_INVALID, "to_ms", "must be after from_ms (%lld), or 0", (long long)f->from_ms);
	return e;
}

static err_t take_request_id(struct request *rq, const ProtobufCMessage *pb, struct err_detail *detail)
{
	rq->request_id = pbr_string(pb, "request_id");
	size_t n = strlen(rq->request_id);
	if (n && (n > 36 || strspn(rq->request_id, "0123456789abcdefABCDEF-") != n))
		return err_set(detail, ERR_INVALID, "request_id", "not a UUID");
	return ERR_OK;
}

static err_t take_grace(struct request *rq, const ProtobufCMessage *pb, struct err_detail *detail)
{
	const Trunkline__Admin__V1__DeleteTenantRequest *d = (const Trunkline__Admin__V1__DeleteTenantRequest *)pb;
	bool given = d->grace_case == TRUNKLINE__ADMIN__V1__DELETE_TENANT_REQUEST__GRACE_GRACE_MS;

	rq->grace_ms = given ? d->grace_ms : DELETION_GRACE_UNSET;
	if (given && d->grace_ms < 0)
		return err_set(detail, ERR_INVALID, "grace_ms", "%lld is negative; 0: no grace",
			       (long long)d->grace_ms);
	return deletion_check_grace(rq->grace_ms, detail);
}

err_t request_from_pb(struct request *rq, const struct method *m, const ProtobufCMessage *pb, struct err_detail *detail)
{
	err_t e = ERR_OK;

	*rq = (struct request){ .validate_only = pbr_bool(pb, "validate_only"), .etag = pbr_string(pb, "etag") };
	e = take_request_id(rq, pb, detail);
	rq->draft_only = pbr_bool(pb, "draft_only");
	if (!e && (m->verb == VERB_CREATE || m->verb == VERB_UPDATE))
		e = take_resource(rq, m->kind, pb, detail);
	if (e)
		return e;
	switch (m->verb) {
	case VERB_CREATE:
		if (m->kind && !m->kind->operators_only)
			e = take_name(rq, NULL, pbr_string(pb, "parent"), "parent", detail);
		return e ? e : take_new_id(rq, m->kind, pb, detail);
	case VERB_UPDATE:
		rq->etag = pbr_string(rq->resource, "etag");
		e = take_name(rq, m->kind, pbr_string(rq->resource, "name"), m->kind ? m->kind->name : "tenant",
			      detail);
		if (e == ERR_INVALID && detail)
			(void)str_copy(detail->field + strlen(detail->field),
				       sizeof(detail->field) - strlen(detail->field), ".name");
		return e ? e : take_mask(rq, pb, detail);
	case VERB_LIST:
		e = take_page(rq, pb, detail);
		if (!e)
			e = take_audit_filter(&rq->audit, pb, detail);
		if (!e && m->kind && !(m->kind->of_operators && str_empty(pbr_string(pb, "parent"))))
			e = take_name(rq, NULL, pbr_string(pb, "parent"), "parent", detail);
		return e;
	case VERB_DELETE:
		e = m->kind ? ERR_OK : take_grace(rq, pb, detail);
		return e ? e : take_name(rq, m->kind, pbr_string(pb, "name"), "name", detail);
	case VERB_VERIFY:
		if (m->kind->of_operators && str_empty(pbr_string(pb, "parent")))
			return ERR_OK;
		return take_name(rq, NULL, pbr_string(pb, "parent"), "parent", detail);
	case VERB_VERSIONS:
		e = take_page(rq, pb, detail);
		return e ? e : take_name(rq, m->kind, pbr_string(pb, "parent"), "parent", detail);
	case VERB_VERSION:
		return take_version_name(rq, m->kind, pbr_string(pb, "name"), detail);
	case VERB_PUBLISH:
		rq->version = pbr_u64(pb, "version");
		rq->comment = pbr_string(pb, "comment");
		e = check_display_name(rq->comment, "comment", detail);
		return e ? e : take_name(rq, m->kind, pbr_string(pb, "name"), "name", detail);
	default:
		return take_name(rq, m->kind, pbr_string(pb, "name"), "name", detail);
	}
}

err_t request_fingerprint(const ProtobufCMessage *pb, char hex[65])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	size_t size;
	struct arena a;

	arena_init(&a, 0);
	ProtobufCMessage *copy = pbr_shallow(&a, pb);
	for (unsigned i = 0; copy && i < pb->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &pb->descriptor->fields[i];
		ProtobufCMessage **sub = (ProtobufCMessage **)(void *)((char *)copy + f->offset);

		if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED || !*sub)
			continue;
		*sub = pbr_shallow(&a, *sub);
		if (!*sub)
			copy = NULL;
		else
			pbr_set_string(*sub, "password", "");
	}
	void *bytes = copy ? pbr_pack(&a, copy, &size) : NULL;
	bool ok = bytes && EVP_Digest(bytes, size, md, &n, EVP_sha256(), NULL);
	arena_done(&a);
	for (unsigned i = 0; ok && i < n; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", md[i]);
	return ok ? ERR_OK : ERR_EXHAUSTED;
}
