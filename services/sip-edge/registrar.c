#include "registrar.h"
#include "base/str.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

struct entry {
	UT_hash_handle hh;
	struct aor aor;
};
struct registrar {
	struct registrar_limits limits;
	struct entry *entries;
};

void registrar_key(char key[REG_KEY], const char *tenant, const char *agent)
{
	snprintf(key, REG_KEY, "%s.%s", tenant, agent);
}

void binding_done(struct binding *b)
{
	mem_free(b->contact);
	mem_free(b->route);
	mem_free(b->path);
	mem_free(b->call_id);
	mem_free(b->instance_id);
	mem_free(b->user_agent);
	mem_free(b->edge);
	memset(b, 0, sizeof(*b));
}

err_t registrar_new(struct registrar **ret, const struct registrar_limits *limits)
{
	struct registrar *r = mem_zalloc(sizeof(*r));

	if (!r)
		return ERR_EXHAUSTED;
	r->limits = *limits;
	if (r->limits.max_contacts > REG_CONTACTS)
		r->limits.max_contacts = REG_CONTACTS;
	*ret = r;
	return ERR_OK;
}

static void aor_done(struct aor *a)
{
	while (a->n)
		binding_done(&a->b[--a->n]);
}

static void drop(struct registrar *r, struct entry *e)
{
	HASH_DEL(r->entries, e);
	aor_done(&e->aor);
	mem_free(e);
}

void registrar_free(struct registrar **ref)
{
	struct registrar *r = *ref;
	struct entry *e, *next;

	if (!r)
		return;
	HASH_ITER (hh, r->entries, e, next)
		drop(r, e);
	mem_free(r);
	*ref = NULL;
}

static struct entry *find(const struct registrar *r, const char *key)
{
	struct entry *e;

	HASH_FIND_STR(r->entries, key, e);
	return e;
}

static struct entry *get(struct registrar *r, const char *key)
{
	struct entry *e = find(r, key);

	if (e)
		return e;
	e = mem_zalloc(sizeof(*e));
	if (!e)
		return NULL;
	str_copy(e->aor.key, sizeof(e->aor.key), key);
	HASH_ADD_STR(r->entries, aor.key, e);
	if (!TABLE_HAS(e)) {
		mem_free(e);
		return NULL;
	}
	return e;
}

static void remove_at(struct aor *a, size_t i)
{
	binding_done(&a->b[i]);
	memmove(&a->b[i], &a->b[i + 1], (a->n - i - 1) * sizeof(a->b[0]));
	memset(&a->b[--a->n], 0, sizeof(a->b[0]));
}

static void expire(struct aor *a, int64_t now_ms)
{
	for (size_t i = a->n; i-- > 0;)
		if (a->b[i].expires_ms <= now_ms)
			remove_at(a, i);
}

/* The same phone: the same URI, or the same instance with a new one (RFC 5626 §6). */
static size_t same(const struct aor *a, const struct reg_contact *c)
{
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->b[i].contact, c->uri) == 0 ||
		    (c->instance_id[0] && strcmp(a->b[i].instance_id, c->instance_id) == 0))
			return i;
	return a->n;
}

static int64_t wanted_s(const struct registrar *r, const struct reg_request *rq, const struct reg_contact *c)
{
	int64_t s = c->expires_s >= 0 ? c->expires_s : rq->expires_s >= 0 ? rq->expires_s : r->limits.default_s;

	return s > r->limits.max_s ? r->limits.max_s : s;
}

static bool out_of_order(const struct binding *b, const struct reg_request *rq)
{
	return strcmp(b->call_id, rq->call_id) == 0 && rq->cseq <= b->cseq;
}

static unsigned check(const struct registrar *r, const struct aor *a, const struct reg_request *rq)
{
	if (rq->star)
		return rq->n_contacts == 0 && rq->expires_s == 0 ? 200 : 400;
	for (size_t i = 0; i < rq->n_contacts; i++) {
		int64_t s = wanted_s(r, rq, &rq->contacts[i]);
		size_t at = a ? same(a, &rq->contacts[i]) : 0;

		if (s > 0 && s < r->limits.min_s)
			return 423;
		if (a && at < a->n && out_of_order(&a->b[at], rq))
			return 500;
	}
	return 200;
}

static bool fill(struct binding *b, const struct reg_request *rq, const struct reg_contact *c, int64_t expires_ms)
{
	*b = (struct binding){
		.contact = mem_strdup(c->uri),
		.route = mem_strdup(rq->route),
		.path = mem_strdup(rq->path),
		.call_id = mem_strdup(rq->call_id),
		.instance_id = mem_strdup(c->instance_id),
		.user_agent = mem_strdup(rq->user_agent),
		.edge = mem_strdup(rq->edge),
		.cseq = rq->cseq,
		.q = c->q,
		.expires_ms = expires_ms,
	};
	if (b->contact && b->route && b->path && b->call_id && b->instance_id && b->user_agent && b->edge)
		return true;
	binding_done(b);
	return false;
}

/* Room for one more: the phone that would be forgotten first makes place, so that a new one is never locked out. */
static size_t make_room(struct aor *a, size_t max)
{
	size_t first = 0;

	if (a->n < max)
		return a->n++;
	for (size_t i = 1; i < a->n; i++)
		if (a->b[i].expires_ms < a->b[first].expires_ms)
			first = i;
	binding_done(&a->b[first]);
	return first;
}

static unsigned apply(struct registrar *r, struct aor *a, const struct reg_request *rq, int64_t now_ms)
{
	for (size_t i = 0; i < rq->n_contacts; i++) {
		const struct reg_contact *c = &rq->contacts[i];
		int64_t s = wanted_s(r, rq, c);
		size_t at = same(a, c);
		struct binding b;

		if (s == 0) {
			if (at < a->n)
				remove_at(a, at);
			continue;
		}
		if (!fill(&b, rq, c, now_ms + s * 1000))
			return 500;
		if (at < a->n)
			binding_done(&a->b[at]);
		else
			at = make_room(a, r->limits.max_contacts);
		a->b[at] = b;
	}
	return 200;
}

unsigned registrar_update(struct registrar *r, const char *tenant, const char *agent, const struct reg_request *rq,
			  int64_t now_ms, const struct aor **ret)
{
	char key[REG_KEY];
	struct entry *e;
	unsigned status;

	*ret = NULL;
	registrar_key(key, tenant, agent);
	e = find(r, key);
	if (e)
		expire(&e->aor, now_ms);
	status = check(r, e ? &e->aor : NULL, rq);
	if (status == 200 && !e && rq->n_contacts) {
		e = get(r, key);
		status = e ? 200 : 500;
	}
	if (status == 200 && e && rq->star)
		aor_done(&e->aor);
	else if (status == 200 && e)
		status = apply(r, &e->aor, rq, now_ms);
	if (e && e->aor.n == 0)
		drop(r, e);
	else if (e)
		*ret = &e->aor;
	return status;
}

const struct aor *registrar_find(struct registrar *r, const char *tenant, const char *agent, int64_t now_ms)
{
	char key[REG_KEY];
	struct entry *e;

	registrar_key(key, tenant, agent);
	e = find(r, key);
	if (!e)
		return NULL;
	expire(&e->aor, now_ms);
	if (e->aor.n)
		return &e->aor;
	drop(r, e);
	return NULL;
}

err_t registrar_put(struct registrar *r, struct aor *a)
{
	struct entry *e = get(r, a->key);

	if (!e) {
		aor_done(a);
		return ERR_EXHAUSTED;
	}
	aor_done(&e->aor);
	e->aor = *a;
	memset(a, 0, sizeof(*a));
	if (e->aor.n == 0)
		drop(r, e);
	return ERR_OK;
}

void registrar_remove(struct registrar *r, const char *key)
{
	struct entry *e = find(r, key);

	if (e)
		drop(r, e);
}

void registrar_sweep(struct registrar *r, int64_t now_ms)
{
	struct entry *e, *next;

	HASH_ITER (hh, r->entries, e, next) {
		expire(&e->aor, now_ms);
		if (e->aor.n == 0)
			drop(r, e);
	}
}

size_t registrar_count(const struct registrar *r)
{
	return HASH_COUNT(r->entries);
}
