#include "merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/str.h"
#include "pbr.h"
#include "secret.h"

/* Given by the platform, or fixed at creation. */
static const char *const fixed_fields[] = { "id",     "number",	    "tenant",	   "version",	   "name", "etag",
					    "sha256", "size_bytes", "duration_ms", "live_version", "draft" };
/* Come in, are never answered; an update that does not give them keeps them. */
static const char *const secret_fields[] = { "ha1_md5", "ha1_sha256", "password" };

static bool listed(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], name) == 0)
			return true;
	}
	return false;
}

static bool is_fixed(const ProtobufCMessage *m, const char *name)
{
	/* Of a tenant it is the domain; of an agent or trunk none of these. */
	return listed(fixed_fields, ARRAY_SIZE(fixed_fields), name) &&
	       protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
}

bool merge_masked(const struct request *rq, const ProtobufCFieldDescriptor *f, bool *explicitly)
{
	*explicitly = false;
	for (size_t i = 0; i < rq->n_paths; i++) {
		if (strcmp(rq->paths[i], "*") == 0)
			return true;
		if (strcmp(rq->paths[i], f->name) == 0) {
			*explicitly = true;
			return true;
		}
	}
	return !rq->n_paths && pbr_field_set(rq->resource, f);
}

err_t merge_check_mask(const struct request *rq, struct err_detail *detail)
{
	for (size_t i = 0; i < rq->n_paths; i++) {
		const char *p = rq->paths[i];

		if (strcmp(p, "*") == 0)
			continue;
		if (!protobuf_c_message_descriptor_get_field_by_name(rq->resource->descriptor, p))
			return err_set(detail, ERR_INVALID, "update_mask",
				       "'%.60s' is no field of %s (nested ones go as a whole)", p,
				       rq->resource->descriptor->short_name);
		if (is_fixed(rq->resource, p))
			return err_set(detail, ERR_INVALID, "update_mask", "'%.60s' cannot be changed", p);
	}
	return ERR_OK;
}

static void apply_mask(ProtobufCMessage *to, const struct request *rq)
{
	const ProtobufCMessageDescriptor *desc = to->descriptor;
	bool explicitly;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &desc->fields[i];

		if (is_fixed(to, f->name) || !merge_masked(rq, f, &explicitly))
			continue;
		if (listed(secret_fields, ARRAY_SIZE(secret_fields), f->name) && !explicitly &&
		    !pbr_field_set(rq->resource, f))
			continue;
		pbr_copy_field(to, rq->resource, f);
	}
}

/* A hash is of a user name: when that changes, the old one is of no use. */
static err_t check_rename(struct job *j, const ProtobufCMessage *current, ProtobufCMessage *m)
{
	const char *user = pbr_string(m, "username");

	if (!protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "username"))
		return ERR_OK;
	if (str_empty(user)) {
		pbr_set_string(m, "ha1_md5", "");
		pbr_set_string(m, "ha1_sha256", "");
		return ERR_OK;
	}
	if (str_empty(pbr_string(m, "ha1_md5")) ||
	    (current && strcmp(user, pbr_string(current, "username")) != 0 &&
	     strcmp(pbr_string(m, "ha1_md5"), pbr_string(current, "ha1_md5")) == 0))
		return err_set(&j->detail, ERR_INVALID, "trunk.password",
			       "missing: a username needs a password, a new one another");
	return ERR_OK;
}

static err_t hash_password(struct job *j, ProtobufCMessage *m, const char *password, const char *realm)
{
	const char *user = pbr_string(m, strcmp(j->method->kind->name, "trunk") == 0 ? "username" : "id");
	char *md5 = arena_alloc(&j->arena, HA1_MD5_TEXT), *sha256 = arena_alloc(&j->arena, HA1_SHA256_TEXT);
	char field[64];

	if (!md5 || !sha256)
		return ERR_EXHAUSTED;
	snprintf(field, sizeof(field), "%s.password", j->rq.resource_field);
	err_t e = secret_check(password, field, &j->detail);
	if (!e && str_empty(user))
		e = err_set(&j->detail, ERR_INVALID, "trunk.username", "missing: there is a password");
	if (!e)
		e = secret_ha1(user, realm, password, md5, sha256);
	pbr_set_string(m, "ha1_md5", md5);
	pbr_set_string(m, "ha1_sha256", sha256);
	return e;
}

err_t merge_resource(struct merged *ret, struct job *j, const ProtobufCMessage *current, const char *realm,
		     uint64_t version)
{
	const struct kind *kind = j->method->kind;
	ProtobufCMessage *m = pbr_shallow(&j->arena, current ? current : j->rq.resource);
	err_t e = ERR_OK;

	if (!m)
		return ERR_EXHAUSTED;
	if (current) {
		e = merge_check_mask(&j->rq, &j->detail);
		if (e)
			return e;
		apply_mask(m, &j->rq);
	} else {
		pbr_set_string(m, kind->own_id, j->rq.id);
		pbr_set_string(m, "tenant", j->rq.tenant);
	}
	*ret = (struct merged){ .msg = m, .password = pbr_string(m, "password") };
	pbr_set_string(m, "name", "");
	pbr_set_string(m, "etag", "");
	pbr_set_string(m, "password", "");
	pbr_set_u64(m, "version", version);
	pbr_set_u64(m, "live_version", 0);
	pbr_set_bool(m, "draft", false);
	if (!str_empty(ret->password))
		e = hash_password(j, m, ret->password, realm);
	return e ? e : check_rename(j, current, m);
}

ProtobufCMessage *merge_public(struct arena *a, const char *tenant, const struct kind *kind, const char *id,
			       const ProtobufCMessage *stored, uint64_t revision)
{
	char name[NAME_MAX_TEXT];
	ProtobufCMessage *m = pbr_shallow(a, stored);
	char *name_copy = arena_strdup(a, name_text(tenant, kind, id, name));
	char *etag = arena_printf(a, "%" PRIu64, revision);

	if (!m || !name_copy || !etag)
		return NULL;
	pbr_set_string(m, "name", name_copy);
	pbr_set_string(m, "etag", etag);
	for (size_t i = 0; i < ARRAY_SIZE(secret_fields); i++)
		pbr_set_string(m, secret_fields[i], "");
	return m;
}
