/* Inbound legs: whose call is it, the offer, and the answers to the caller's INVITE. */
#include "nta_glue.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "indialog_nta.h"
#include "session_nta.h"
#include "trunk_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who calls, found before any state is made. */
struct caller {
	const struct tenant *tenant;
	const struct tenant_trunk *trunk; /* NULL: a registered phone */
	char agent_id[64];
	char called[SIP_USER_MAX];
};

static void refuse(struct edge *e, msg_t *msg, int status, enum edge_refusal why)
{
	edge_metrics_refused(why);
	nta_msg_treply(e->agent, msg, status, sip_status_phrase(status), SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
}

void inbound_overloaded(struct edge *e, msg_t *msg)
{
	char after[16];

	/* Spread, so that they do not all come back at once. */
	snprintf(after, sizeof(after), "%d", 2 + (int)(random() % 9));
	edge_metrics_refused(EDGE_REFUSED_OVERLOAD);
	nta_msg_treply(e->agent, msg, SIP_503_SERVICE_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR(after),
		       SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
}

/* Who claims to be an agent must prove it, wherever the request comes from. NULL: no such claim. */
static const struct tenant *agent_claimed(const struct edge *e, const sip_t *sip)
{
	const url_t *from = sip->sip_from->a_url;
	const struct tenant *t = from->url_host ? tenantconf_find_tenant_by_domain(e->conf, from->url_host) : NULL;

	if (!t || !from->url_user || !str_is_id(from->url_user))
		return NULL;
	return tenantconf_find_agent(e->conf, t->id, from->url_user) ? t : NULL;
}

static bool by_agent(struct edge *e, msg_t *msg, const sip_t *sip, const struct tenant *t, struct caller *c)
{
	struct auth_result auth = auth_check(e, sip, "INVITE", t, false, &msg_addr(msg)->su_sa);

	if (auth.verdict == AUTH_OK && !str_eq(auth.user, sip->sip_from->a_url->url_user))
		auth.verdict = AUTH_DENIED;
	if (auth.verdict != AUTH_OK) {
		auth_refuse(e, msg, t, auth.verdict);
		return false;
	}
	c->tenant = t;
	str_copy(c->agent_id, sizeof(c->agent_id), auth.user);
	if (!t->suspended)
		return true;
	refuse(e, msg, 480, EDGE_REFUSED_NUMBER);
	return false;
}

static bool suspended(const struct edge *e, const char *called)
{
	const struct tenant *t;

	return tenantconf_find_number(e->conf, called, &t) && t->suspended;
}

static bool take(struct edge *e, msg_t *msg, const char *username, struct caller *c)
{
	struct tenantconf_inbound in;
	err_t err = tenantconf_find_inbound(e->conf, &msg_addr(msg)->su_sa, username, c->called, &in);

	if (err) {
		refuse(e, msg, suspended(e, c->called) ? 480 : err == ERR_DENIED ? 403 : 404, EDGE_REFUSED_NUMBER);
		return false;
	}
	c->tenant = in.tenant;
	c->trunk = in.trunk;
	return true;
}

/* A trunk that comes from anywhere proves itself by digest in the realm of the tenant it calls. */
static bool by_trunk_user(struct edge *e, msg_t *msg, const sip_t *sip, struct caller *c)
{
	const url_t *ruri = sip->sip_request->rq_url, *from = sip->sip_from->a_url;
	const struct tenant *t = ruri->url_host ? tenantconf_find_tenant_by_domain(e->conf, ruri->url_host) : NULL;
	struct auth_result auth;

	if (!t && from->url_host)
		t = tenantconf_find_tenant_by_domain(e->conf, from->url_host);
	if (!t) { /* only with answer_strangers */
		refuse(e, msg, 403, EDGE_REFUSED_STRANGER);
		return false;
	}
	auth = auth_check(e, sip, "INVITE", t, true, &msg_addr(msg)->su_sa);
	if (auth.verdict == AUTH_OK && !auth.is_trunk)
		auth.verdict = AUTH_DENIED;
	if (auth.verdict != AUTH_OK) {
		auth_refuse(e, msg, t, auth.verdict);
		return false;
	}
	return take(e, msg, auth.user, c);
}

static bool admit(struct edge *e, msg_t *msg, const sip_t *sip, struct caller *c)
{
	const struct tenant *t = agent_claimed(e, sip);

	if (!sip_user_normalise(c->called, sip->sip_request->rq_url->url_user)) {
		refuse(e, msg, 484, EDGE_REFUSED_NUMBER);
		return false;
	}
	if (t)
		return by_agent(e, msg, sip, t, c);
	if (tenantconf_address_known(e->conf, &msg_addr(msg)->su_sa))
		return take(e, msg, NULL, c);
	return by_trunk_user(e, msg, sip, c);
}

/* ---- the new leg ---- */

static void fill_caller(struct dialog *d, const sip_t *sip, const struct caller *c)
{
	const sip_p_asserted_identity_t *pai = c->trunk ? sip_p_asserted_identity(sip) : NULL;
	const url_t *url = pai ? pai->paid_url : sip->sip_from->a_url;
	const char *display = pai && pai->paid_display ? pai->paid_display : sip->sip_from->a_display;

	if (!sip_user_normalise(d->caller, url->url_user) &&
	    !sip_user_normalise(d->caller, sip->sip_from->a_url->url_user))
		str_copy(d->caller, sizeof(d->caller), "anonymous");
	sip_name_plain(d->caller_name, display);
	str_copy(d->called, sizeof(d->called), c->called);
	str_copy(d->agent_id, sizeof(d->agent_id), c->agent_id);
	str_copy(d->trunk_id, sizeof(d->trunk_id), c->trunk ? c->trunk->id : "");
}

static int on_ack_cancel(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	struct dialog_input in = { .sdp = sip ? glue_body(sip) : (struct edge_bytes){ NULL, 0 } };

	if (!sip) {
		nta_incoming_destroy(irq);
		d->invite = NULL;
		dialog_event(d, LEG_EV_NO_ACK, NULL);
	} else if (sip->sip_request->rq_method == sip_method_cancel) {
		dialog_event(d, LEG_EV_CANCEL, NULL);
	} else if (sip->sip_request->rq_method == sip_method_ack) {
		nta_incoming_destroy(irq);
		d->invite = NULL;
		if (!d->late_offer || !indialog_sdp_ok(sip))
			in.sdp = (struct edge_bytes){ NULL, 0 };
		else if (!blob_set(&d->remote_sdp, in.sdp))
			in.sdp.size = 0;
		dialog_event(d, LEG_EV_ACK, &in);
	}
	return 0;
}

/* Takes msg over, whatever happens. */
static bool make_transaction(struct dialog *d, msg_t *msg, sip_t *sip)
{
	struct edge *e = d->edge;

	d->leg =
	    nta_leg_tcreate(e->agent, indialog_request, d, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_to),
			    SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (!d->leg || !nta_leg_tag(d->leg, NULL) ||
	    nta_leg_server_route(d->leg, sip->sip_record_route, sip->sip_contact) < 0) {
		nta_msg_treply(e->agent, msg, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		return false;
	}
	indialog_nat(d, msg, sip);
	d->invite = nta_incoming_create(e->agent, d->leg, msg, sip, TAG_END());
	if (!d->invite)
		return false;
	nta_incoming_bind(d->invite, on_ack_cancel, d);
	/* 100 Trying is sent by nta if no other answer went within 200 ms (RFC 3261 §17.2.1). */
	return adopt_remember(d, sip->sip_call_id, sip->sip_to, sip->sip_from);
}

static void offer(struct edge *e, msg_t *msg, sip_t *sip, const struct caller *c)
{
	struct dialog *d = dialog_new(e, c->tenant->id, "", "", false);
	struct edge_bytes sdp = glue_body(sip);
	struct dialog_input in;
	struct log_ctx log;

	if (!d || !blob_set(&d->remote_sdp, sdp)) {
		if (d)
			dialog_free(d);
		inbound_overloaded(e, msg);
		return;
	}
	admission_taken(&e->admission);
	fill_caller(d, sip, c);
	if (c->trunk && trunk_use_take(&d->trunk_use, e->trunks, d->tenant, c->trunk->id, c->trunk->max_calls)) {
		dialog_free(d);
		refuse(e, msg, 486, EDGE_REFUSED_OVERLOAD); /* the caller hears busy; other tenants notice nothing */
		return;
	}
	d->late_offer = sdp.size == 0;
	d->peer_updates = glue_allows(sip, "UPDATE");
	edge_contact(e, glue_transport(sip), d->contact);
	session_as_server(sip, (uint32_t)e->cfg.session_expires_s, &d->session);
	if (!make_transaction(d, msg, sip)) {
		dialog_free(d);
		return;
	}
	log = dialog_log(d);
	LOG_DEBUG(&log, "leg.offered", "caller=%s called=%s trunk=%s agent=%s sip_call_id=%s", LOG_Q(d->caller),
		  LOG_Q(d->called), d->trunk_id, d->agent_id, LOG_Q(sip->sip_call_id->i_id));
	in = (struct dialog_input){ .reason = sip->sip_call_id->i_id };
	dialog_event(d, LEG_EV_INVITE, &in);
}

void inbound_invite(struct edge *e, msg_t *msg, sip_t *sip)
{
	struct caller c = { .tenant = NULL };
	struct sesstimer session;

	if (!admit(e, msg, sip, &c))
		return;
	if (sip->sip_payload && !indialog_sdp_ok(sip)) {
		refuse(e, msg, 488, EDGE_REFUSED_MALFORMED);
		return;
	}
	if (!session_as_server(sip, (uint32_t)e->cfg.session_expires_s, &session)) {
		nta_msg_treply(e->agent, msg, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_MIN_SE_STR(SESSION_MIN_TEXT),
			       SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
		return;
	}
	offer(e, msg, sip, &c);
}

/* ---- answers ---- */

void inbound_provisional(struct dialog *d, struct edge_bytes sdp)
{
	bool early = sdp.size > 0;

	if (early && !blob_set(&d->local_sdp, sdp))
		return;
	nta_incoming_treply(d->invite, early ? 183 : 180, NULL, SIPTAG_CONTACT_STR(d->contact),
			    SIPTAG_ALLOW_STR(EDGE_ALLOW), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(early, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
			    TAG_IF(early, SIPTAG_PAYLOAD_STR(d->local_sdp.text)), TAG_END());
	sip_root_kick(d->edge->root);
}

void inbound_accept(struct dialog *d, struct edge_bytes sdp)
{
	char expires[64];

	if (!blob_set(&d->local_sdp, sdp)) {
		inbound_refuse(d, 500, "", 0);
		return;
	}
	session_text(expires, &d->session, true);
	nta_incoming_treply(d->invite, SIP_200_OK, SIPTAG_CONTACT_STR(d->contact), SIPTAG_ALLOW_STR(EDGE_ALLOW),
			    SIPTAG_SUPPORTED_STR("timer"), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(d->session.require, SIPTAG_REQUIRE_STR("timer")),
			    TAG_IF(d->session.interval_s, SIPTAG_SESSION_EXPIRES_STR(expires)),
			    SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(d->local_sdp.text),
			    TAG_END());
	sip_root_kick(d->edge->root);
}

void inbound_refuse(struct dialog *d, unsigned status, const char *reason, unsigned retry_after_s)
{
	char after[16], text[320];

	if (status < 400 || status > 699)
		status = 480;
	snprintf(after, sizeof(after), "%u", retry_after_s);
	snprintf(text, sizeof(text), "SIP;cause=%u;text=\"%s\"", status,
		 reason && !strpbrk(reason, "\"\\") ? reason : "");
	nta_incoming_treply(d->invite, (int)status, sip_status_phrase((int)status), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(retry_after_s, SIPTAG_RETRY_AFTER_STR(after)),
			    TAG_IF(reason && reason[0], SIPTAG_REASON_STR(text)), TAG_END());
	sip_root_kick(d->edge->root);
}
