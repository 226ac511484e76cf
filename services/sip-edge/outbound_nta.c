/* Outbound legs: INVITEs to an agent's phones (all together; the first 2xx wins) or to a trunk. */
#include "ack.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "farewell.h"
#include "indialog_nta.h"
#include "session_nta.h"
#include "sip/digest.h"
#include "sip/judge.h"
#include "trunk_use.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What names our INVITE to a phone follows from the leg's id: a process that knows nothing but that can still cancel it. */
#define INVITE_CALL_ID "%s-%u@%s"
#define INVITE_TAG     "t%s"
#define INVITE_BRANCH  "z9hG4bK-%s-%u-%u"
#define INVITE_BEFORE  "100 INVITE" /* CSeq of the first one is one more */
#define INVITE_CANCEL  "101 CANCEL"

#define LATE_MS	 500 /* after the end of its time to ring: our timer has not had its turn */
#define ATTEMPTS 3   /* per branch: challenge and too short a session timer may each send it once more */

static int on_invite_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip);

static const struct tenant *tenant_of(const struct dialog *d)
{
	return tenantconf_find_tenant(d->edge->conf, d->tenant);
}

/* ---- credentials of a trunk ---- */

static const msg_auth_t *best_challenge(const msg_auth_t *a, const struct tenant_trunk *t, struct digest_params *ret)
{
	const msg_auth_t *best = NULL;
	struct digest_params p;

	for (; a; a = a->au_next) {
		if (!a->au_scheme || strcasecmp(a->au_scheme, "Digest") != 0 ||
		    digest_parse(&p, (const char *const *)a->au_params))
			continue;
		if (!(p.algorithm == DIGEST_SHA256 ? t->ha1_sha256 : t->ha1_md5)[0] ||
		    (best && ret->algorithm == DIGEST_SHA256))
			continue;
		best = a;
		*ret = p;
	}
	return best;
}

bool outbound_authorize(const struct dialog *d, const sip_t *response, const char *method, const char *uri,
			struct str *line)
{
	const struct tenant *t = tenant_of(d);
	/* Only the trunk the leg goes through is ever given an answer, so no stranger collects digests. */
	const struct tenant_trunk *trunk = t && d->trunk_id[0] ? tenant_find_trunk(t, d->trunk_id) : NULL;
	bool proxy = response->sip_status->st_status == 407;
	struct digest_params p;
	unsigned char random[8];
	char cnonce[17];

	if (!trunk || !trunk->username[0] || RAND_bytes(random, sizeof(random)) != 1 ||
	    !best_challenge(proxy ? response->sip_proxy_authenticate : response->sip_www_authenticate, trunk, &p))
		return false;
	for (int i = 0; i < 8; i++)
		snprintf(cnonce + 2 * i, 3, "%02x", random[i]);
	str_append(line, proxy ? "Proxy-Authorization: " : "Authorization: ");
	digest_answer(line, &p, trunk->username, p.algorithm == DIGEST_SHA256 ? trunk->ha1_sha256 : trunk->ha1_md5,
		      method, uri, cnonce, 1);
	return !line->failed;
}

/* ---- sending ---- */

static void from_text(const struct dialog *d, const struct tenant *t, char *dst, size_t size)
{
	char name[2 * SIP_NAME_MAX + 4], user[3 * SIP_USER_MAX];

	sip_name_quote(name, sizeof(name), d->caller_name);
	if (!d->caller[0] || !sip_user_escape(user, sizeof(user), d->caller))
		snprintf(dst, size, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
	else
		snprintf(dst, size, "%s%s<sip:%s@%s>", name, name[0] ? " " : "", user, t->sip_domain);
}

static bool make_leg(struct branch *b, const struct tenant *t)
{
	struct dialog *d = b->dialog;
	char from[1024], to[160], call_id[160], tag[80];

	from_text(d, t, from, sizeof(from));
	snprintf(to, sizeof(to), "<%s>", d->to_uri);
	snprintf(call_id, sizeof(call_id), INVITE_CALL_ID, d->leg_id, (unsigned)(b - d->branches), d->edge->host);
	snprintf(tag, sizeof(tag), INVITE_TAG, d->leg_id);
	b->leg = nta_leg_tcreate(d->edge->agent, indialog_request, d, SIPTAG_CALL_ID_STR(call_id),
				 SIPTAG_FROM_STR(from), SIPTAG_TO_STR(to), SIPTAG_CSEQ_STR(INVITE_BEFORE), TAG_END());
	return b->leg && nta_leg_tag(b->leg, tag);
}

/* The transport that requests of this branch will use: for our Contact. */
static const char *branch_transport(const struct branch *b)
{
	const char *s = b->route[0] ? b->route : b->ruri;

	if (strcasestr(s, "transport=tls") || strncasecmp(s, "sips:", 5) == 0)
		return "tls";
	return strcasestr(s, "transport=tcp") ? "tcp" : "udp";
}

static bool send_invite(struct branch *b, const char *credentials)
{
	struct dialog *d = b->dialog;
	char expires[16], key[96];

	snprintf(key, sizeof(key), INVITE_BRANCH, d->leg_id, (unsigned)(b - d->branches), b->attempts++);
	edge_contact(d->edge, branch_transport(b), d->contact);
	snprintf(expires, sizeof(expires), "%u", b->session_s);
	b->invite =
	    nta_outgoing_tcreate(b->leg, on_invite_reply, b, b->route[0] ? URL_STRING_MAKE(b->route) : NULL,
				 SIP_METHOD_INVITE, URL_STRING_MAKE(b->ruri), SIPTAG_CONTACT_STR(d->contact),
				 SIPTAG_ALLOW_STR(EDGE_ALLOW), SIPTAG_SUPPORTED_STR("timer"),
				 SIPTAG_USER_AGENT_STR(EDGE_SERVER), SIPTAG_SESSION_EXPIRES_STR(expires),
				 SIPTAG_MIN_SE_STR(SESSION_MIN_TEXT), TAG_IF(b->path[0], SIPTAG_ROUTE_STR(b->path)),
				 TAG_IF(d->headers, SIPTAG_HEADER_STR(d->headers)),
				 TAG_IF(credentials, SIPTAG_HEADER_STR(credentials)), NTATAG_BRANCH_KEY(key),
				 NTATAG_PASS_100(1), SIPTAG_CONTENT_TYPE_STR("application/sdp"),
				 TAG_IF(d->local_sdp.text, SIPTAG_PAYLOAD_STR(d->local_sdp.text)), TAG_END());
	sip_root_kick(d->edge->root);
	return b->invite != NULL;
}

static struct branch *add_branch(struct dialog *d, const char *ruri, const char *route, const char *path)
{
	struct branch *b = &d->branches[d->n_branches];

	*b = (struct branch){ .dialog = d, .session_s = (uint32_t)d->edge->cfg.session_expires_s };
	b->ruri = mem_strdup(ruri);
	b->path = mem_strdup(path);
	if (!b->ruri || !b->path || !str_copy(b->route, sizeof(b->route), route)) {
		mem_free(b->ruri);
		mem_free(b->path);
		return NULL;
	}
	d->n_branches++;
	return b;
}

static unsigned to_agent(struct dialog *d, const struct edge_command *c, const struct tenant *t)
{
	const struct aor *a = registrar_find(d->edge->registrar, t->id, c->dial.agent_id, clock_steady_ms());

	snprintf(d->to_uri, sizeof(d->to_uri), "sip:%s@%s", c->dial.agent_id, t->sip_domain);
	for (size_t i = 0; a && i < a->n; i++)
		if (!add_branch(d, a->b[i].contact, a->b[i].route, a->b[i].path))
			return 500;
	return d->n_branches ? 0 : 480;
}

static unsigned to_trunk(struct dialog *d, const struct edge_command *c, const struct tenant *t)
{
	const struct tenant_trunk *trunk = tenant_find_trunk(t, c->dial.trunk_id);
	char route[96];

	if (!trunk || !trunk->host[0])
		return 404;
	if (strncasecmp(c->dial.uri, "sip:", 4) != 0 || strlen(c->dial.uri) >= sizeof(d->to_uri) ||
	    strpbrk(c->dial.uri, "<> \"?"))
		return 416;
	if (trunk_use_take(&d->trunk_use, d->edge->trunks, d->tenant, trunk->id, trunk->max_calls))
		return 503;
	str_copy(d->to_uri, sizeof(d->to_uri), c->dial.uri);
	if (snprintf(route, sizeof(route), "sip:%s", trunk->host) >= (int)sizeof(route))
		return 500;
	return add_branch(d, c->dial.uri, route, "") ? 0 : 500;
}

/* What the agent's phone may show besides the caller: who was called (RFC 7315) and for which queue. */
static bool headers_text(struct dialog *d, const struct edge_command *c, const struct tenant *t)
{
	struct str s = STR_INIT;
	char called[3 * SIP_USER_MAX], from[1024];

	from_text(d, t, from, sizeof(from));
	if (d->caller[0])
		str_printf(&s, "P-Asserted-Identity: %s\r\n", from);
	if (c->dial.called[0] && sip_user_escape(called, sizeof(called), c->dial.called))
		str_printf(&s, "P-Called-Party-ID: <sip:%s@%s>\r\nX-Trunkline-Called: %s\r\n", called, t->sip_domain,
			   called);
	str_printf(&s, "X-Trunkline-Call: %s\r\nX-Trunkline-Leg: %s\r\n", d->call_id, d->leg_id);
	if (c->dial.queue_id[0])
		str_printf(&s, "X-Trunkline-Queue: %s\r\n", c->dial.queue_id);
	for (size_t i = 0; i < c->dial.n_headers; i++)
		str_printf(&s, "%s: %s\r\n", c->dial.headers[i].name, c->dial.headers[i].value);
	d->headers = s.failed ? NULL : mem_strdup(str_text(&s));
	str_done(&s);
	return d->headers != NULL;
}

static unsigned prepare(struct dialog *d, const struct edge_command *c)
{
	const struct tenant *t = tenant_of(d);

	if (!t || t->suspended)
		return 480;
	str_copy(d->agent_id, sizeof(d->agent_id), c->dial.agent_id);
	str_copy(d->trunk_id, sizeof(d->trunk_id), c->dial.trunk_id);
	str_copy(d->queue_id, sizeof(d->queue_id), c->dial.queue_id);
	str_copy(d->caller_name, sizeof(d->caller_name), c->dial.caller_name);
	str_copy(d->called, sizeof(d->called), c->dial.called);
	if (c->dial.caller[0] && !sip_user_normalise(d->caller, c->dial.caller))
		d->caller[0] = '\0';
	if (!blob_set(&d->local_sdp, c->sdp) || (c->dial.agent_id[0] && !headers_text(d, c, t)))
		return 500;
	return c->dial.agent_id[0] ? to_agent(d, c, t) : to_trunk(d, c, t);
}

static unsigned start_all(struct dialog *d)
{
	const struct tenant *t = tenant_of(d);
	size_t started = 0;

	for (size_t i = 0; i < d->n_branches; i++) {
		struct branch *b = &d->branches[i];

		if (make_leg(b, t) && send_invite(b, NULL))
			started++;
		else
			b->status = 500;
	}
	return started ? 0 : 500;
}

/* Only of an agent's phone is known that nothing is between us: a trunk's network may be slow to say anything. */
static void start_ringing(struct dialog *d, int64_t ring_ms)
{
	int64_t first_ms = d->agent_id[0] ? d->edge->cfg.no_reply_ms : ring_ms;

	d->ring_until_ms = clock_mono_ms() + ring_ms;
	loop_timer_start(&d->timer, ring_ms < first_ms ? ring_ms : first_ms);
}

void outbound_dial(struct dialog *d, const struct edge_command *c)
{
	unsigned status = prepare(d, c);

	metric_add(&edge_metric_dials, 1);
	if (!status)
		status = start_all(d);
	if (status)
		dialog_event(d, LEG_EV_FAILED, &(struct dialog_input){ .status = status });
	else
		start_ringing(d, c->dial.timeout_ms ? c->dial.timeout_ms : d->edge->cfg.ring_timeout_ms);
}

/* ---- answers ---- */

static void drop_invite(struct branch *b)
{
	if (b->invite)
		nta_outgoing_destroy(b->invite);
	b->invite = NULL;
}

/* RFC 3261 §16.7: 6xx first, then the lowest class; within it the first that came. */
static unsigned best_status(const struct dialog *d)
{
	unsigned best = 0;

	for (size_t i = 0; i < d->n_branches; i++) {
		unsigned s = d->branches[i].status;

		if (s >= 600)
			return s;
		if (!best || s / 100 < best / 100)
			best = s;
	}
	return best;
}

static void branch_failed(struct branch *b, unsigned status)
{
	struct dialog *d = b->dialog;

	drop_invite(b);
	b->status = status;
	for (size_t i = 0; i < d->n_branches; i++)
		if (!d->branches[i].status)
			return;
	dialog_event(d, LEG_EV_FAILED, &(struct dialog_input){ .status = best_status(d) });
}

static bool send_again(struct branch *b, const sip_t *sip, unsigned status)
{
	struct str line = STR_INIT;
	bool again = false;

	if (!sip || b->attempts >= ATTEMPTS || b->cancelled)
		return false;
	if ((status == 401 || status == 407) && b->attempts == 1)
		again = outbound_authorize(b->dialog, sip, "INVITE", b->ruri, &line);
	if (status == 422 && sip->sip_min_se && (uint32_t)sip->sip_min_se->min_delta > b->session_s) {
		b->session_s = (uint32_t)sip->sip_min_se->min_delta;
		again = true;
	}
	if (again) {
		drop_invite(b);
		again = send_invite(b, line.len ? str_text(&line) : NULL);
	}
	str_done(&line);
	return again;
}

static void branch_ringing(struct branch *b, const sip_t *sip, unsigned status)
{
	struct dialog_input in = { .status = status };

	if (indialog_sdp_ok(sip))
		in.sdp = glue_body(sip);
	if (status == b->provisional && !in.sdp.size)
		return;
	b->provisional = status;
	dialog_event(b->dialog, LEG_EV_RINGING, &in);
}

/* Where requests of a dialog go beside its route set: to a phone where it was found; a trunk's address is for the INVITE only. */
static const char *kept_route(const struct branch *b)
{
	return b->dialog->trunk_id[0] && !b->dialog->agent_id[0] ? "" : b->route;
}

static void end_stray(struct branch *b, const sip_t *sip)
{
	farewell_end(b->dialog->edge, b->leg, b->invite, kept_route(b), sip);
}

static void branch_answered(struct branch *b, const sip_t *sip)
{
	struct dialog *d = b->dialog;
	struct dialog_input in = { .status = 200, .branch = b, .sdp = glue_body(sip) };

	b->status = 200;
	if (!leg_step(d->state, LEG_EV_ANSWERED)) {
		end_stray(b, sip);
		drop_invite(b);
		return;
	}
	/* We stood still: long after its time nobody waits for this answer any more, and the agent may have another call. */
	if (clock_mono_ms() > d->ring_until_ms + LATE_MS) {
		end_stray(b, sip);
		branch_failed(b, 408);
		return;
	}
	nta_leg_rtag(b->leg, sip->sip_to->a_tag);
	nta_leg_client_reroute(b->leg, sip->sip_record_route, sip->sip_contact, 1);
	if (!indialog_sdp_ok(sip) || !blob_set(&d->remote_sdp, in.sdp)) {
		/* Nothing to talk by: end it as if it had been refused. */
		end_stray(b, sip);
		branch_failed(b, 488);
		return;
	}
	d->peer_updates = glue_allows(sip, "UPDATE");
	session_as_client(sip, (uint32_t)d->edge->cfg.session_expires_s, &d->session);
	d->leg = b->leg;
	b->leg = NULL;
	if (!sip->sip_record_route)
		str_copy(d->route, sizeof(d->route), b->route);
	/* A trunk's address is where the first INVITE goes; the dialog's requests go to its Contact. */
	if (d->trunk_id[0] && !d->agent_id[0])
		d->route[0] = '\0';
	indialog_peer(d, nta_outgoing_getresponse(b->invite), sip);
	if (!adopt_remember(d, sip->sip_call_id, sip->sip_from, sip->sip_to))
		LOG_WARN(NULL, "leg.not_kept", "reason=memory leg=%s", d->leg_id);
	ack_owe(d, nta_outgoing_getrequest(b->invite));
	drop_invite(b);
	dialog_event(d, LEG_EV_ANSWERED, &in);
}

/* ---- the end of those that ring in vain ---- */

static void cancel_branch(struct branch *b, const char *reason)
{
	if (b->status || !b->invite || b->cancelled)
		return;
	b->cancelled = true;
	b->cancel_reason = reason ? mem_strdup(reason) : NULL;
	b->cancel_sent = farewell_cancel(b->invite, b->cancel_reason);
}

void outbound_take(struct dialog *d, struct branch *b)
{
	/* The ACK is owed (branch_answered); the other phones stop ringing. */
	for (size_t i = 0; i < d->n_branches; i++)
		if (&d->branches[i] != b)
			cancel_branch(&d->branches[i], "SIP;cause=200;text=\"Call completed elsewhere\"");
}

void outbound_cancel(struct dialog *d, const char *reason)
{
	char text[320];

	snprintf(text, sizeof(text), "SIP;cause=487;text=\"%s\"", reason && !strpbrk(reason, "\"\\") ? reason : "");
	for (size_t i = 0; i < d->n_branches; i++)
		cancel_branch(&d->branches[i], reason && reason[0] ? text : NULL);
	sip_root_kick(d->edge->root);
}

/* ---- a leg that died with an earlier life of ours while it rang ---- */

bool outbound_ours(const struct edge *e, const sip_t *sip)
{
	const char *tag = sip->sip_from->a_tag, *leg = tag ? tag + 1 : "";
	size_t n = strlen(leg);
	char call_id[160], branch[96];
	unsigned b, attempt;

	if (!tag || tag[0] != INVITE_TAG[0] || !str_is_id(leg) || sip->sip_via->v_next || !sip->sip_via->v_branch ||
	    strncmp(sip->sip_call_id->i_id, leg, n) != 0 || sscanf(sip->sip_call_id->i_id + n, "-%u@", &b) != 1)
		return false;
	for (attempt = 0; attempt < ATTEMPTS; attempt++) {
		snprintf(branch, sizeof(branch), INVITE_BRANCH, leg, b, attempt);
		if (strcasecmp(branch, sip->sip_via->v_branch) == 0)
			break;
	}
	return attempt < ATTEMPTS && snprintf(call_id, sizeof(call_id), INVITE_CALL_ID, leg, b, e->host) > 0 &&
	       strcmp(call_id, sip->sip_call_id->i_id) == 0;
}

/* There is no INVITE that nta could find: it is named by its branch. Nor is it kept: a repeated answer comes here again. */
void outbound_ack_stray(nta_leg_t *leg, const url_string_t *route, msg_t *msg, const sip_t *sip)
{
	sip_cseq_t *cseq = sip_cseq_create(msg_home(msg), sip->sip_cseq->cs_seq, SIP_METHOD_ACK);

	nta_outgoing_destroy(nta_outgoing_tcreate(leg, NULL, NULL, route, SIP_METHOD_ACK, NULL,
						  NTATAG_ACK_BRANCH(sip->sip_via->v_branch), NTATAG_STATELESS(1),
						  SIPTAG_CSEQ(cseq), TAG_END()));
}

void outbound_end_stray(struct edge *e, msg_t *msg, const sip_t *sip)
{
	struct dialog shadow = { .edge = e };

	shadow.leg = nta_leg_tcreate(e->agent, NULL, NULL, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_from),
				     SIPTAG_TO(sip->sip_to), SIPTAG_CSEQ(sip->sip_cseq), TAG_END());
	if (!shadow.leg)
		return;
	metric_add(&edge_metric_strays, 1);
	glue_source(msg, sip, shadow.route);
	nta_leg_client_route(shadow.leg, sip->sip_record_route, sip->sip_contact);
	outbound_ack_stray(shadow.leg, indialog_route(&shadow), msg, sip);
	nta_outgoing_destroy(
	    nta_outgoing_tcreate(shadow.leg, NULL, NULL, indialog_route(&shadow), SIP_METHOD_BYE, NULL, TAG_END()));
	nta_leg_destroy(shadow.leg);
	sip_root_kick(e->root);
}

static void cancel_contact(struct edge *e, const struct edge_command *c, const struct tenant *t,
			   const struct binding *at, unsigned i)
{
	char from[160], to[160], call_id[160], tag[80], branch[96];
	nta_outgoing_t *cancel;
	nta_leg_t *leg;

	snprintf(from, sizeof(from), "<sip:%s>",
		 t->sip_domain); /* a CANCEL is matched by its branch, the rest is for the eye */
	snprintf(to, sizeof(to), "<sip:%s@%s>", c->agent_id, t->sip_domain);
	snprintf(call_id, sizeof(call_id), INVITE_CALL_ID, c->leg_id, i, e->host);
	snprintf(tag, sizeof(tag), INVITE_TAG, c->leg_id);
	snprintf(branch, sizeof(branch), INVITE_BRANCH, c->leg_id, i, 0u);
	leg = nta_leg_tcreate(e->agent, NULL, NULL, SIPTAG_CALL_ID_STR(call_id), SIPTAG_FROM_STR(from),
			      SIPTAG_TO_STR(to), TAG_END());
	if (!leg)
		return;
	if (nta_leg_tag(leg, tag)) {
		cancel = nta_outgoing_tcreate(leg, NULL, NULL, at->route[0] ? URL_STRING_MAKE(at->route) : NULL,
					      SIP_METHOD_CANCEL, URL_STRING_MAKE(at->contact),
					      TAG_IF(at->path[0], SIPTAG_ROUTE_STR(at->path)),
					      NTATAG_BRANCH_KEY(branch), SIPTAG_CSEQ_STR(INVITE_CANCEL), TAG_END());
		(void)cancel; /* destroys itself with its final answer */
	}
	nta_leg_destroy(leg);
}

void outbound_cancel_unknown(struct edge *e, const struct edge_command *c)
{
	const struct tenant *t = tenantconf_find_tenant(e->conf, c->tenant);
	const struct aor *a = t ? registrar_find(e->registrar, t->id, c->agent_id, clock_steady_ms()) : NULL;

	for (unsigned i = 0; a && i < a->n; i++)
		cancel_contact(e, c, t, &a->b[i], i);
	sip_root_kick(e->root);
}

static int on_invite_reply(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct branch *b = magic;
	bool internal = nta_sip_is_internal(sip);
	unsigned status =
	    sip && sip->sip_status ? (unsigned)sip->sip_status->st_status : (unsigned)nta_outgoing_status(orq);

	if (orq != b->invite || (!sip && status < 300)) /* nta makes up failures only */
		return 0;
	if (status < 200 && b->cancelled && !b->cancel_sent)
		b->cancel_sent = farewell_cancel(orq, b->cancel_reason);
	if (!internal && judge_message(sip, NULL).verdict != JUDGE_PASS) {
		edge_metrics_refused(EDGE_REFUSED_MALFORMED);
		if (status >= 200)
			branch_failed(b, 502);
		return 0;
	}
	if (!internal)
		dialog_replied(b->dialog);
	if (status < 200) {
		if (status > 100)
			branch_ringing(b, sip, status);
	} else if (status < 300) {
		branch_answered(b, sip);
	} else if (!send_again(b, sip, status)) {
		branch_failed(b, status);
	}
	return 0;
}

void outbound_branch_done(struct branch *b)
{
	if (b->invite && nta_outgoing_status(b->invite) < 200) {
		cancel_branch(b, NULL);
		farewell_take(b->dialog->edge, &(struct farewell_to){ .leg = &b->leg,
								      .invite = &b->invite,
								      .reason = &b->cancel_reason,
								      .cancel_sent = b->cancel_sent,
								      .route = kept_route(b) });
	}
	drop_invite(b);
	if (b->leg)
		nta_leg_destroy(b->leg);
	b->leg = NULL;
	mem_free(b->cancel_reason);
	mem_free(b->ruri);
	mem_free(b->path);
	b->ruri = b->path = b->cancel_reason = NULL;
}
