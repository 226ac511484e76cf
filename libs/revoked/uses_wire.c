#include "uses.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/admin/v1/token_use.pb-c.h"

#define TIME_MAX_MS (INT64_C(1) << 50)

typedef Trunkline__Admin__V1__TokensUsed tokens_used;
typedef Trunkline__Admin__V1__TokenUse token_use_pb;

err_t uses_to_pb(struct str *out, const struct token_use *list, size_t n)
{
	tokens_used m = TRUNKLINE__ADMIN__V1__TOKENS_USED__INIT;
	token_use_pb *rows = mem_array(n, sizeof(*rows)), **uses = mem_array(n, sizeof(*uses));
	err_t e = rows && uses ? ERR_OK : ERR_EXHAUSTED;
	uint8_t *packed = NULL;

	for (size_t i = 0; !e && i < n; i++) {
		trunkline__admin__v1__token_use__init(&rows[i]);
		rows[i].tenant = (char *)(uintptr_t)list[i].tenant;
		rows[i].token_id = (char *)(uintptr_t)list[i].id;
		rows[i].time_ms = list[i].at_ms;
		uses[i] = &rows[i];
	}
	m.uses = uses;
	m.n_uses = n;
	if (!e) {
		packed = mem_alloc(trunkline__admin__v1__tokens_used__get_packed_size(&m) + 1);
		e = packed ? ERR_OK : ERR_EXHAUSTED;
	}
	if (!e)
		str_append_n(out, packed, trunkline__admin__v1__tokens_used__pack(&m, packed));
	mem_free(packed);
	mem_free(uses);
	mem_free(rows);
	return e || !out->failed ? e : ERR_EXHAUSTED;
}

static err_t take(struct token_use *use, const token_use_pb *pb, size_t i, struct err_detail *detail)
{
	size_t n = strspn(pb->token_id, "0123456789abcdef");
	char field[32];

	snprintf(field, sizeof(field), "uses[%zu]", i);
	if (*pb->tenant && !str_is_id(pb->tenant))
		return err_set(detail, ERR_INVALID, field, "tenant: an id, or nothing");
	if (!n || pb->token_id[n] || n >= sizeof(use->id))
		return err_set(detail, ERR_INVALID, field, "token_id: at most 32 hex digits");
	if (pb->time_ms <= 0 || pb->time_ms > TIME_MAX_MS)
		return err_set(detail, ERR_INVALID, field, "time_ms: milliseconds since 1970");
	(void)str_copy(use->tenant, sizeof(use->tenant), pb->tenant);
	(void)str_copy(use->id, sizeof(use->id), pb->token_id);
	use->at_ms = pb->time_ms;
	return ERR_OK;
}

err_t uses_from_pb(struct token_use *list, size_t *ret_n, const void *data, size_t size, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__admin__v1__tokens_used__descriptor, data, size, detail);

	if (e)
		return e;
	const tokens_used *m = (const tokens_used *)msg;
	if (m->n_uses > USES_MAX)
		e = err_set(detail, ERR_INVALID, "uses", "%zu of them; at most %d", m->n_uses, USES_MAX);
	for (size_t i = 0; !e && i < m->n_uses; i++)
		e = take(&list[i], m->uses[i], i, detail);
	if (!e)
		*ret_n = m->n_uses;
	pbcheck_view_done(msg);
	return e;
}
