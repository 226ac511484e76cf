/* Is the phone of an established leg still there? An OPTIONS within the dialog (RFC 3261 11, 12.2.1.2): whatever it answers
 * shows that it is, but 481 (it knows no such dialog: its BYE was lost) and nothing at all. GT-15. */
#include "base/clock.h"
#include "edge_metrics.h"
#include "indialog_nta.h"

static void drop(struct dialog *d)
{
	loop_timer_stop(&d->probe_timer);
	if (d->probe)
		nta_outgoing_destroy(d->probe);
	d->probe = NULL;
}

static void ends(struct dialog *d, enum leg_event ev)
{
	edge_metrics_probe(ev == LEG_EV_GONE ? EDGE_PROBE_GONE : EDGE_PROBE_DENIED);
	drop(d);
	dialog_event(d, ev, &(struct dialog_input){ .reason = "no answer within the call" });
}

static int on_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct dialog *d = magic;
	int status = sip && sip->sip_status ? sip->sip_status->st_status : nta_outgoing_status(orq);
	bool made_up = !sip || nta_sip_is_internal(sip); /* by nta: it timed out, or nothing could be sent */

	if (status < 200 || orq != d->probe)
		return 0;
	if (status == 481 && !made_up) {
		ends(d, LEG_EV_DENIED);
	} else if (status == 408 || made_up) {
		ends(d, LEG_EV_GONE);
	} else {
		edge_metrics_probe(EDGE_PROBE_ALIVE);
		drop(d);
		dialog_tell_state(d);
	}
	return 0;
}

void probe_start(struct dialog *d)
{
	if (d->probe) /* its answer tells */
		return;
	d->probe = nta_outgoing_tcreate(d->leg, on_reply, d, indialog_route(d), SIP_METHOD_OPTIONS, NULL,
					SIPTAG_CONTACT_STR(d->contact), SIPTAG_ACCEPT_STR("application/sdp"),
					SIPTAG_USER_AGENT_STR(EDGE_SERVER), TAG_END());
	if (d->probe)
		loop_timer_start(&d->probe_timer, d->edge->cfg.probe_ms);
	sip_root_kick(d->edge->root);
}

void probe_over(struct dialog *d)
{
	if (d->probe && !edge_congested_since(d->edge, clock_mono_ms() - d->edge->cfg.probe_ms))
		ends(d, LEG_EV_GONE);
	else
		drop(d); /* short of time: the answer may wait in our socket; who asks asks again */
}
