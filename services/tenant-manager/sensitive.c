#include "sensitive.h"

#include <string.h>
#include "manager.h"
#include "pbr.h"
#include "sealed/sealed.h"
#include "tenantconf/tenant.h"

err_t sensitive_check(const Trunkline__Admin__V1__Tenant *t, struct err_detail *detail)
{
	unsigned seen = 0;

	for (size_t i = 0; i < t->n_sensitive_fields; i++) {
		int field = (int)t->sensitive_fields[i];

		if (field <= 0 || field >= TENANT_SENSITIVE_END)
			return err_set(detail, ERR_INVALID, "tenant.sensitive_fields",
				       "%d is none of them: SENSITIVE_FIELD_CALLER_NUMBER, SENSITIVE_FIELD_IVR_INPUT, "
				       "SENSITIVE_FIELD_RECORDINGS",
				       field);
		if (seen & 1u << field)
			return err_set(detail, ERR_INVALID, "tenant.sensitive_fields", "%d is there twice", field);
		seen |= 1u << field;
	}
	return ERR_OK;
}

unsigned sensitive_bits(const Trunkline__Admin__V1__Tenant *t)
{
	unsigned bits = 0;

	for (size_t i = 0; i < t->n_sensitive_fields; i++)
		bits |= 1u << t->sensitive_fields[i];
	return bits;
}

bool sensitive_from_bits(struct arena *a, unsigned bits, size_t *ret_n, Trunkline__Config__V1__SensitiveField **ret)
{
	*ret_n = 0;
	*ret = arena_alloc(a, TENANT_SENSITIVE_END * sizeof(**ret));
	for (int field = 1; *ret && field < TENANT_SENSITIVE_END; field++)
		if (bits & 1u << field)
			(*ret)[(*ret_n)++] = (Trunkline__Config__V1__SensitiveField)field;
	return *ret;
}

err_t sensitive_insert_key(struct change *c, uint32_t version)
{
	const struct job *j = c->job;
	uint8_t key[SEALED_KEY], wrapped[SEALED_WRAPPED];
	char version_text[DB_NUMBER];
	const char *params[] = { db_number(version, version_text), NULL };
	err_t e = sealed_key_make(key);

	if (!e)
		e = sealed_wrap(j->tm->master_key, j->rq.tenant, version, key, wrapped);
	explicit_bzero(key, sizeof(key));
	if (e)
		return e;
	db_bind_bytes(c->tx, 1, wrapped, sizeof(wrapped));
	return db_exec(c->tx, NULL, "INSERT INTO tm.tenant_key (tenant, version, wrapped) VALUES (tm.tenant(), $1, $2)",
		       2, params);
}

err_t sensitive_check_master(struct job *j, const char *field)
{
	return j->tm->master_key ? ERR_OK
				 : err_set(&j->detail, ERR_PRECONDITION, field,
					   "this platform has no master key: its operator sets keys.master_file");
}

err_t sensitive_ensure_key(struct change *c, const Trunkline__Admin__V1__Tenant *t)
{
	struct db_result *res = NULL;
	err_t e;

	if (!t->n_sensitive_fields)
		return ERR_OK;
	e = sensitive_check_master(c->job, "tenant.sensitive_fields");
	if (e)
		return e;
	e = db_exec(c->tx, &res, "SELECT FROM tm.tenant_key WHERE tenant = tm.tenant() LIMIT 1", 0, NULL);
	if (!e && !db_rows(res))
		e = sensitive_insert_key(c, 1);
	db_result_free(&res);
	return e;
}

err_t sensitive_load_keys(struct db_tx *tx, struct arena *a, size_t *ret_n, Trunkline__Config__V1__TenantKey ***ret)
{
	struct db_result *res = NULL;
	err_t e =
	    db_exec(tx, &res, "SELECT version, wrapped FROM tm.tenant_key WHERE tenant = tm.tenant() ORDER BY version",
		    0, NULL);
	size_t n = e ? 0 : (size_t)db_rows(res);
	Trunkline__Config__V1__TenantKey **keys = arena_alloc(a, (n + 1) * sizeof(*keys));

	if (!e && !keys)
		e = ERR_EXHAUSTED;
	for (size_t i = 0; !e && i < n; i++) {
		size_t size;
		const void *wrapped = db_bytes(res, (int)i, 1, &size);

		keys[i] = (void *)pbr_new(a, &trunkline__config__v1__tenant_key__descriptor);
		if (!wrapped || !keys[i]) {
			e = ERR_EXHAUSTED;
			break;
		}
		keys[i]->version = (uint32_t)db_int(res, (int)i, 0);
		keys[i]->wrapped.len = size;
		keys[i]->wrapped.data = arena_dup(a, wrapped, size);
		e = keys[i]->wrapped.data ? ERR_OK : ERR_EXHAUSTED;
	}
	db_result_free(&res);
	*ret = keys;
	*ret_n = n;
	return e;
}
