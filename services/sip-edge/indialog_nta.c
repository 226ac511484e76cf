/* Requests within a dialog: BYE, re-INVITE, UPDATE, session refresh, both ways. */
#include "indialog_nta.h"
#include "ack.h"
#include "base/str.h"
#include "edge_metrics.h"
#include "farewell.h"
#include "session_nta.h"
#include "sip/judge.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct edge_bytes no_bytes;

bool indialog_sdp_ok(const sip_t *sip)
{
	struct edge_bytes b = glue_body(sip);

	return b.size && b.size <= EDGE_SDP_MAX && !memchr(b.data, 0, b.size) && sip->sip_content_type &&
	       sip->sip_content_type->c_type && strcasecmp(sip->sip_content_type->c_type, "application/sdp") == 0;
}

/* Of the proxies between us the one next to us: the first in a request, the last in an answer. */
static const url_t *next_hop(const sip_t *sip)
{
	const sip_record_route_t *r = sip->sip_record_route;

	if (!r)
		return sip->sip_contact ? sip->sip_contact->m_url : NULL;
	while (sip->sip_status && r->r_next)
		r = r->r_next;
	return r->r_url;
}

void indialog_nat(struct dialog *d, msg_t *msg, const sip_t *sip)
{
	d->route[0] = '\0';
	if (glue_named(next_hop(sip)) || (!sip->sip_record_route && glue_behind_nat(msg, sip)))
		glue_source(msg, sip, d->route);
}

void indialog_peer(struct dialog *d, msg_t *msg, const sip_t *sip)
{
	if (msg && !d->route[0] && glue_named(next_hop(sip)))
		glue_source(msg, sip, d->route);
	msg_destroy(msg);
}

const url_string_t *indialog_route(const struct dialog *d)
{
	return d->route[0] ? URL_STRING_MAKE(d->route) : NULL;
}

static void reply(nta_incoming_t *irq, int status, const char *phrase)
{
	nta_incoming_treply(irq, status, phrase ? phrase : sip_status_phrase(status), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(status == 405, SIPTAG_ALLOW_STR(EDGE_ALLOW)), TAG_END());
	nta_incoming_destroy(irq);
}

static void reply_later(nta_incoming_t *irq)
{
	nta_incoming_treply(irq, SIP_500_INTERNAL_SERVER_ERROR, SIPTAG_RETRY_AFTER_STR("3"),
			    SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
	nta_incoming_destroy(irq);
}

/* ---- their offers ---- */

/* 200 to a re-INVITE or UPDATE, with the session timer it asked for. */
static void reply_session(struct dialog *d, nta_incoming_t *irq, const sip_t *sip, const char *sdp)
{
	char expires[64];

	(void)session_as_server(sip, (uint32_t)d->edge->cfg.session_expires_s, &d->session);
	session_text(expires, &d->session, true);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT_STR(d->contact), SIPTAG_ALLOW_STR(EDGE_ALLOW),
			    SIPTAG_SUPPORTED_STR("timer"), SIPTAG_SERVER_STR(EDGE_SERVER),
			    TAG_IF(d->session.require, SIPTAG_REQUIRE_STR("timer")),
			    SIPTAG_SESSION_EXPIRES_STR(expires),
			    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
			    TAG_IF(sdp, SIPTAG_PAYLOAD_STR(sdp)), TAG_END());
	if (sip->sip_contact)
		nta_leg_server_route(d->leg, NULL, sip->sip_contact);
	indialog_peer(d, nta_incoming_getrequest(irq), sip);
	dialog_refreshed(d);
}

static int on_reinvite_ack(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	struct dialog_input in = { .sdp = no_bytes };
	bool late = d->reoffer_late;

	nta_incoming_destroy(irq);
	d->reinvite = NULL;
	if (!sip) {
		dialog_event(d, LEG_EV_LOST, NULL);
	} else if (sip->sip_request->rq_method == sip_method_cancel) {
		dialog_renego(d, RENEGO_EV_OFFER_GONE, NULL);
	} else {
		if (late && indialog_sdp_ok(sip) && blob_set(&d->remote_sdp, glue_body(sip))) {
			in.sdp = glue_body(sip);
			dialog_tell(d, &(struct edge_event){ .kind = EDGE_EV_ANSWERED, .sdp = in.sdp });
		}
		dialog_renego(d, RENEGO_EV_ACK, &in);
	}
	return 0;
}

static int on_refresh_ack(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	nta_incoming_destroy(irq);
	d->refresh_in = NULL;
	if (!sip)
		dialog_event(d, LEG_EV_LOST, NULL);
	return 0;
}

void indialog_reanswer(struct dialog *d, unsigned status, struct edge_bytes sdp, bool retry_after)
{
	nta_incoming_t *irq = d->reinvite;
	msg_t *msg = irq ? nta_incoming_getrequest(irq) : NULL;
	const sip_t *sip = msg ? sip_object(msg) : NULL;

	if (!sip)
		return;
	if (status == 200 && blob_set(&d->local_sdp, sdp)) {
		if (!d->reoffer_late)
			(void)blob_set(&d->remote_sdp, glue_body(sip));
		reply_session(d, irq, sip, d->local_sdp.text);
	} else {
		nta_incoming_treply(irq, status == 200 ? 500 : (int)status, NULL, SIPTAG_SERVER_STR(EDGE_SERVER),
				    TAG_IF(retry_after, SIPTAG_RETRY_AFTER_STR("3")), TAG_END());
	}
	if (status != 200 || d->reoffer_update) {
		nta_incoming_destroy(irq);
		d->reinvite = NULL;
	}
	msg_destroy(msg);
	sip_root_kick(d->edge->root);
}

static bool same_session(const struct dialog *d, const sip_t *sip)
{
	struct edge_bytes b = glue_body(sip);

	return d->renego == RENEGO_IDLE && d->local_sdp.text && b.size && b.size == d->remote_sdp.size &&
	       memcmp(b.data, d->remote_sdp.text, b.size) == 0;
}

/* Nothing new in it, only alive: call-control need not be asked. */
static void answer_refresh(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	if (d->refresh_in)
		nta_incoming_destroy(d->refresh_in);
	d->refresh_in = irq;
	nta_incoming_bind(irq, on_refresh_ack, d);
	reply_session(d, irq, sip, d->local_sdp.text);
}

static void take_offer(struct dialog *d, nta_incoming_t *irq, const sip_t *sip, bool update)
{
	struct dialog_input in = { .sdp = glue_body(sip) };
	enum renego_state before = d->renego;

	if (before == RENEGO_OURS || before == RENEGO_THEIRS) {
		if (dialog_renego(d, RENEGO_EV_OFFER, &in) & RENEGO_REPLY_491)
			reply(irq, SIP_491_REQUEST_PENDING);
		else
			reply_later(irq);
		return;
	}
	if (d->reinvite) /* its ACK never came; the new one supersedes it */
		nta_incoming_destroy(d->reinvite);
	d->reinvite = irq;
	d->reoffer_update = update;
	d->reoffer_late = in.sdp.size == 0;
	if (!update) {
		nta_incoming_bind(irq, on_reinvite_ack, d);
		nta_incoming_treply(irq, SIP_100_TRYING, TAG_END());
	}
	dialog_renego(d, RENEGO_EV_OFFER, &in);
}

static void on_invite(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	struct sesstimer session;
	bool body = glue_body(sip).size > 0;

	if (!sip->sip_to->a_tag)
		reply(irq, 482, "Request Merged");
	else if (d->state == LEG_CLOSING || d->state == LEG_HANGING || d->state == LEG_CANCELLING)
		reply(irq, SIP_481_NO_CALL);
	else if (d->state != LEG_UP)
		reply_later(irq);
	else if (body && !indialog_sdp_ok(sip))
		reply(irq, SIP_488_NOT_ACCEPTABLE);
	else if (!session_as_server(sip, (uint32_t)d->edge->cfg.session_expires_s, &session)) {
		nta_incoming_treply(irq, SIP_422_SESSION_TIMER_TOO_SMALL, SIPTAG_MIN_SE_STR(SESSION_MIN_TEXT),
				    TAG_END());
		nta_incoming_destroy(irq);
	} else if (same_session(d, sip))
		answer_refresh(d, irq, sip);
	else
		take_offer(d, irq, sip, false);
}

static void on_update(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	if (glue_body(sip).size) {
		if (d->state != LEG_UP)
			reply_later(irq);
		else if (!indialog_sdp_ok(sip))
			reply(irq, SIP_488_NOT_ACCEPTABLE);
		else if (same_session(d, sip)) {
			reply_session(d, irq, sip, d->local_sdp.text);
			nta_incoming_destroy(irq);
		} else
			take_offer(d, irq, sip, true);
		return;
	}
	if (d->state == LEG_UP) {
		reply_session(d, irq, sip, NULL);
		nta_incoming_destroy(irq);
	} else {
		reply(irq, SIP_200_OK);
	}
}

static void on_bye(struct dialog *d, nta_incoming_t *irq)
{
	struct dialog_input in = { .status = 487 };

	reply(irq, SIP_200_OK);
	dialog_event(d, LEG_EV_BYE, &in);
}

static void dispatch(struct dialog *d, nta_incoming_t *irq, const sip_t *sip)
{
	switch (sip->sip_request->rq_method) {
	case sip_method_bye:
		on_bye(d, irq);
		return;
	case sip_method_invite:
		on_invite(d, irq, sip);
		return;
	case sip_method_update:
		on_update(d, irq, sip);
		return;
	case sip_method_options:
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_ALLOW_STR(EDGE_ALLOW), SIPTAG_ACCEPT_STR("application/sdp"),
				    SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
		nta_incoming_destroy(irq);
		return;
	case sip_method_ack: /* of a transaction that is gone */
		nta_incoming_destroy(irq);
		return;
	case sip_method_unknown:
		edge_metrics_refused(EDGE_REFUSED_METHOD);
		reply(irq, 501, NULL);
		return;
	default: /* REFER, INFO, NOTIFY …: not ours */
		edge_metrics_refused(EDGE_REFUSED_METHOD);
		reply(irq, 405, NULL);
	}
}

int indialog_request(struct dialog *d, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	msg_t *msg = nta_incoming_getrequest(irq);
	struct judgement j = judge_message(sip, msg);

	(void)leg;
	msg_destroy(msg);
	if (j.verdict == JUDGE_PASS) {
		dispatch(d, irq, sip);
		return 0;
	}
	edge_metrics_refused(EDGE_REFUSED_MALFORMED);
	if (j.verdict == JUDGE_REFUSE)
		nta_incoming_treply(irq, (int)j.status, j.phrase, SIPTAG_SERVER_STR(EDGE_SERVER),
				    TAG_IF(j.header[0], SIPTAG_HEADER_STR(j.header)), TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

/* ---- our requests ---- */

static unsigned final_status(const nta_outgoing_t *orq, const sip_t *sip)
{
	return sip && sip->sip_status ? (unsigned)sip->sip_status->st_status : (unsigned)nta_outgoing_status(orq);
}

static void target_uri(const struct dialog *d, char dst[512])
{
	const sip_contact_t *target = NULL;

	nta_leg_get_route(d->leg, NULL, &target);
	if (!target || url_e(dst, 512, target->m_url) <= 0)
		snprintf(dst, 512, "sip:%s", d->edge->host);
}

void indialog_ack(struct dialog *d, uint32_t invite_cseq, const sip_t *invite)
{
	const char *branch = invite && invite->sip_via ? invite->sip_via->v_branch : NULL;
	const sip_authorization_t *user = branch ? invite->sip_authorization : NULL;
	const sip_proxy_authorization_t *proxy = branch ? invite->sip_proxy_authorization : NULL;
	nta_outgoing_t *ack;
	sip_cseq_t cseq[1];

	sip_cseq_init(cseq);
	cseq->cs_seq = invite_cseq;
	cseq->cs_method = sip_method_ack;
	cseq->cs_method_name = sip_method_name_ack;
	ack = nta_outgoing_tcreate(d->leg, NULL, NULL, indialog_route(d), SIP_METHOD_ACK, NULL, SIPTAG_CSEQ(cseq),
				   TAG_IF(branch, NTATAG_ACK_BRANCH(branch)), TAG_IF(user, SIPTAG_AUTHORIZATION(user)),
				   TAG_IF(proxy, SIPTAG_PROXY_AUTHORIZATION(proxy)), TAG_END());
	nta_outgoing_destroy(ack); /* nta keeps it for retransmitted 2xx */
}

static int on_bye_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip);

static void send_bye(struct dialog *d, const char *reason, const char *credentials)
{
	char text[320];

	snprintf(text, sizeof(text), "Q.850;cause=16;text=\"%s\"", reason && !strpbrk(reason, "\"\\") ? reason : "");
	ack_now(d);
	d->bye = nta_outgoing_tcreate(d->leg, on_bye_reply, d, indialog_route(d), SIP_METHOD_BYE, NULL,
				      SIPTAG_USER_AGENT_STR(EDGE_SERVER),
				      TAG_IF(reason && reason[0], SIPTAG_REASON_STR(text)),
				      TAG_IF(credentials, SIPTAG_HEADER_STR(credentials)), TAG_END());
	sip_root_kick(d->edge->root);
	if (!d->bye)
		dialog_event(d, LEG_EV_BYE_DONE, NULL);
}

static int on_bye_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct dialog *d = magic;
	unsigned status = final_status(orq, sip);
	struct str line = STR_INIT;
	char uri[512];

	if (status < 200)
		return 0;
	nta_outgoing_destroy(orq);
	d->bye = NULL;
	target_uri(d, uri);
	if ((status == 401 || status == 407) && sip && !d->bye_authed &&
	    outbound_authorize(d, sip, "BYE", uri, &line)) {
		d->bye_authed = true;
		send_bye(d, NULL, str_text(&line));
	} else {
		dialog_event(d, LEG_EV_BYE_DONE, NULL);
	}
	str_done(&line);
	return 0;
}

void indialog_bye(struct dialog *d, const char *reason)
{
	send_bye(d, reason, NULL);
}

static int on_reinvite_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip);

static void send_reinvite(struct dialog *d, const struct blob *sdp, const char *credentials)
{
	char expires[64];

	session_text(expires, &d->session, false);
	ack_now(d);
	d->reinvite_out = nta_outgoing_tcreate(d->leg, on_reinvite_reply, d, indialog_route(d), SIP_METHOD_INVITE, NULL,
					       SIPTAG_CONTACT_STR(d->contact), SIPTAG_ALLOW_STR(EDGE_ALLOW),
					       SIPTAG_SUPPORTED_STR("timer"), SIPTAG_USER_AGENT_STR(EDGE_SERVER),
					       TAG_IF(d->session.interval_s, SIPTAG_SESSION_EXPIRES_STR(expires)),
					       SIPTAG_CONTENT_TYPE_STR("application/sdp"),
					       TAG_IF(credentials, SIPTAG_HEADER_STR(credentials)), NTATAG_PASS_100(1),
					       SIPTAG_PAYLOAD_STR(sdp->text), TAG_END());
	sip_root_kick(d->edge->root);
	if (!d->reinvite_out)
		dialog_renego(d, RENEGO_EV_REFUSED, NULL);
}

void indialog_reinvite(struct dialog *d, const struct blob *sdp, bool refresh)
{
	(void)refresh;
	d->reinvite_authed = false;
	if (sdp->text)
		send_reinvite(d, sdp, NULL);
	else
		dialog_renego(d, RENEGO_EV_REFUSED, NULL);
}

static void reinvite_answered(struct dialog *d, nta_outgoing_t *orq, const sip_t *sip)
{
	struct dialog_input in = { .sdp = indialog_sdp_ok(sip) ? glue_body(sip) : no_bytes };

	if (sip->sip_contact)
		nta_leg_client_reroute(d->leg, NULL, sip->sip_contact, 0);
	indialog_peer(d, nta_outgoing_getresponse(orq), sip);
	indialog_ack(d, sip->sip_cseq->cs_seq, NULL);
	if (in.sdp.size)
		(void)blob_set(&d->remote_sdp, in.sdp);
	session_as_client(sip, (uint32_t)d->edge->cfg.session_expires_s, &d->session);
	dialog_refreshed(d);
	dialog_renego(d, RENEGO_EV_ANSWERED, &in);
}

static bool reinvite_again(struct dialog *d, const sip_t *sip, unsigned status)
{
	struct str line = STR_INIT;
	char uri[512];
	bool again;

	if (!sip || (status != 401 && status != 407) || d->reinvite_authed)
		return false;
	target_uri(d, uri);
	again = outbound_authorize(d, sip, "INVITE", uri, &line);
	d->reinvite_authed = true;
	if (again)
		send_reinvite(d, d->reinvite_is_refresh ? &d->local_sdp : &d->sent_sdp, str_text(&line));
	str_done(&line);
	return again;
}

static int on_reinvite_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct dialog *d = magic;
	unsigned status = final_status(orq, sip);

	if (status < 200)
		return 0;
	d->reinvite_out = NULL;
	if (status < 300) {
		reinvite_answered(d, orq, sip);
		nta_outgoing_destroy(orq);
		return 0;
	}
	if (!reinvite_again(d, sip, status)) {
		if (status == 408 || status == 481) {
			dialog_event(d, status == 408 ? LEG_EV_GONE : LEG_EV_DENIED, NULL);
		} else {
			dialog_refreshed(d); /* refused, but alive */
			dialog_renego(d, status == 491 ? RENEGO_EV_GLARE : RENEGO_EV_REFUSED, NULL);
		}
	}
	nta_outgoing_destroy(orq);
	return 0;
}

static int on_update_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct dialog *d = magic;
	unsigned status = final_status(orq, sip);

	if (status < 200)
		return 0;
	d->refresh_out = NULL;
	nta_outgoing_destroy(orq);
	if (d->state != LEG_UP)
		return 0;
	if (status == 408 || status == 481) {
		dialog_event(d, status == 408 ? LEG_EV_GONE : LEG_EV_DENIED, NULL);
	} else if (status == 405 || status == 501) {
		d->peer_updates = false;
		dialog_renego(d, RENEGO_EV_REFRESH, NULL);
	} else {
		if (status < 300 && sip)
			session_as_client(sip, (uint32_t)d->edge->cfg.session_expires_s, &d->session);
		dialog_refreshed(d);
	}
	return 0;
}

bool indialog_update_refresh(struct dialog *d)
{
	char expires[64];

	if (!d->peer_updates)
		return false;
	if (d->refresh_out)
		return true;
	session_text(expires, &d->session, false);
	d->refresh_out =
	    nta_outgoing_tcreate(d->leg, on_update_reply, d, indialog_route(d), SIP_METHOD_UPDATE, NULL,
				 SIPTAG_CONTACT_STR(d->contact), SIPTAG_SUPPORTED_STR("timer"),
				 SIPTAG_SESSION_EXPIRES_STR(expires), SIPTAG_USER_AGENT_STR(EDGE_SERVER), TAG_END());
	sip_root_kick(d->edge->root);
	return d->refresh_out != NULL;
}

static void release_out(struct nta_outgoing_s **orq)
{
	if (*orq)
		nta_outgoing_destroy(*orq);
	*orq = NULL;
}

static void release_in(struct nta_incoming_s **irq)
{
	if (*irq)
		nta_incoming_destroy(*irq);
	*irq = NULL;
}

void indialog_release(struct dialog *d)
{
	ack_now(d);
	release_in(&d->invite);
	release_in(&d->reinvite);
	release_in(&d->refresh_in);
	release_out(&d->bye);
	release_out(&d->refresh_out);
	release_out(&d->probe);
	if (d->reinvite_out && nta_outgoing_status(d->reinvite_out) < 200) /* its 2xx must be acknowledged */
		farewell_take(d->edge,
			      &(struct farewell_to){
				  .leg = &d->leg, .invite = &d->reinvite_out, .established = true, .route = d->route });
	release_out(&d->reinvite_out);
	for (size_t i = 0; i < d->n_branches; i++)
		outbound_branch_done(&d->branches[i]);
	if (d->leg)
		nta_leg_destroy(d->leg);
	d->leg = NULL;
}
