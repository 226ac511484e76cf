/* Inbound legs: whose call is it, the offer, and the answers to the caller's INVITE. */
#include "nta_glue.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "indialog_nta.h"
#include "session_nta.h"
#include "trunk_use.h"

#include <arpa/inet.h>
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

const char *inbound_share(const struct edge *e, msg_t *msg, const sip_t *sip, char share[SHARE_NAME])
{
	const url_t *to = sip->sip_request->rq_url, *from = sip->sip_from->a_url;
	char called[SIP_USER_MAX];
	struct tenantconf_inbound in;
	const struct tenant *t;

	if (tenantconf_address_known(e->conf, &msg_addr(msg)->su_sa)) {
		if (!sip_user_normalise(called, to->url_user) ||
		    tenantconf_find_inbound(e->conf, &msg_addr(msg)->su_sa, NULL, called, &in))
			return "";
		return in.tenant->id;
	}
	t = to->url_host ? tenantconf_find_tenant_by_domain(e->conf, to->url_host) : NULL;
	if (!t && from->url_host)
		t = tenantconf_find_tenant_by_domain(e->conf, from->url_host);
	if (!t)
		return "";
	snprintf(share, SHARE_NAME, "%c%s", SHARE_UNPROVEN, t->id);
	return share;
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
		/* What is no number and no name of ours is nobody; 484 would ask for more digits. */
		refuse(e, msg, str_empty(sip->sip_request->rq_url->url_user) ? 484 : 404, EDGE_REFUSED_NUMBER);
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

/* Takes msg over, whatever happens. tag and by: of an earlier life; NULL: a new tag, and the socket that msg has just come by. */
static bool make_transaction(struct dialog *d, msg_t *msg, sip_t *sip, const char *tag, tport_t *by)
{
	struct edge *e = d->edge;

	d->leg =
	    nta_leg_tcreate(e->agent, indialog_request, d, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_to),
			    SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (!d->leg || !nta_leg_tag(d->leg, tag) ||
	    nta_leg_server_route(d->leg, sip->sip_record_route, sip->sip_contact) < 0) {
		if (by)
			msg_destroy(msg);
		else
			nta_msg_treply(e->agent, msg, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		return false;
	}
	indialog_nat(d, msg, sip);
	d->invite = nta_incoming_create(e->agent, d->leg, msg, sip, NTATAG_TPORT(by), TAG_END());
	if (!d->invite)
		return false;
	nta_incoming_bind(d->invite, on_ack_cancel, d);
	/* 100 Trying is sent by nta if no other answer went within 200 ms (RFC 3261 §17.2.1). */
	return adopt_remember(d, sip->sip_call_id, sip->sip_to, sip->sip_from);
}

/* Whoever is killed now is not the end of the call: call-control keeps what the next life needs to answer this INVITE. Too large, or
 * no memory: then it has nothing. */
static void remember_invite(struct dialog *d)
{
	su_home_t home[1] = { SU_HOME_INIT(home) };
	msg_t *msg = nta_incoming_getrequest(d->invite);
	struct str out = STR_INIT;
	char source[GLUE_ROUTE];
	size_t size = 0;
	char *text;

	su_home_init(home);
	glue_address(msg, source);
	text = msg_as_string(home, msg, NULL, 0, &size);
	if (text && size <= EDGE_INVITE_MAX)
		edge_wire_invite_to_pb(&out, &(struct invite_record){ .request = { text, size },
								      .source = source,
								      .to_tag = nta_leg_get_tag(d->leg),
								      .trunk_id = d->trunk_id,
								      .agent_id = d->agent_id,
								      .called = d->called });
	if (!out.failed && out.len <= EDGE_INVITE_MAX)
		(void)blob_set(&d->kept_invite, (struct edge_bytes){ out.data, out.len });
	str_done(&out);
	msg_destroy(msg);
	su_home_deinit(home);
}

static void fill_dialog(struct dialog *d, const sip_t *sip)
{
	struct edge *e = d->edge;

	d->late_offer = glue_body(sip).size == 0;
	d->peer_updates = glue_allows(sip, "UPDATE");
	edge_contact(e, glue_transport(sip), d->contact);
	session_as_server(sip, (uint32_t)e->cfg.session_expires_s, &d->session);
}

static void offer(struct edge *e, msg_t *msg, sip_t *sip, const struct caller *c)
{
	struct dialog *d = dialog_new(e, c->tenant->id, "", "", false);
	struct edge_bytes sdp = glue_body(sip);
	struct dialog_input in;
	char share[SHARE_NAME];
	struct log_ctx log;

	if (!d || !blob_set(&d->remote_sdp, sdp)) {
		if (d)
			dialog_free(d);
		inbound_overloaded(e, msg);
		return;
	}
	admission_taken(&e->admission, inbound_share(e, msg, sip, share));
	fill_caller(d, sip, c);
	if (c->trunk && trunk_use_take(&d->trunk_use, e->trunks, d->tenant, c->trunk->id, c->trunk->max_calls)) {
		dialog_free(d);
		refuse(e, msg, 486, EDGE_REFUSED_OVERLOAD); /* the caller hears busy; other tenants notice nothing */
		return;
	}
	glue_keep_connection(e, msg);
	fill_dialog(d, sip);
	if (!make_transaction(d, msg, sip, NULL, NULL)) {
		dialog_free(d);
		return;
	}
	remember_invite(d);
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

/* ---- in another life ---- */

struct revival {
	struct edge *edge;
	const struct edge_command *command;
	const char *owner;
	bool done;
};

/* "10.0.0.1:5062", "[2001:db8::1]:5062" */
static bool set_source(msg_t *msg, const char *text)
{
	char host[GLUE_ROUTE];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : sizeof(host);
	bool six = text[0] == '[';
	su_sockaddr_t a = { 0 };

	if (n >= sizeof(host) || n < 3)
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(six ? n - 2 : n), text + (six ? 1 : 0));
	a.su_family = six ? AF_INET6 : AF_INET;
	a.su_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(a.su_family, host, six ? (void *)&a.su_sin6.sin6_addr : (void *)&a.su_sin.sin_addr) != 1)
		return false;
	return msg_set_address(msg, &a, six ? sizeof(a.su_sin6) : sizeof(a.su_sin)) >= 0;
}

/* The socket by which answers go to where the request came from. */
static tport_t *way_back(const struct edge *e, const sip_t *sip, msg_t *msg)
{
	char host[GLUE_ROUTE], port[8];
	tp_name_t name = { .tpn_proto = glue_transport(sip), .tpn_canon = host, .tpn_host = host, .tpn_port = port };

	glue_host(msg, host);
	snprintf(port, sizeof(port), "%u", ntohs(msg_addr(msg)->su_port));
	return tport_by_name(nta_agent_tports(e->agent), &name);
}

/* Takes msg over. */
static struct dialog *revived(struct revival *v, const struct invite_record *r, msg_t *msg, sip_t *sip, tport_t *by)
{
	const struct edge_command *c = v->command;
	struct edge *e = v->edge;
	struct dialog *d = dialog_new(e, c->tenant, c->call_id, c->leg_id, false);
	const struct tenant *t = tenantconf_find_tenant(e->conf, c->tenant);
	struct caller who = { .tenant = t, .trunk = t && r->trunk_id[0] ? tenant_find_trunk(t, r->trunk_id) : NULL };

	if (!d || !blob_set(&d->remote_sdp, glue_body(sip))) {
		msg_destroy(msg);
		if (d)
			dialog_free(d);
		return NULL;
	}
	dialog_claim(d); /* no offer: its owner is known */
	d->epoch = c->epoch;
	str_copy(d->owner, sizeof(d->owner), v->owner);
	str_copy(who.agent_id, sizeof(who.agent_id), r->agent_id);
	str_copy(who.called, sizeof(who.called), r->called);
	fill_caller(d, sip, &who);
	str_copy(d->trunk_id, sizeof(d->trunk_id), r->trunk_id);
	fill_dialog(d, sip);
	/* It was within its trunk's limit when it came. */
	if ((d->trunk_id[0] && trunk_use_take(&d->trunk_use, e->trunks, d->tenant, d->trunk_id, 0)) ||
	    !make_transaction(d, msg, sip, r->to_tag, by)) {
		dialog_free(d);
		return NULL;
	}
	return d;
}

static void on_record(const struct invite_record *r, void *arg)
{
	struct revival *v = arg;
	struct edge *e = v->edge;
	msg_t *msg = msg_make(sip_default_mclass(), 0, r->request.data, (ssize_t)r->request.size);
	sip_t *sip = msg ? sip_object(msg) : NULL;
	struct dialog *d;
	struct log_ctx log;
	tport_t *by;

	if (!sip || !sip->sip_request || sip->sip_request->rq_method != sip_method_invite || sip_sanity_check(sip) ||
	    !set_source(msg, r->source) || !(by = way_back(e, sip, msg))) {
		if (msg)
			msg_destroy(msg);
		return;
	}
	/* The caller has asked again meanwhile, and is a new call. */
	if (nta_incoming_find(e->agent, sip, sip->sip_via)) {
		msg_destroy(msg);
		return;
	}
	d = revived(v, r, msg, sip, by);
	if (!d)
		return;
	d->state = LEG_OFFERED;
	v->done = true;
	metric_add(&edge_metric_revived, 1);
	log = dialog_log(d);
	LOG_INFO(&log, "leg.revived", "caller=%s called=%s trunk=%s owner=%s epoch=%llu", LOG_Q(d->caller),
		 LOG_Q(d->called), d->trunk_id, d->owner, (unsigned long long)d->epoch);
	dialog_tell_state(d);
}

bool inbound_revive(struct edge *e, const struct edge_command *c, const char *owner)
{
	struct revival v = { .edge = e, .command = c, .owner = owner };

	if (e->draining || e->n_dialogs >= (size_t)e->cfg.max_legs)
		return false;
	if (edge_wire_invite_from_pb(c->invite, on_record, &v)) {
		metric_add(&edge_metric_commands_bad, 1);
		LOG_WARN(NULL, "invite.invalid", "leg=%s", LOG_Q(c->leg_id));
	}
	return v.done;
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
