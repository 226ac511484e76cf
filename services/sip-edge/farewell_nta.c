#include "farewell.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge_metrics.h"
#include "indialog_nta.h"
#include "sip/judge.h"

struct farewell {
	LIST_ENTRY(farewell) link;
	struct edge *edge;
	nta_leg_t *leg;
	nta_outgoing_t *invite;
	char *reason;
	bool cancel_sent, established;
	char route[GLUE_ROUTE];
};

bool farewell_cancel(nta_outgoing_t *invite, const char *reason)
{
	if (nta_outgoing_status(invite) < 100)
		return false;
	nta_outgoing_tcancel(invite, NULL, NULL, TAG_IF(reason, SIPTAG_REASON_STR(reason)), TAG_END());
	return true;
}

void farewell_end(struct edge *e, nta_leg_t *leg, nta_outgoing_t *invite, const char *route, const sip_t *sip)
{
	struct dialog shadow = { .edge = e, .leg = leg };
	nta_outgoing_t *bye;

	nta_leg_rtag(leg, sip->sip_to->a_tag);
	nta_leg_client_reroute(leg, sip->sip_record_route, sip->sip_contact, 1);
	str_copy(shadow.route, sizeof(shadow.route), route);
	indialog_peer(&shadow, nta_outgoing_getresponse(invite), sip);
	indialog_ack(&shadow, sip->sip_cseq->cs_seq, NULL);
	bye = nta_outgoing_tcreate(leg, NULL, NULL, indialog_route(&shadow), SIP_METHOD_BYE, NULL, TAG_END());
	(void)bye; /* destroys itself with its final answer */
	sip_root_kick(e->root);
}

static void farewell_free(struct farewell *f)
{
	LIST_REMOVE(f, link);
	metric_add(&edge_metric_farewells, -1);
	nta_outgoing_destroy(f->invite);
	if (f->leg)
		nta_leg_destroy(f->leg);
	mem_free(f->reason);
	mem_free(f);
}

static void answered(const struct farewell *f, const sip_t *sip)
{
	struct dialog shadow = { .edge = f->edge, .leg = f->leg };

	str_copy(shadow.route, sizeof(shadow.route), f->route);
	if (f->established)
		indialog_ack(&shadow, sip->sip_cseq->cs_seq, NULL);
	else
		farewell_end(f->edge, f->leg, f->invite, f->route, sip);
}

static int on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct farewell *f = magic;
	bool internal = !sip || !sip->sip_status || nta_sip_is_internal(sip);
	int status = internal ? nta_outgoing_status(orq) : sip->sip_status->st_status;

	if (status < 200) {
		f->cancel_sent = f->cancel_sent || farewell_cancel(orq, f->reason);
		return 0;
	}
	if (status < 300 && !internal && f->leg && judge_message(sip, NULL).verdict == JUDGE_PASS)
		answered(f, sip);
	farewell_free(f);
	return 0;
}

/* The phone says something about a leg that is over. */
static int on_request(struct dialog *none, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	sip_method_t method = sip->sip_request->rq_method;

	(void)none;
	(void)leg;
	if (method == sip_method_bye)
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
	else if (method != sip_method_ack)
		nta_incoming_treply(irq, SIP_481_NO_CALL, SIPTAG_SERVER_STR(EDGE_SERVER), TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

void farewell_take(struct edge *e, const struct farewell_to *to)
{
	struct farewell *f = mem_zalloc(sizeof(*f));

	if (!f)
		return;
	f->edge = e;
	f->leg = *to->leg;
	f->invite = *to->invite;
	f->cancel_sent = to->cancel_sent;
	f->established = to->established;
	str_copy(f->route, sizeof(f->route), to->route);
	if (to->reason) {
		f->reason = *to->reason;
		*to->reason = NULL;
	}
	*to->leg = NULL;
	*to->invite = NULL;
	LIST_INSERT_HEAD(&e->farewells, f, link);
	metric_add(&edge_metric_farewells, 1);
	nta_outgoing_bind(f->invite, on_reply, f);
	if (f->leg)
		nta_leg_bind(f->leg, on_request, NULL);
	if (!f->cancel_sent)
		f->cancel_sent = farewell_cancel(f->invite, f->reason);
}

void farewell_leave_all(struct edge *e)
{
	struct farewell *f;

	while ((f = LIST_FIRST(&e->farewells)))
		farewell_free(f);
}
