/* The audit: read by page, and verified from the first entry to the head. */
#include "ops.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include "auditchain/auditchain.h"
#include "base/clock.h"
#include "base/str.h"
#include "pbr.h"
#include "trunkline/admin/v1/admin.pb-c.h"

#define PAGE_BYTES_MAX (2u << 20) /* clients of gRPC take 4 MiB unless they are told otherwise */
#define VERIFY_PAGE    "200"
#define VERIFY_MS_MAX  60000 /* a worker is not held longer by one question, whatever the caller's deadline */
#define COLUMNS	       "seq, tm.audit_time_us(at), actor, action, resource, peer, before, after, hash "

/* A tenant that is or was deleted keeps its audit: to everybody but operators it is as one that never was. */
static err_t check_tenant(struct db_tx *tx, struct job *j)
{
	struct db_result *res = NULL;

	if (!*j->rq.tenant)
		return auth_is_operator(&j->user)
			   ? ERR_OK
			   : err_set(&j->detail, ERR_DENIED, "",
				     "only operators see the platform's audit; tenants/{tenant} is missing");
	err_t e = db_exec(tx, &res,
			  "SELECT FROM tm.tenant WHERE tenant = tm.tenant() AND deleted_at IS NULL "
			  "UNION ALL SELECT FROM tm.audit_head WHERE tenant = tm.tenant() AND $1::boolean",
			  1, (const char *[]){ auth_is_operator(&j->user) ? "t" : "f" });

	if (!e && !db_rows(res))
		e = err_set(&j->detail, ERR_NOT_FOUND, "tenant", AUTH_NO_SUCH_TENANT);
	db_result_free(&res);
	return e;
}

static err_t column_bytes(struct db_result *res, int row, int col, struct auditchain_bytes *ret)
{
	size_t size = 0;
	const void *data = db_bytes(res, row, col, &size);

	*ret = (struct auditchain_bytes){ data, data ? size : 0 };
	return !data && size == SIZE_MAX ? ERR_EXHAUSTED : ERR_OK;
}

/* Of a row with COLUMNS; lives as long as the result. */
static err_t entry_from_row(struct db_result *res, int row, struct auditchain_entry *ret, struct auditchain_bytes *hash)
{
	*ret = (struct auditchain_entry){ .seq = (uint64_t)db_int(res, row, 0),
					  .time_us = db_int(res, row, 1),
					  .actor = db_text(res, row, 2),
					  .action = db_text(res, row, 3),
					  .resource = db_text(res, row, 4),
					  .peer = db_text(res, row, 5) };
	err_t e = column_bytes(res, row, 6, &ret->before);
	if (!e)
		e = column_bytes(res, row, 7, &ret->after);
	return e ? e : column_bytes(res, row, 8, hash);
}

/* ---- the head ---- */

struct head {
	uint64_t seq; /* 0: there is none */
	unsigned char hash[AUDITCHAIN_HASH];
	size_t hash_size;
};

static err_t load_head(struct db_tx *tx, struct head *ret)
{
	struct db_result *res = NULL;
	struct auditchain_bytes hash = { 0 };
	err_t e = db_exec(tx, &res, "SELECT seq, hash FROM tm.audit_head WHERE " OURS, 0, NULL);

	*ret = (struct head){ 0 };
	if (!e && db_rows(res)) {
		ret->seq = (uint64_t)db_int(res, 0, 0);
		e = column_bytes(res, 0, 1, &hash);
	}
	if (!e && hash.size == AUDITCHAIN_HASH) {
		ret->hash_size = hash.size;
		memcpy(ret->hash, hash.data, hash.size);
	}
	db_result_free(&res);
	return e;
}

/* One view of it all: an entry written meanwhile would stand behind the head. And each page by the index in its order:
 * without fresh statistics the planner takes all that follows and sorts it, for every page. */
static err_t begin(struct db_tx *tx, struct job *j, struct head *head)
{
	job_restart(j);
	err_t e = db_exec(tx, NULL, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", 0, NULL);
	if (!e)
		e = db_queue(tx, "SET LOCAL enable_bitmapscan = off", 0, NULL);
	if (!e)
		e = check_tenant(tx, j);
	return e ? e : load_head(tx, head);
}

/* ---- list ---- */

static bool copy_bytes(struct arena *a, ProtobufCBinaryData *to, struct auditchain_bytes from)
{
	if (!from.size)
		return true;
	to->data = arena_dup(a, from.data, from.size);
	to->len = to->data ? from.size : 0;
	return to->data != NULL;
}

static int64_t floor_ms(int64_t us)
{
	return us / 1000 - (us % 1000 < 0);
}

static err_t audit_record(struct job *j, struct db_result *res, int row, Trunkline__Admin__V1__AuditRecord **ret)
{
	Trunkline__Admin__V1__AuditRecord *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__audit_record__descriptor);
	struct arena *a = &j->arena;
	struct auditchain_entry entry;
	struct auditchain_bytes hash;
	err_t e = r ? entry_from_row(res, row, &entry, &hash) : ERR_EXHAUSTED;

	if (e)
		return e;
	r->seq = entry.seq;
	r->time_us = entry.time_us;
	r->time_ms = floor_ms(entry.time_us);
	r->actor = arena_strdup(a, entry.actor);
	r->action = arena_strdup(a, entry.action);
	r->resource = arena_strdup(a, entry.resource);
	r->peer = arena_strdup(a, entry.peer);
	bool ok = copy_bytes(a, &r->before, entry.before) && copy_bytes(a, &r->after, entry.after) &&
		  copy_bytes(a, &r->hash, hash);
	*ret = r;
	return ok && r->actor && r->action && r->resource && r->peer ? ERR_OK : ERR_EXHAUSTED;
}

/* At least one, then as many as the page takes, in entries and in bytes. */
static err_t fill_audit(struct job *j, struct db_result *res, const struct head *head)
{
	Trunkline__Admin__V1__ListAuditEntriesResponse *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__list_audit_entries_response__descriptor);
	size_t n = (size_t)(db_rows(res) < j->rq.page_size ? db_rows(res) : j->rq.page_size), bytes = 0;
	err_t e = ERR_OK;

	if (!r)
		return ERR_EXHAUSTED;
	r->entries = arena_alloc(&j->arena, (n + 1) * sizeof(*r->entries));
	if (!r->entries)
		return ERR_EXHAUSTED;
	while (!e && r->n_entries < n && bytes < PAGE_BYTES_MAX) {
		e = audit_record(j, res, (int)r->n_entries, &r->entries[r->n_entries]);
		if (!e)
			bytes += protobuf_c_message_get_packed_size(&r->entries[r->n_entries++]->base);
	}
	if (!e && (size_t)db_rows(res) > r->n_entries) {
		r->next_page_token = arena_strdup(&j->arena, db_text(res, (int)r->n_entries - 1, 0));
		e = r->next_page_token ? ERR_OK : ERR_EXHAUSTED;
	}
	r->head_seq = head->seq;
	if (!e && !copy_bytes(&j->arena, &r->head_hash, (struct auditchain_bytes){ head->hash, head->hash_size }))
		e = ERR_EXHAUSTED;
	j->reply = &r->base;
	return e;
}

/* What was before the tenant had this id is another's, and for operators only. */
static err_t query_list(struct db_tx *tx, struct job *j, int64_t after, struct db_result **res)
{
	const struct audit_filter *f = &j->rq.audit;
	char after_text[DB_NUMBER], limit[DB_NUMBER], from[DB_NUMBER], to[DB_NUMBER];
	const char *params[] = { db_number(after, after_text),
				 db_number(j->rq.page_size + 1, limit),
				 f->actor,
				 f->action,
				 f->resource_prefix,
				 db_number(f->from_ms * 1000, from),
				 db_number(f->to_ms ? f->to_ms * 1000 : INT64_MAX, to),
				 auth_is_operator(&j->user) ? "t" : "f" };
#define WHERE                                                                                                         \
	"FROM tm.audit WHERE " OURS "AND ($3 = '' OR actor = $3) AND ($4 = '' OR action = $4) "                       \
	"AND starts_with(resource, $5) AND tm.audit_time_us(at) >= $6::bigint AND tm.audit_time_us(at) < $7::bigint " \
	"AND ($8::boolean OR at >= (SELECT created_at FROM tm.tenant WHERE tenant = tm.tenant())) "
	return db_exec(tx, res,
		       f->oldest_first ? "SELECT " COLUMNS WHERE "AND seq > $1::bigint ORDER BY seq LIMIT $2::int"
				       : "SELECT " COLUMNS WHERE "AND seq < $1::bigint ORDER BY seq DESC LIMIT $2::int",
		       ARRAY_SIZE(params), params);
#undef WHERE
}

err_t ops_audit_list(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	int64_t after = j->rq.audit.oldest_first ? INT64_MIN : INT64_MAX;
	struct db_result *res = NULL;
	struct head head;
	err_t e = begin(tx, j, &head);

	if (!e && !str_empty(j->rq.page_token) && str_to_i64(j->rq.page_token, 0, INT64_MAX, &after))
		e = err_set(&j->detail, ERR_INVALID, "page_token", "not a next_page_token");
	if (!e)
		e = query_list(tx, j, after, &res);
	if (!e)
		e = fill_audit(j, res, &head);
	db_result_free(&res);
	return e;
}

/* ---- verify ---- */

/* One at a time: it reads everything, and the workers are there for changes. */
static atomic_flag verifying = ATOMIC_FLAG_INIT;

/* The entries behind *after; *after becomes the last of them. *n: how many there were. */
static err_t verify_page(struct db_tx *tx, struct auditchain *c, int64_t *after, int *n)
{
	char text[DB_NUMBER];
	const char *params[] = { db_number(*after, text) };
	struct db_result *res = NULL;
	struct auditchain_entry entry;
	struct auditchain_bytes hash;
	err_t e = db_exec(tx, &res,
			  "SELECT " COLUMNS "FROM tm.audit WHERE " OURS "AND seq > $1::bigint "
			  "ORDER BY seq LIMIT " VERIFY_PAGE,
			  1, params);

	*n = e ? 0 : db_rows(res);
	for (int i = 0; !e && i < *n && !auditchain_broken(c); i++) {
		e = entry_from_row(res, i, &entry, &hash);
		if (!e)
			e = auditchain_add(c, &entry, hash.data, hash.size);
		*after = (int64_t)entry.seq;
	}
	db_result_free(&res);
	return e;
}

static err_t verify_all(struct db_tx *tx, struct job *j, struct auditchain *c)
{
	int64_t after = INT64_MIN, began_ms = clock_mono_ms();
	int n;
	err_t e;

	do {
		e = verify_page(tx, c, &after, &n);
		/* The caller has gone, or this service goes: a stop cancels the calls. */
		if (!e && atomic_load(&j->gone))
			e = ERR_CANCELLED;
		if (!e && clock_mono_ms() - began_ms > VERIFY_MS_MAX)
			e = err_set(&j->detail, ERR_TIMEOUT, "",
				    "after a minute it stands at entry %" PRIu64
				    "; 'trunkline audit verify' reads it page by page",
				    c->entries);
	} while (!e && n && !auditchain_broken(c));
	return e;
}

/* NULL: no memory. */
static char *reason(struct job *j, const struct auditchain *c)
{
	struct str out = STR_INIT;
	char *copy;

	if (auditchain_broken(c))
		(void)text_detail(&out, j->language, &c->why);
	copy = out.failed ? NULL : arena_strdup(&j->arena, str_text(&out));
	str_done(&out);
	return copy;
}

static err_t fill_verify(struct job *j, const struct auditchain *c, const struct head *head)
{
	Trunkline__Admin__V1__VerifyAuditResponse *r =
	    (void *)pbr_new(&j->arena, &trunkline__admin__v1__verify_audit_response__descriptor);

	if (!r)
		return ERR_EXHAUSTED;
	r->entries = c->entries;
	r->ok = !auditchain_broken(c);
	r->first_bad_seq = c->bad_seq;
	r->reason = reason(j, c);
	r->head_seq = head->seq;
	j->reply = &r->base;
	return r->reason &&
		       copy_bytes(&j->arena, &r->head_hash, (struct auditchain_bytes){ head->hash, head->hash_size })
		   ? ERR_OK
		   : ERR_EXHAUSTED;
}

static err_t verify(struct db_tx *tx, struct job *j)
{
	struct auditchain c = { 0 };
	struct head head;
	err_t e = begin(tx, j, &head);

	if (!e)
		e = verify_all(tx, j, &c);
	if (!e) {
		auditchain_end(&c, head.seq, head.hash, head.hash_size);
		e = fill_verify(j, &c, &head);
	}
	return e;
}

err_t ops_audit_verify(struct db_tx *tx, void *arg)
{
	struct job *j = arg;

	job_restart(j);
	if (atomic_flag_test_and_set(&verifying))
		return err_set(&j->detail, ERR_EXHAUSTED, "", "another verification is running; try again in a moment");
	err_t e = verify(tx, j);
	atomic_flag_clear(&verifying);
	return e;
}
