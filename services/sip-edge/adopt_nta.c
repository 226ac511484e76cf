/* What names a dialog, kept for the next life, and the dialog made again from it. */
#include "base/mem.h"
#include "base/str.h"
#include "indialog_nta.h"

#include <stdio.h>
#include <string.h>

/* After a crash requests may have been sent that were not saved: CSeq must be higher than theirs. */
#define CSEQ_GAP 1000

static char *address_text(const sip_addr_t *a, const char *tag)
{
	char uri[512];
	struct str s = STR_INIT;
	char *text = NULL;

	if (url_e(uri, sizeof(uri), a->a_url) > 0) {
		if (a->a_display && sip_header_value_ok(a->a_display, 128))
			str_printf(&s, "%s ", a->a_display);
		str_printf(&s, "<%s>", uri);
		if (tag)
			str_printf(&s, ";tag=%s", tag);
		text = s.failed ? NULL : mem_strdup(str_text(&s));
	}
	str_done(&s);
	return text;
}

bool adopt_remember(struct dialog *d, const sip_call_id_t *call_id, const sip_addr_t *local, const sip_addr_t *remote)
{
	d->sip_call_id = mem_strdup(call_id->i_id);
	d->local = address_text(local, nta_leg_get_tag(d->leg));
	d->remote = address_text(remote, remote->a_tag);
	return d->sip_call_id && d->local && d->remote;
}

static bool describe_route(const struct dialog *d, struct leg_record *r, su_home_t *home)
{
	const sip_route_t *route = NULL;
	const sip_contact_t *target = NULL;

	nta_leg_get_route(d->leg, &route, &target);
	for (; route && r->n_routes < EDGE_ROUTES_MAX; route = route->r_next) {
		r->routes[r->n_routes] = url_as_string(home, route->r_url);
		if (!r->routes[r->n_routes++])
			return false;
	}
	r->target = target ? url_as_string(home, target->m_url) : NULL;
	return r->target != NULL;
}

bool adopt_describe(const struct dialog *d, struct leg_record *r, void **ret_home)
{
	su_home_t *home = su_home_new(sizeof(*home));

	*ret_home = home;
	if (!home || !d->sip_call_id || !d->local || !d->remote || !d->leg)
		return false;
	*r = (struct leg_record){
		.call_id = d->call_id,
		.leg_id = d->leg_id,
		.tenant = d->tenant,
		.owner = d->owner,
		.epoch = d->epoch,
		.outbound = d->outbound,
		.we_refresh = d->session.we_refresh,
		.peer_updates = d->peer_updates,
		.sip_call_id = d->sip_call_id,
		.local = d->local,
		.remote = d->remote,
		.route = d->route,
		.contact = d->contact,
		.agent_id = d->agent_id,
		.trunk_id = d->trunk_id,
		.local_cseq = nta_leg_get_seq(d->leg),
		.remote_cseq = nta_leg_get_rseq(d->leg),
		.session_interval_s = d->session.interval_s,
		.reoffers = d->reoffers,
		.local_sdp = { d->local_sdp.text, d->local_sdp.size },
		.remote_sdp = { d->remote_sdp.text, d->remote_sdp.size },
		.refreshed_ms = d->refreshed_wall_ms,
	};
	return describe_route(d, r, home);
}

void adopt_release(void *home)
{
	if (home)
		su_home_unref(home);
}

static bool restore_route(struct dialog *d, const struct leg_record *r)
{
	struct str list = STR_INIT;
	su_home_t home[1] = { SU_HOME_INIT(home) };
	sip_record_route_t *route = NULL;
	char contact[1100];
	bool ok;

	for (size_t i = 0; i < r->n_routes; i++)
		str_printf(&list, "%s<%s>", i ? ", " : "", r->routes[i]);
	snprintf(contact, sizeof(contact), "<%s>", r->target);
	su_home_init(home);
	if (list.len)
		route = sip_record_route_make(home, str_text(&list));
	ok = (!list.len || route) && nta_leg_server_route(d->leg, route, sip_contact_make(home, contact)) >= 0;
	su_home_deinit(home);
	str_done(&list);
	return ok;
}

bool adopt_restore(struct dialog *d, const struct leg_record *r)
{
	char cseq[32];

	d->sip_call_id = mem_strdup(r->sip_call_id);
	d->local = mem_strdup(r->local);
	d->remote = mem_strdup(r->remote);
	if (!d->sip_call_id || !d->local || !d->remote)
		return false;
	/* 0: none was sent yet; nta then begins with the clock, which is above what it began with before. */
	snprintf(cseq, sizeof(cseq), "%u INVITE", r->local_cseq ? r->local_cseq + CSEQ_GAP : 0);
	d->leg = nta_leg_tcreate(d->edge->agent, indialog_request, d, SIPTAG_CALL_ID_STR(r->sip_call_id),
				 SIPTAG_FROM_STR(r->local), SIPTAG_TO_STR(r->remote), SIPTAG_CSEQ_STR(cseq),
				 NTATAG_REMOTE_CSEQ(r->remote_cseq), TAG_END());
	return d->leg && restore_route(d, r);
}
