#include "revoked/revoked.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tenantconf/map.h"
#include "uses.h"

#define KEY_TEXT (64 + AUTH_TOKEN_ID)
#define PLATFORM "_"	 /* no tenant's id */
#define MARK	 "_told" /* no token's key; a value: all was told, none: it is being told */
#define SWEEP_AT 1024
#define KEPT_S	 (AUTH_LIFE_MAX + 2 * AUTH_SKEW_S)

struct token {
	struct map_node node; /* by key */
	char key[KEY_TEXT];
};
struct revoked {
	struct revoked_params params;
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct map tokens;
	struct uses uses;
	size_t sweep_at;   /* so many */
	bool synced, told; /* told: the mark was there once; what is known then is not lost any more */
	bool failed;	   /* no memory for one; nobody is let in rather than that one */
};

static const char *key_of(const char *tenant, const char *token_id, char buf[KEY_TEXT])
{
	snprintf(buf, KEY_TEXT, "%s.%s", *tenant ? tenant : PLATFORM, token_id);
	return buf;
}

static err_t add(struct revoked *r, const char *key)
{
	struct token *t = map_reserve(&r->tokens, 1) ? NULL : mem_zalloc(sizeof(*t));

	if (!t)
		return ERR_EXHAUSTED;
	(void)str_copy(t->key, sizeof(t->key), key);
	map_add(&r->tokens, &t->node, t->key);
	return ERR_OK;
}

static void drop(struct revoked *r, struct map_node *node)
{
	map_remove(&r->tokens, node);
	mem_free(node);
}

/* Who has expired needs nobody to know it. The bucket forgets such keys without a word, or with one; whoever else takes keys away, or
 * all of them, takes nothing that is known. */
static void drop_expired(struct revoked *r, struct map_node *node)
{
	const char *id = node ? strrchr(node->key, '.') : NULL;
	char floor[AUTH_TOKEN_ID];

	auth_token_id_floor(clock_wall_ms() - KEPT_S * 1000LL, floor);
	if (id && strcmp(id + 1, floor) < 0)
		drop(r, node);
}

static void sweep(struct revoked *r)
{
	struct map_node *node = map_first(&r->tokens), *next;

	if (r->tokens.n < r->sweep_at)
		return;
	for (; node; node = next) {
		next = map_next(&r->tokens, node);
		drop_expired(r, node);
	}
	r->sweep_at = 2 * r->tokens.n + SWEEP_AT;
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct revoked *r = arg;

	if (op == BUS_KV_SYNCED) {
		r->synced = true;
	} else if (strcmp(key, MARK) == 0) {
		r->told = r->told || revoked_is_told(op == BUS_KV_PUT ? msg : NULL);
	} else if (op == BUS_KV_DELETE) {
		drop_expired(r, map_find(&r->tokens, key));
	} else if (strlen(key) < KEY_TEXT && !map_find(&r->tokens, key)) {
		r->failed = add(r, key) || r->failed;
		sweep(r);
		if (r->synced && r->params.on_revoked)
			r->params.on_revoked(r->params.arg);
	}
}

err_t revoked_new(struct revoked **ret, const struct revoked_params *p, struct err_detail *detail)
{
	const struct bus_kv_params kv = { .bucket = "revoked", .history = 1, .ttl_ms = KEPT_S * 1000LL };
	struct revoked *r = mem_zalloc(sizeof(*r));
	err_t e;

	if (!r)
		return ERR_EXHAUSTED;
	r->params = *p;
	r->sweep_at = SWEEP_AT;
	uses_init(&r->uses, p->bus);
	e = bus_kv_open(&r->kv, p->bus, &kv, detail);
	if (!e)
		e = bus_kv_watch(&r->watch, r->kv, ">", on_entry, r);
	if (e)
		revoked_free(&r);
	else
		*ret = r;
	return e;
}

void revoked_free(struct revoked **ref)
{
	struct revoked *r = *ref;

	if (!r)
		return;
	uses_done(&r->uses);
	if (r->watch)
		bus_kv_unwatch(&r->watch);
	if (r->kv)
		bus_kv_close(&r->kv);
	while (r->tokens.n)
		drop(r, map_first(&r->tokens));
	map_done(&r->tokens);
	mem_free(r);
	*ref = NULL;
}

bool revoked_synced(const struct revoked *r)
{
	return r->synced && r->told && !r->failed;
}

err_t revoked_refuse(struct err_detail *detail)
{
	return err_set(detail, ERR_UNAUTHENTICATED, "authorization", "the token was withdrawn");
}

err_t revoked_check(struct revoked *r, const struct auth_user *user, struct err_detail *detail)
{
	char key[KEY_TEXT];

	if (!revoked_synced(r))
		return err_set(detail, ERR_UNAVAILABLE, "", "which tokens are withdrawn is not known yet: try again");
	if (*user->token_id && map_find(&r->tokens, key_of(user->tenant, user->token_id, key)))
		return revoked_refuse(detail);
	uses_note(&r->uses, user, clock_wall_ms());
	return ERR_OK;
}

err_t revoked_recheck(struct revoked *r, const struct auth_user *user, int64_t now_s, struct err_detail *detail)
{
	if (user->expires_s <= now_s)
		return err_set(detail, ERR_UNAUTHENTICATED, "authorization", "the token has expired");
	return revoked_check(r, user, detail);
}

err_t revoked_put(struct revoked *r, const char *tenant, const char *token_id, bus_ack_fn *fn, void *arg)
{
	char key[KEY_TEXT];

	return bus_kv_put(r->kv, key_of(tenant, token_id, key), "", 0, BUS_KV_ANY, fn, arg);
}

err_t revoked_look(struct revoked *r, bus_reply_fn *fn, void *arg)
{
	return bus_kv_get(r->kv, MARK, fn, arg);
}

bool revoked_is_told(const struct bus_msg *mark)
{
	return mark && mark->size > 0;
}

err_t revoked_mark(struct revoked *r, bool told, uint64_t expected, bus_ack_fn *fn, void *arg)
{
	return bus_kv_put(r->kv, MARK, "1", told, expected, fn, arg);
}
