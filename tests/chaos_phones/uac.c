/* Requests of ours: INVITE, ACK, BYE, CANCEL; and what is answered to them. */
#include "leg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "groups.h"
#include "journal.h"

#define V(v) (int)(v).n, (v).at

static size_t compose(const struct leg *l, char *out, const char *method, unsigned cseq, const char *branch,
		      const char *to, const char *body)
{
	int n = snprintf(out, TEXT,
			 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%u;rport;branch=z9hG4bK%s.%u.%s\r\nMax-Forwards: 70\r\n"
			 "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\nContact: <sip:%s@%s:%u>\r\n"
			 "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\n%sContent-Length: %zu\r\n\r\n%s",
			 method, l->target, l->line->host, l->line->port, l->name, cseq, branch, l->local, to,
			 l->call_id, cseq, method, l->user, l->line->host, l->line->port,
			 body ? "Content-Type: application/sdp\r\n" : "", body ? strlen(body) : 0, body ? body : "");

	return n > 0 && n < TEXT ? (size_t)n : 0;
}

static void request(struct leg *l, const char *method, unsigned cseq, const char *branch, const char *to,
		    const char *body, int64_t now_ns)
{
	struct request *r = &l->out;

	snprintf(r->method, sizeof(r->method), "%s", method);
	r->cseq = cseq;
	r->tries = 0;
	r->due_ns = now_ns + T1_NS;
	r->until_ns = now_ns + TIMEOUT_NS;
	r->n = compose(l, r->text, method, cseq, branch, to, body);
	leg_send(l, r->text, r->n);
}

void uac_invite(struct leg *l, int64_t now_ns)
{
	char sdp[512];

	l->began_ns = now_ns;
	snprintf(l->target, sizeof(l->target), "sip:%s@127.0.0.1:%u", l->peer, ntohs(l->line->server.sin_port));
	snprintf(l->local, sizeof(l->local), "<sip:%s@%s>;tag=t%u", l->user, l->line->host, l->id);
	snprintf(l->remote, sizeof(l->remote), "<%s>", l->target);
	l->invite_cseq = l->cseq = 1;
	leg_sdp(l, sdp, sizeof(sdp));
	request(l, "INVITE", l->cseq, "invite", l->remote, sdp, now_ns);
}

static void cancel(struct leg *l, int64_t now_ns)
{
	char to[sizeof(l->target) + 3];

	l->cancelled = true;
	if (l->state == LEG_CALLING)
		return; /* not before a provisional response (RFC 3261, 9.1): uac_response() comes back to it */
	snprintf(to, sizeof(to), "<%s>", l->target);
	journal(l->name, now_ns, "cancel-sent", NULL);
	request(l, "CANCEL", l->invite_cseq, "invite", to, NULL, now_ns);
}

void uac_hang_up(struct leg *l, int64_t now_ns)
{
	if (l->state == LEG_OVER || l->ends || l->cancelled)
		return;
	if (l->state != LEG_UP) {
		cancel(l, now_ns);
		return;
	}
	l->ends = true;
	journal(l->name, now_ns, "bye-sent", NULL);
	request(l, "BYE", ++l->cseq, "bye", l->remote, NULL, now_ns);
}

/* To a 2xx a new transaction, to anything else part of the INVITE's (RFC 3261, 17.1.1.3). */
static void ack(struct leg *l, unsigned cseq, bool accepted)
{
	char text[TEXT];

	leg_send(l, text, compose(l, text, "ACK", cseq, accepted ? "ack" : "invite", l->remote, NULL));
}

static void remote_of(struct leg *l, const struct sipmsg *m)
{
	size_t n = m->to.n - 3;

	snprintf(l->remote, sizeof(l->remote), "%.*s", (int)n, m->to.at + 3);
	while (l->remote[0] == ' ')
		memmove(l->remote, l->remote + 1, strlen(l->remote));
	if (m->contact.n) {
		const char *from = memchr(m->contact.at, '<', m->contact.n);
		const char *end = from ? memchr(from, '>', (size_t)(m->contact.at + m->contact.n - from)) : NULL;

		if (end)
			snprintf(l->target, sizeof(l->target), "%.*s", (int)(end - from - 1), from + 1);
	}
}

static void answered(struct leg *l, const struct sipmsg *m, unsigned cseq, int64_t now_ns)
{
	bool again = l->state == LEG_UP || l->state == LEG_OVER;

	if (!again)
		remote_of(l, m);
	ack(l, cseq, true);
	if (again)
		return;
	l->out.method[0] = '\0';
	journal(l->name, now_ns, "up", NULL);
	leg_media(l, m->body, now_ns);
	l->state = LEG_UP;
	group_up(l);
	if (l->cancelled) { /* too late: it was answered */
		l->cancelled = false;
		uac_hang_up(l, now_ns);
	}
}

static void to_invite(struct leg *l, const struct sipmsg *m, unsigned cseq, int64_t now_ns)
{
	if (m->status < 200) {
		l->out.due_ns = 0;
		if (l->state == LEG_CALLING) {
			l->state = LEG_RINGING;
			journal(l->name, now_ns, "provisional", "\"status\": %u", m->status);
			if (l->cancelled)
				cancel(l, now_ns);
		}
	} else if (m->status < 300) {
		answered(l, m, cseq, now_ns);
	} else {
		char was[sizeof(l->target)];

		snprintf(was, sizeof(was), "%s", l->target);
		remote_of(l, m);
		snprintf(l->target, sizeof(l->target), "%s", was);
		ack(l, cseq, false);
		if (l->state == LEG_OVER)
			return;
		l->out.method[0] = '\0';
		journal(l->name, now_ns, "refused", "\"status\": %u, \"retry_after\": %u", m->status, m->retry_after_s);
		leg_over(l, now_ns, l->cancelled ? "cancelled" : "refused");
		l->keep_ns = REFUSED_KEEP_NS;
	}
}

unsigned cseq_of(const struct sipmsg *m, struct view *method)
{
	const char *at = m->cseq.at + 5, *end = m->cseq.at + m->cseq.n;
	unsigned n = 0;

	while (at < end && *at == ' ')
		at++;
	while (at < end && *at >= '0' && *at <= '9')
		n = n * 10 + (unsigned)(*at++ - '0');
	while (at < end && *at == ' ')
		at++;
	*method = (struct view){ at, (size_t)(end - at) };
	return n;
}

void uac_response(struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	struct view method;
	unsigned cseq = cseq_of(m, &method);

	if (l->caller && cseq == l->invite_cseq && view_eq(method, "INVITE")) {
		to_invite(l, m, cseq, now_ns);
		return;
	}
	if (m->status < 200 || cseq != l->out.cseq || !view_eq(method, l->out.method))
		return;
	if (view_eq(method, "BYE")) {
		journal(l->name, now_ns, "bye-answered", "\"status\": %u", m->status);
		leg_over(l, now_ns, "hung-up");
	} else if (view_eq(method, "CANCEL") && m->status >= 300) {
		journal(l->name, now_ns, "cancel-refused", "\"status\": %u", m->status);
		leg_over(l, now_ns, "cancelled");
	}
	l->out.method[0] = '\0';
}

static void timed_out(struct leg *l, int64_t now_ns)
{
	journal(l->name, now_ns, "timeout", "\"method\": \"%s\"", l->out.method);
	l->out.method[0] = '\0';
	leg_over(l, now_ns, "timeout");
}

void uac_turn(struct leg *l, int64_t now_ns)
{
	struct request *r = &l->out;
	int64_t wait;

	if (!r->method[0] || !r->due_ns || now_ns < r->due_ns)
		return;
	if (now_ns >= r->until_ns) {
		timed_out(l, now_ns);
		return;
	}
	leg_send(l, r->text, r->n);
	wait = T1_NS << (++r->tries < 6 ? r->tries : 6);
	if (strcmp(r->method, "INVITE") != 0 && wait > T2_NS)
		wait = T2_NS;
	r->due_ns = now_ns + wait < r->until_ns ? now_ns + wait : r->until_ns;
}
