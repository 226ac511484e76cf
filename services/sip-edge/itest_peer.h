/*
 * itest_peer: a SIP peer that speaks text over UDP, for the integration tests: what is sent is written out, what comes is
 * looked at as text. Not a stack: it retransmits nothing, and what the edge retransmits because a test was slow is passed over.
 */
#ifndef SIP_EDGE_ITEST_PEER_H
#define SIP_EDGE_ITEST_PEER_H

#include "base/hash.h"
#include "itest_world.h"

#define PEER_GIVEN 512

struct peer {
	int fd, port;
	char host[16];
	char rx[65536]; /* the message got last */
	/* Of the messages that the test has got: the same bytes once more are a retransmission. */
	uint32_t given[PEER_GIVEN];
	size_t n_given;
};

static void peer_open_at(struct peer *p, const char *host)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t n = sizeof(a);

	memset(p, 0, sizeof(*p));
	snprintf(p->host, sizeof(p->host), "%s", host);
	inet_pton(AF_INET, host, &a.sin_addr);
	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(p->fd, (struct sockaddr *)&a, &n);
	p->port = ntohs(a.sin_port);
}

static void UNUSED peer_open(struct peer *p)
{
	peer_open_at(p, "127.0.0.1");
}

static void UNUSED peer_close(struct peer *p)
{
	close(p->fd);
}

static void peer_send_bytes(struct peer *p, const char *bytes, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)sip_port) };

	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	assert_int_equal(sendto(p->fd, bytes, n, 0, (struct sockaddr *)&a, sizeof(a)), (ssize_t)n);
}

static void PRINTF(2, 3) peer_send(struct peer *p, const char *fmt, ...)
{
	char text[65536];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	peer_send_bytes(p, text, (size_t)n);
}

static bool peer_is_news(struct peer *p)
{
	uint32_t h = hash_fnv1a32(p->rx);

	for (size_t i = 0; i < p->n_given && i < PEER_GIVEN; i++)
		if (p->given[i] == h)
			return false;
	p->given[p->n_given++ % PEER_GIVEN] = h;
	return true;
}

/* Another process is at the other end now: what it says is news, and what lies here is of the one before. */
static void UNUSED peer_forget(struct peer *p)
{
	while (recv(p->fd, p->rx, sizeof(p->rx), 0) >= 0)
		;
	p->n_given = 0;
}

struct peer_want {
	struct peer *p;
	const char *start;
};

static bool peer_look(void *arg)
{
	struct peer_want *w = arg;
	ssize_t n;

	while ((n = recv(w->p->fd, w->p->rx, sizeof(w->p->rx) - 1, 0)) >= 0) {
		w->p->rx[n] = '\0';
		if (strncmp(w->p->rx, w->start, strlen(w->start)) == 0 && peer_is_news(w->p))
			return true;
	}
	return false;
}

/* The next message that begins so; others are passed over. */
static bool peer_got(struct peer *p, const char *start, int64_t ms)
{
	struct peer_want w = { p, start };

	return testkit_wait_loop(loop, peer_look, &w, ms);
}

static void peer_expect(struct peer *p, const char *start)
{
	if (peer_got(p, start, WAIT_MS))
		return;
	print_error("did not get '%s'; last was:\n%s\n", start, p->rx);
	fail();
}

/* Value of the first header of that name in the last message; "" if there is none. Ring of buffers. */
static const char *header(const struct peer *p, const char *name)
{
	static char bufs[8][1024];
	static unsigned next;
	char *buf = bufs[next++ % 8];
	size_t n = strlen(name);

	buf[0] = '\0';
	for (const char *line = p->rx; line && *line; line = strstr(line, "\r\n") ? strstr(line, "\r\n") + 2 : NULL) {
		if (strncasecmp(line, name, n) != 0 || line[n] != ':')
			continue;
		for (line += n + 1; *line == ' '; line++)
			;
		snprintf(buf, 1024, "%.*s", (int)strcspn(line, "\r\n"), line);
		break;
	}
	return buf;
}

UNUSED static const char *body(const struct peer *p)
{
	const char *b = strstr(p->rx, "\r\n\r\n");

	return b ? b + 4 : "";
}

/* A dialog as the peer sees it. */
struct call {
	struct peer *p;
	char ruri[200], call_id[64], from[256], to[256], branch[32], contact[128];
	char target[256]; /* of requests within the dialog */
	unsigned cseq;
	bool caller;
};

static void new_branch(struct call *c)
{
	snprintf(c->branch, sizeof(c->branch), "z9hG4bK%08lx%08lx", random(), random());
}

static struct call call_new(struct peer *p, const char *number, const char *from_user, const char *from_host)
{
	struct call c = { .p = p, .cseq = 1, .caller = true };

	snprintf(c.ruri, sizeof(c.ruri), "sip:%s@127.0.0.1:%d", number, sip_port);
	snprintf(c.call_id, sizeof(c.call_id), "%lx%lx@test", random(), random());
	snprintf(c.from, sizeof(c.from), "\"Caller\" <sip:%s@%s>;tag=%lx", from_user, from_host, random());
	snprintf(c.to, sizeof(c.to), "<%s>", c.ruri);
	snprintf(c.contact, sizeof(c.contact), "<sip:%s@%s:%d>", from_user, p->host, p->port);
	return c;
}

static void request(struct call *c, const char *method, const char *uri, unsigned cseq, const char *extra,
		    const char *sdp)
{
	peer_send(
	    c->p,
	    "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s:%d;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\n"
	    "Call-ID: %s\r\nCSeq: %u %s\r\nContact: %s\r\n%s%sContent-Length: %zu\r\n\r\n%s",
	    method, uri, c->p->host, c->p->port, c->branch, c->from, c->to, c->call_id, cseq, method, c->contact, extra,
	    sdp[0] ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
}

static void invite(struct call *c, const char *extra, const char *sdp)
{
	new_branch(c);
	request(c, "INVITE", c->ruri, c->cseq, extra, sdp);
}

/* Takes the To tag and target of the last message (a response to our INVITE). */
static void learn(struct call *c)
{
	const char *contact = header(c->p, "Contact"), *lt = strchr(contact, '<');

	snprintf(c->to, sizeof(c->to), "%s", header(c->p, "To"));
	if (lt)
		snprintf(c->target, sizeof(c->target), "%.*s", (int)strcspn(lt + 1, ">"), lt + 1);
}

static void ack(struct call *c, const char *sdp)
{
	new_branch(c);
	request(c, "ACK", c->target, c->cseq, "", sdp);
}

/* ACK of a refusal: same branch, To with the tag of the answer. */
static void UNUSED ack_refusal(struct call *c)
{
	char to[256];

	memcpy(to, c->to, sizeof(to));
	snprintf(c->to, sizeof(c->to), "%s", header(c->p, "To"));
	request(c, "ACK", c->ruri, c->cseq, "", "");
	memcpy(c->to, to, sizeof(to));
}

static void UNUSED in_dialog(struct call *c, const char *method, const char *extra, const char *sdp)
{
	new_branch(c);
	request(c, method, c->target, ++c->cseq, extra, sdp);
}

/* Answers the last request; tag is added to To if it has none. Fills c (may be NULL) as the called side of the dialog. */
static void UNUSED answer(struct peer *p, struct call *c, const char *status, const char *tag, const char *sdp)
{
	char to[256];
	const char *cseq = header(p, "CSeq");

	snprintf(to, sizeof(to), "%s", header(p, "To"));
	if (tag && !strstr(to, "tag="))
		snprintf(to + strlen(to), sizeof(to) - strlen(to), ";tag=%s", tag);
	if (c) {
		const char *contact = header(p, "Contact"), *lt = strchr(contact, '<');

		c->p = p;
		snprintf(c->call_id, sizeof(c->call_id), "%s", header(p, "Call-ID"));
		snprintf(c->from, sizeof(c->from), "%s", to);
		snprintf(c->to, sizeof(c->to), "%s", header(p, "From"));
		snprintf(c->target, sizeof(c->target), "%.*s", (int)strcspn(lt ? lt + 1 : "", ">"), lt ? lt + 1 : "");
		snprintf(c->contact, sizeof(c->contact), "<sip:1001@%s:%d>", p->host, p->port);
		c->cseq = c->cseq ? c->cseq : 100;
	}
	peer_send(
	    p,
	    "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:1001@%s:%d>\r\n"
	    "%sContent-Length: %zu\r\n\r\n%s",
	    status, header(p, "Via"), header(p, "From"), to, header(p, "Call-ID"), cseq, p->host, p->port,
	    sdp[0] ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
}

/* An answered inbound call: what most tests begin with. */
static struct leg_ref UNUSED establish(struct peer *p, struct call *c)
{
	struct leg_ref l;

	*c = call_new(p, "+862011110000", "13800138000", "carrier.example");
	invite(c, "", SDP_A);
	l = leg_of(cc_event("offer", EV(OFFER)));
	cc_answer(&l, SDP_B);
	peer_expect(p, "SIP/2.0 200");
	learn(c);
	ack(c, "");
	cc_event("cc-1", EV(ANSWERED));
	return l;
}

/* ---- what the edge writes into KV, asynchronously, for its next life ---- */

struct in_kv {
	char subject[200], text[64]; /* which the value has */
	bool asked, there;
};

static void on_kv_answer(err_t e, const struct bus_msg *msg, void *arg)
{
	struct in_kv *k = arg;

	k->asked = false;
	k->there = !e && msg->size && memmem(msg->data, msg->size, k->text, strlen(k->text));
}

static bool is_in_kv(void *arg)
{
	struct in_kv *k = arg;

	if (!k->there && !k->asked)
		k->asked = bus_request(bus, k->subject, "", 0, 1000, on_kv_answer, k) == ERR_OK;
	return k->there;
}

static void UNUSED await_checkpoint(const struct leg_ref *l)
{
	struct in_kv k = { "", "", false, false };

	snprintf(k.subject, sizeof(k.subject), "$JS.API.DIRECT.GET.KV_legs.$KV.legs.edge-1.%s.%s", l->tenant, l->leg);
	assert_true(testkit_wait_loop(loop, is_in_kv, &k, WAIT_MS));
}

/* Of the phone p, as tenant.agent. */
static void UNUSED await_binding(const struct peer *p, const char *whose)
{
	struct in_kv k = { "", "", false, false };

	snprintf(k.subject, sizeof(k.subject), "$JS.API.DIRECT.GET.KV_bindings.$KV.bindings.%s", whose);
	snprintf(k.text, sizeof(k.text), "@%s:%d", p->host, p->port);
	assert_true(testkit_wait_loop(loop, is_in_kv, &k, WAIT_MS));
}

/* ---- registration ---- */

/* Authorization for the challenge of that algorithm in the last message. */
static void authorization(const struct peer *p, enum digest_algorithm a, const char *user, const char *password,
			  const char *method, const char *uri, struct str *out)
{
	struct digest_params d = { .algorithm = a };
	char ha1[DIGEST_HEX];
	const char *at = strstr(p->rx, a == DIGEST_SHA256 ? "algorithm=SHA-256" : "algorithm=MD5");

	assert_non_null(at);
	while (at > p->rx && strncmp(at, "WWW-Authenticate", 16) != 0)
		at--;
	assert_int_equal(sscanf(at, "WWW-Authenticate: Digest realm=\"%255[^\"]\", nonce=\"%255[^\"]\"", d.realm,
				d.nonce),
			 2);
	snprintf(d.qop, sizeof(d.qop), "auth");
	digest_ha1(a, user, d.realm, password, ha1);
	str_append(out, "Authorization: ");
	digest_answer(out, &d, user, ha1, method, uri, "c0ffee", 1);
	str_append(out, "\r\n");
}

static struct call reg_new(struct peer *p, const char *tenant, const char *user)
{
	struct call c = { .p = p, .cseq = 1 };

	snprintf(c.ruri, sizeof(c.ruri), "sip:%s.trunkline.local", tenant);
	snprintf(c.call_id, sizeof(c.call_id), "reg%lx@test", random());
	snprintf(c.from, sizeof(c.from), "<sip:%s@%s.trunkline.local>;tag=r%lx", user, tenant, random());
	snprintf(c.to, sizeof(c.to), "<sip:%s@%s.trunkline.local>", user, tenant);
	snprintf(c.contact, sizeof(c.contact), "<sip:%s@%s:%d>", user, p->host, p->port);
	return c;
}

/* REGISTER, challenge, REGISTER; leaves the final answer in p->rx. */
static void UNUSED register_as(struct peer *p, const char *tenant, const char *user, const char *password,
			       enum digest_algorithm a, const char *extra)
{
	struct call c = reg_new(p, tenant, user);
	struct str auth = STR_INIT;

	new_branch(&c);
	request(&c, "REGISTER", c.ruri, c.cseq, extra, "");
	peer_expect(p, "SIP/2.0 401");
	authorization(p, a, user, password, "REGISTER", c.ruri, &auth);
	str_append(&auth, extra);
	new_branch(&c);
	request(&c, "REGISTER", c.ruri, ++c.cseq, str_text(&auth), "");
	peer_expect(p, "SIP/2.0 ");
	str_done(&auth);
}

#endif
