/* Requests that come: the agents' calls, and everything within a call. */
#include "leg.h"

#include <stdio.h>
#include <string.h>

#include "groups.h"
#include "journal.h"

#define V(v) (int)(v).n, (v).at

static size_t compose(const struct line *line, const struct leg *l, const struct sipmsg *m, const char *status,
		      bool sdp, char *out)
{
	char contact[96], body[512], tag[24];

	snprintf(contact, sizeof(contact), "sip:%s@%s:%u", l ? l->user : "none", line->host, line->port);
	snprintf(tag, sizeof(tag), "t%u", l ? l->id : 0);
	if (sdp && !leg_sdp(l, body, sizeof(body)))
		return 0;
	return sipmsg_response(out, TEXT, m, status, tag, l ? contact : NULL, sdp ? body : NULL);
}

static size_t respond(const struct line *line, const struct leg *l, const struct sipmsg *m, const char *status,
		      bool sdp, char *out)
{
	size_t n = compose(line, l, m, status, sdp, out);

	if (n)
		(void)!sendto(line->fd, out, n, 0, (const struct sockaddr *)&line->server, sizeof(line->server));
	return n;
}

static void header_value(char *out, size_t size, struct view header, size_t name)
{
	while (name < header.n && header.at[name] == ' ')
		name++;
	snprintf(out, size, "%.*s", (int)(header.n - name), header.at + name);
}

/* user of "From: … <sip:user@…" */
static void user_of(char *out, size_t size, struct view header)
{
	const char *at = memmem(header.at, header.n, "sip:", 4), *end;

	out[0] = '\0';
	if (!at)
		return;
	at += 4;
	end = memchr(at, '@', (size_t)(header.at + header.n - at));
	if (end)
		snprintf(out, size, "%.*s", (int)(end - at), at);
}

static void target_of(struct leg *l, const struct sipmsg *m)
{
	const char *from = m->contact.n ? memchr(m->contact.at, '<', m->contact.n) : NULL;
	const char *end = from ? memchr(from, '>', (size_t)(m->contact.at + m->contact.n - from)) : NULL;

	if (end)
		snprintf(l->target, sizeof(l->target), "%.*s", (int)(end - from - 1), from + 1);
}

static void rings(const struct line *line, const struct sipmsg *m, int64_t now_ns)
{
	char agent[40], call_id[128], out[TEXT];
	struct leg *l;
	struct view method;

	snprintf(agent, sizeof(agent), "%.*s", V(m->uri_user));
	snprintf(call_id, sizeof(call_id), "%.*s", V(m->call_id));
	l = leg_new(line, false, agent, call_id);
	header_value(l->remote, sizeof(l->remote), m->from, 5);
	header_value(l->local, sizeof(l->local), m->to, 3);
	snprintf(l->local + strlen(l->local), sizeof(l->local) - strlen(l->local), ";tag=t%u", l->id);
	target_of(l, m);
	leg_media(l, m->body, now_ns);
	user_of(l->peer, sizeof(l->peer), m->from);
	l->their_cseq = cseq_of(m, &method);
	l->state = LEG_RINGING;
	l->act_ns = now_ns + groups_ring_ms(agent) * MS_NS;
	l->began_ns = now_ns;
	journal(l->name, now_ns, "rings", "\"id\": %u, \"agent\": \"%s\", \"caller\": \"%s\", \"call_id\": \"%s\"",
		l->id, agent, l->peer, l->call_id);
	l->answer_n = compose(line, l, m, "200 OK", true, l->answer); /* for when it answers */
	(void)respond(line, l, m, "180 Ringing", false, out);
}

/* A re-INVITE: the answer is repeated until its ACK, as the first one is. */
static void again(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	struct view method;
	unsigned cseq = cseq_of(m, &method);

	if (cseq != l->their_cseq)
		journal(l->name, now_ns, "reinvite", NULL);
	l->their_cseq = cseq;
	target_of(l, m);
	leg_media(l, m->body, now_ns);
	l->answer_n = respond(line, l, m, "200 OK", true, l->answer);
	l->answer_due_ns = now_ns + T1_NS;
	l->answer_until_ns = now_ns + TIMEOUT_NS;
	l->answer_tries = 0;
}

static void invite(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	char out[TEXT];

	if (!l && !m->to_tagged)
		rings(line, m, now_ns);
	else if (!l || l->state == LEG_OVER)
		(void)respond(line, l, m, "481 Call/Transaction Does Not Exist", false, out);
	else if (m->to_tagged && l->state == LEG_UP)
		again(line, l, m, now_ns);
	else if (l->state == LEG_UP)
		leg_send(l, l->answer, l->answer_n);
	else
		(void)respond(line, l, m, "180 Ringing", false, out);
}

static void ack(struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	struct leg *caller;

	l->answer_due_ns = 0;
	if (l->state == LEG_OVER)
		return;
	if (m->body.n)
		leg_media(l, m->body, now_ns);
	if (l->acked || l->caller)
		return;
	l->acked = true;
	journal(l->name, now_ns, "acked", NULL);
	caller = leg_by_user(l->peer);
	if (caller)
		group_talks(caller, l, now_ns);
}

static void bye(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	char out[TEXT];

	(void)respond(line, l, m, "200 OK", false, out);
	if (l->state == LEG_OVER)
		return;
	journal(l->name, now_ns, "bye-received", NULL);
	leg_over(l, now_ns, "bye");
}

static void cancelled(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	char out[TEXT];

	(void)respond(line, l, m, "200 OK", false, out);
	if (l->state != LEG_RINGING || l->caller)
		return;
	l->answer_n = 0;
	journal(l->name, now_ns, "cancelled", NULL);
	/* Its INVITE had the same headers but for the method in CSeq. */
	{
		struct sipmsg invite_too = *m;
		char cseq[48];
		struct view method;

		snprintf(cseq, sizeof(cseq), "CSeq: %u INVITE", cseq_of(m, &method));
		invite_too.cseq = (struct view){ cseq, strlen(cseq) };
		(void)respond(line, l, &invite_too, "487 Request Terminated", false, out);
	}
	leg_over(l, now_ns, "cancel");
}

void uas_request(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns)
{
	char out[TEXT];

	if (view_eq(m->method, "INVITE")) {
		invite(line, l, m, now_ns);
	} else if (view_eq(m->method, "ACK")) {
		if (l)
			ack(l, m, now_ns);
	} else if (!l) {
		(void)respond(line, NULL, m,
			      view_eq(m->method, "OPTIONS") ? "200 OK" : "481 Call/Transaction Does Not Exist", false,
			      out);
	} else if (view_eq(m->method, "BYE")) {
		bye(line, l, m, now_ns);
	} else if (view_eq(m->method, "CANCEL")) {
		cancelled(line, l, m, now_ns);
	} else if (l->state == LEG_OVER) {
		(void)respond(line, l, m, "481 Call/Transaction Does Not Exist", false, out);
	} else {
		leg_media(l, m->body, now_ns); /* UPDATE */
		(void)respond(line, l, m, "200 OK", m->body.n != 0, out);
	}
}

static void answer(struct leg *l, int64_t now_ns)
{
	l->act_ns = 0;
	l->state = LEG_UP;
	journal(l->name, now_ns, "up", NULL);
	leg_send(l, l->answer, l->answer_n);
	l->answer_due_ns = now_ns + T1_NS;
	l->answer_until_ns = now_ns + TIMEOUT_NS;
}

void uas_turn(struct leg *l, int64_t now_ns)
{
	if (l->state == LEG_OVER)
		return;
	if (!l->caller && l->act_ns && now_ns >= l->act_ns) {
		l->act_ns = 0;
		if (l->state == LEG_RINGING)
			answer(l, now_ns);
		else
			uac_hang_up(l, now_ns);
	}
	if (!l->answer_due_ns || now_ns < l->answer_due_ns)
		return;
	if (now_ns >= l->answer_until_ns) { /* RFC 3261, 13.3.1.4: without an ACK a BYE ends it */
		l->answer_due_ns = 0;
		journal(l->name, now_ns, "unacknowledged", NULL);
		uac_hang_up(l, now_ns);
		return;
	}
	leg_send(l, l->answer, l->answer_n);
	l->answer_due_ns = now_ns + ((T1_NS << (++l->answer_tries < 3 ? l->answer_tries : 3)));
}
