#include "nta_glue.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge_metrics.h"
#include "sip/sip_user.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define URI_MAX 512

/* URIs of the contacts as text, and the request that points to them. */
struct request {
	struct reg_request rq;
	char uris[REG_CONTACTS][URI_MAX];
	char instance_ids[REG_CONTACTS][128];
	char route[GLUE_ROUTE];
	struct str path;
};

static int64_t seconds(const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	return end == s || *end || v > 0xffffffffu ? -1 : (int64_t)v;
}

static unsigned q_of(const sip_contact_t *m)
{
	double q = m->m_q ? strtod(m->m_q, NULL) : 1.0;

	return q >= 0 && q <= 1 ? (unsigned)(q * 1000) : 1000;
}

static bool contact(struct request *r, const sip_contact_t *m)
{
	size_t i = r->rq.n_contacts;
	const char *instance_id = msg_header_find_param(m->m_common, "+sip.instance");
	issize_t n;

	if (i == REG_CONTACTS || (m->m_url->url_type != url_sip && m->m_url->url_type != url_sips) ||
	    !m->m_url->url_host || !m->m_url->url_host[0] || m->m_url->url_headers)
		return false;
	n = url_e(r->uris[i], URI_MAX, m->m_url);
	if (n <= 0 || n >= URI_MAX || strpbrk(r->uris[i], " <>\"\t\r\n"))
		return false;
	snprintf(r->instance_ids[i], sizeof(r->instance_ids[i]), "%s", instance_id ? instance_id : "");
	r->rq.contacts[r->rq.n_contacts++] = (struct reg_contact){
		.uri = r->uris[i],
		.instance_id = r->instance_ids[i],
		.expires_s = m->m_expires ? seconds(m->m_expires) : -1,
		.q = q_of(m),
	};
	return true;
}

static bool paths(struct request *r, const sip_t *sip)
{
	for (const sip_path_t *p = sip->sip_path; p; p = p->r_next) {
		char uri[URI_MAX];
		issize_t n = url_e(uri, sizeof(uri), p->r_url);

		if (n <= 0 || n >= URI_MAX || r->path.len > 4 * URI_MAX)
			return false;
		str_printf(&r->path, "%s<%s>", r->path.len ? ", " : "", uri);
	}
	return !r->path.failed;
}

/* Can calls be sent to what it says, the first Path or else the Contacts? Otherwise they go where the REGISTER came from. */
static bool directly(msg_t *msg, const sip_t *sip)
{
	if (sip->sip_path)
		return !glue_named(sip->sip_path->r_url);
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next)
		if (glue_named(m->m_url))
			return false;
	return !glue_behind_nat(msg, sip);
}

static bool read_request(struct request *r, struct edge *e, msg_t *msg, const sip_t *sip)
{
	const char *ua = sip->sip_user_agent ? sip->sip_user_agent->g_string : "";

	r->rq.expires_s = sip->sip_expires ? (int64_t)sip->sip_expires->ex_delta : -1;
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		if (m->m_url->url_type == url_any)
			r->rq.star = true;
		else if (!contact(r, m))
			return false;
	}
	if (!paths(r, sip))
		return false;
	if (!directly(msg, sip))
		glue_source(msg, sip, r->route);
	r->rq.route = r->route;
	r->rq.path = str_text(&r->path);
	r->rq.call_id = sip->sip_call_id->i_id;
	r->rq.cseq = sip->sip_cseq->cs_seq;
	r->rq.user_agent = ua && sip_header_value_ok(ua, 128) ? ua : "";
	r->rq.edge = e->instance;
	return true;
}

/* ---- answering: statefully, so that a retransmitted REGISTER is no replay of its nonce ---- */

static void reply(nta_incoming_t *irq, unsigned status, const struct edge *e, const struct aor *a, int64_t now_ms)
{
	struct str contacts = STR_INIT;
	char min[16];

	for (size_t i = 0; a && i < a->n; i++)
		str_printf(&contacts, "%s<%s>;expires=%lld", i ? ", " : "", a->b[i].contact,
			   (long long)((a->b[i].expires_ms - now_ms + 999) / 1000));
	snprintf(min, sizeof(min), "%d", (int)e->cfg.expires_min_s);
	nta_incoming_treply(irq, (int)status, sip_status_phrase((int)status), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(status == 200 && contacts.len, SIPTAG_CONTACT_STR(str_text(&contacts))),
			    TAG_IF(status == 200, SIPTAG_SUPPORTED_STR("path, outbound")),
			    TAG_IF(status == 423, SIPTAG_MIN_EXPIRES_STR(min)), TAG_END());
	nta_incoming_destroy(irq);
	str_done(&contacts);
}

static void bind_contacts(struct edge *e, msg_t *msg, sip_t *sip, const struct tenant *t, const char *agent)
{
	struct request *r = mem_zalloc(sizeof(*r));
	const struct aor *a = NULL;
	int64_t now_ms = clock_steady_ms();
	unsigned status = r && read_request(r, e, msg, sip) ? 200 : 400;
	struct log_ctx log = { .tenant = t->id, .agent = agent };
	nta_incoming_t *irq;
	char key[REG_KEY];

	if (status == 200)
		status = registrar_update(e->registrar, t->id, agent, &r->rq, now_ms, &a);
	registrar_key(key, t->id, agent);
	if (status == 200)
		glue_keep_connection(e, msg);
	if (status == 200 && r->rq.n_contacts + r->rq.star > 0) {
		if (a)
			store_bindings(e->store, a);
		else
			store_bindings_gone(e->store, key);
	}
	metric_add(status == 200 ? &edge_metric_register_ok : &edge_metric_register_failed, 1);
	LOG_DEBUG(&log, "register", "status=%u bindings=%zu from=%s", status, a ? a->n : 0, r ? r->route : "");
	irq = nta_incoming_create(e->agent, NULL, msg, sip, TAG_END());
	if (irq)
		reply(irq, status, e, a, now_ms);
	if (r)
		str_done(&r->path);
	mem_free(r);
}

/* The address of record is the agent's own: one user cannot bind another's (RFC 3261 §10.3 step 3). */
static bool own_aor(const sip_t *sip, const struct tenant *t, const char *agent)
{
	const url_t *to = sip->sip_to->a_url;

	return to->url_host && su_casematch(to->url_host, t->sip_domain) && to->url_user && str_eq(to->url_user, agent);
}

void register_request(struct edge *e, msg_t *msg, sip_t *sip)
{
	const char *domain = sip->sip_request->rq_url->url_host;
	const struct tenant *t = domain ? tenantconf_find_tenant_by_domain(e->conf, domain) : NULL;
	struct auth_result auth;

	/* Some phones put the registrar's address into the Request-URI and the domain into To only. */
	if (!t && sip->sip_to->a_url->url_host)
		t = tenantconf_find_tenant_by_domain(e->conf, sip->sip_to->a_url->url_host);
	if (!t) {
		edge_metrics_refused(EDGE_REFUSED_STRANGER);
		if (e->cfg.answer_strangers || tenantconf_address_known(e->conf, &msg_addr(msg)->su_sa))
			nta_msg_treply(e->agent, msg, SIP_404_NOT_FOUND, TAG_END());
		else
			nta_msg_discard(e->agent, msg);
		return;
	}
	auth = auth_check(e, sip, "REGISTER", t, false, &msg_addr(msg)->su_sa);
	if (auth.verdict == AUTH_OK && !own_aor(sip, t, auth.user))
		auth.verdict = AUTH_DENIED;
	if (auth.verdict != AUTH_OK) {
		if (auth.verdict == AUTH_DENIED)
			metric_add(&edge_metric_register_failed, 1);
		auth_refuse(e, msg, t, auth.verdict);
		return;
	}
	bind_contacts(e, msg, sip, t, auth.user);
}
