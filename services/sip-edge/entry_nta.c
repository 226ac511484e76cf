/* Where messages come in that belong to no transaction and no dialog of ours: judge, know the sender, dispatch. */
#include "nta_glue.h"
#include "ack.h"
#include "base/clock.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "indialog_nta.h"
#include "sip/judge.h"
#include "store.h"

#include <string.h>

#define REVIVING_MS 10000 /* after the start: by then call-control has given back what was not answered */

static void drop(struct edge *e, msg_t *msg, enum edge_refusal why)
{
	edge_metrics_refused(why);
	nta_msg_discard(e->agent, msg);
}

/* An answer to an INVITE of an earlier life. Of a dialog that was adopted: its ACK was lost or never sent. Of one that was not:
 * nobody wants the call any more, so it is acknowledged and ended. */
static void late_answer(struct edge *e, msg_t *msg, const sip_t *sip)
{
	struct dialog *d;
	nta_leg_t *leg;

	if (sip->sip_cseq->cs_method != sip_method_invite || sip->sip_status->st_status / 100 != 2 ||
	    !sip->sip_to->a_tag) {
		nta_msg_discard(e->agent, msg);
		return;
	}
	leg = nta_leg_by_dialog(e->agent, NULL, sip->sip_call_id, sip->sip_to->a_tag, NULL, sip->sip_from->a_tag, NULL);
	if (leg) {
		d = nta_leg_magic(leg, indialog_request);
		if (d && d->ack)
			ack_now(d);
		else
			outbound_ack_stray(leg, d ? indialog_route(d) : NULL, msg, sip);
	} else if (store_synced(e->store) && outbound_ours(e, sip) && !bucket_take(&e->strays, clock_mono_ms())) {
		outbound_end_stray(e, msg, sip);
	}
	nta_msg_discard(e->agent, msg);
}

static void refuse_judged(struct edge *e, msg_t *msg, const struct judgement *j)
{
	edge_metrics_refused(EDGE_REFUSED_MALFORMED);
	nta_msg_treply(e->agent, msg, (int)j->status, j->phrase, SIPTAG_SERVER_STR(EDGE_SERVER),
		       TAG_IF(j->header[0], SIPTAG_HEADER_STR(j->header)), TAG_END());
}

static void refuse(struct edge *e, msg_t *msg, int status)
{
	edge_metrics_refused(EDGE_REFUSED_METHOD);
	nta_msg_treply(e->agent, msg, status, sip_status_phrase(status), SIPTAG_SERVER_STR(EDGE_SERVER),
		       TAG_IF(status == 405, SIPTAG_ALLOW_STR(EDGE_ALLOW)), TAG_END());
}

static void options(struct edge *e, msg_t *msg)
{
	bool busy = e->draining || admission_limits(&e->admission) || edge_overloaded(e);

	if (tenantconf_address_known(e->conf, &msg_addr(msg)->su_sa))
		glue_keep_connection(e, msg);

	nta_msg_treply(e->agent, msg, busy ? 503 : 200, busy ? "Service Unavailable" : "OK",
		       SIPTAG_ALLOW_STR(EDGE_ALLOW), SIPTAG_ACCEPT_STR("application/sdp"),
		       SIPTAG_SUPPORTED_STR("timer"), SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
}

static void request(struct edge *e, msg_t *msg, sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;

	/* The INVITE may be one of our life before, about to be revived: who hears nothing asks again. */
	if (method == sip_method_cancel && clock_mono_ms() - e->born_ms < REVIVING_MS) {
		nta_msg_discard(e->agent, msg);
		return;
	}
	if (sip->sip_to->a_tag || method == sip_method_cancel) { /* of a dialog or transaction that is not here */
		nta_msg_treply(e->agent, msg, SIP_481_NO_CALL, SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
		return;
	}
	switch (method) {
	case sip_method_invite:
		inbound_invite(e, msg, sip);
		return;
	case sip_method_register:
		register_request(e, msg, sip);
		return;
	case sip_method_options:
		options(e, msg);
		return;
	case sip_method_unknown:
		refuse(e, msg, 501);
		return;
	default:
		refuse(e, msg, 405);
	}
}

/* Just started: the dialogs of the life before, the tenants and their telephones are still being read. A 481 or 404 would end calls
 * that are only a moment away; who hears nothing asks again (RFC 3261, 17.1). Without a bus that moment may be long: then a new
 * call is told so. */
static bool waking(const struct edge *e, const sip_t *sip)
{
	if (e->store && store_synced(e->store) && tenantconf_synced(e->conf))
		return false;
	return sip->sip_to->a_tag || sip->sip_request->rq_method == sip_method_cancel || bus_connected(e->bus);
}

/* About to end: what is new is for the next process on this address, which hears it when it is said again; over TCP and TLS nobody says
 * it again. */
static bool going(const struct edge *e, const sip_t *sip)
{
	return e->hand_over_ms && !sip->sip_to->a_tag && str_eq(glue_transport(sip), "udp");
}

/* A call that we have no time for: refused with as little work as can be. Nothing of a dialog comes here. */
static bool refused_unread(struct edge *e, msg_t *msg, const sip_t *sip)
{
	char share[SHARE_NAME];

	if (!sip->sip_request || sip->sip_request->rq_method != sip_method_invite || !sip->sip_to ||
	    sip->sip_to->a_tag || !sip->sip_from || !sip->sip_call_id || !sip->sip_cseq || !sip->sip_via)
		return false;
	if ((!e->draining || going(e, sip)) && !edge_overloaded(e) &&
	    admission_open(&e->admission, inbound_share(e, msg, sip, share), clock_mono_ms()))
		return false;
	if (!e->cfg.answer_strangers && glue_stranger(e, msg, sip))
		drop(e, msg, EDGE_REFUSED_STRANGER);
	else
		inbound_overloaded(e, msg);
	return true;
}

int entry_message(struct edge *e, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	struct judgement j;

	(void)agent;
	if (refused_unread(e, msg, sip))
		return 0;
	j = judge_message(sip, msg);
	if (j.verdict == JUDGE_DROP) {
		drop(e, msg, EDGE_REFUSED_MALFORMED);
	} else if (sip->sip_status) {
		late_answer(e, msg, sip);
	} else if (sip->sip_request->rq_method == sip_method_ack) {
		nta_msg_discard(e->agent, msg); /* of an answer given without state */
	} else if (waking(e, sip) || going(e, sip)) {
		nta_msg_discard(e->agent, msg);
	} else if (!e->cfg.answer_strangers && glue_stranger(e, msg, sip)) {
		drop(e, msg, EDGE_REFUSED_STRANGER);
	} else if (j.verdict == JUDGE_REFUSE) {
		refuse_judged(e, msg, &j);
	} else {
		request(e, msg, sip);
	}
	return 0;
}
