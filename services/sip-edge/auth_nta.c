#include "nta_glue.h"
#include "base/clock.h"
#include "base/str.h"
#include "edge_metrics.h"
#include "guard.h"
#include "sip/digest.h"

#include <string.h>
#include <strings.h>

/* The credentials for this realm among those of the request. */
static err_t find_credentials(const sip_t *sip, const char *realm, struct digest_params *ret)
{
	for (const msg_auth_t *a = sip->sip_authorization; a; a = a->au_next) {
		if (!a->au_scheme || strcasecmp(a->au_scheme, "Digest") != 0)
			continue;
		if (digest_parse(ret, (const char *const *)a->au_params))
			return ERR_INVALID;
		if (strcasecmp(ret->realm, realm) == 0)
			return ERR_OK;
	}
	return ERR_NOT_FOUND;
}

static const char *pick(const char *md5, const char *sha256, enum digest_algorithm a)
{
	return a == DIGEST_SHA256 ? sha256 : md5;
}

/* NULL: nobody of that name; checked all the same, so that the answer takes its time. */
static const char *secret_of(struct edge *e, const struct tenant *t, const struct digest_params *p, bool trunks,
			     bool *is_trunk)
{
	const struct tenant_agent *a =
	    str_is_id(p->username) ? tenantconf_find_agent(e->conf, t->id, p->username) : NULL;
	const struct tenant_trunk *trunk;

	*is_trunk = false;
	if (a && a->enabled)
		return pick(a->ha1_md5, a->ha1_sha256, p->algorithm);
	trunk = trunks ? tenant_find_trunk_by_user(t, p->username) : NULL;
	*is_trunk = trunk != NULL;
	return trunk ? pick(trunk->ha1_md5, trunk->ha1_sha256, p->algorithm) : NULL;
}

static enum auth_verdict judge_nonce(enum nonce_verdict v)
{
	/* A nonce of an earlier life of this process, or another edge's: the password was right, so only say it is old. */
	return v == NONCE_OK ? AUTH_OK : AUTH_STALE;
}

static const char *source_text(const struct sockaddr *src, char buf[64])
{
	const unsigned char *b = src->sa_family == AF_INET6
				     ? ((const struct sockaddr_in6 *)src)->sin6_addr.s6_addr
				     : (const unsigned char *)&((const struct sockaddr_in *)src)->sin_addr;
	int n = src->sa_family == AF_INET6 ? 16 : 4;

	for (int i = 0; i < n; i++)
		snprintf(buf + 2 * i, 3, "%02x", b[i]);
	return buf;
}

struct auth_result auth_check(struct edge *e, const sip_t *sip, const char *method, const struct tenant *t, bool trunks,
			      const struct sockaddr *src)
{
	struct auth_result r = { .verdict = AUTH_CHALLENGE };
	struct digest_params p;
	char source[64];
	int64_t now_ms = loop_now_ms(e->loop);
	err_t err = find_credentials(sip, t->sip_domain, &p);
	const char *ha1;

	if (err) {
		r.verdict = err == ERR_INVALID ? AUTH_BAD : AUTH_CHALLENGE;
		return r;
	}
	str_copy(r.user, sizeof(r.user), p.username);
	source_text(src, source);
	if (guard_blocked(e->guard, source, p.username, now_ms)) {
		r.verdict = AUTH_LIMITED;
		return r;
	}
	ha1 = secret_of(e, t, &p, trunks, &r.is_trunk);
	if (!digest_verify(&p, ha1, method)) {
		guard_failed(e->guard, source, p.username, now_ms);
		r.verdict = AUTH_DENIED;
		return r;
	}
	guard_succeeded(e->guard, source, p.username);
	r.verdict = judge_nonce(nonce_use(e->nonces, p.nonce, p.nc_value, now_ms));
	return r;
}

/* ---- refusing ---- */

static void challenge(struct edge *e, msg_t *msg, const struct tenant *t, bool stale)
{
	enum digest_algorithm algorithms[2];
	size_t n = edge_config_algorithms(&e->cfg, algorithms);
	struct str text[2] = { STR_INIT, STR_INIT };
	char nonce[NONCE_TEXT];

	nonce_issue(e->nonces, loop_now_ms(e->loop), nonce);
	for (size_t i = 0; i < n; i++) {
		str_append(&text[i], "Digest ");
		digest_challenge(&text[i], algorithms[i], t->sip_domain, nonce, stale);
	}
	nta_msg_treply(e->agent, msg, SIP_401_UNAUTHORIZED, SIPTAG_WWW_AUTHENTICATE_STR(str_text(&text[0])),
		       TAG_IF(n > 1, SIPTAG_WWW_AUTHENTICATE_STR(str_text(&text[1]))), SIPTAG_SERVER_STR(EDGE_SERVER),
		       TAG_END());
	str_done(&text[0]);
	str_done(&text[1]);
}

void auth_refuse(struct edge *e, msg_t *msg, const struct tenant *t, enum auth_verdict v)
{
	switch (v) {
	case AUTH_CHALLENGE:
	case AUTH_STALE:
		challenge(e, msg, t, v == AUTH_STALE);
		return;
	case AUTH_LIMITED:
		/* Nothing at all: the guesser learns nothing, and costs nothing. */
		edge_metrics_refused(EDGE_REFUSED_LIMITED);
		nta_msg_discard(e->agent, msg);
		return;
	case AUTH_BAD:
		edge_metrics_refused(EDGE_REFUSED_MALFORMED);
		nta_msg_treply(e->agent, msg, 400, "Bad Authorization Header", SIPTAG_SERVER_STR(EDGE_SERVER),
			       TAG_END());
		return;
	default:
		edge_metrics_refused(EDGE_REFUSED_AUTH);
		nta_msg_treply(e->agent, msg, SIP_403_FORBIDDEN, SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
	}
}
