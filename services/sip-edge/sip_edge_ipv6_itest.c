/* An edge on IPv6: phones and a trunk at [::1], SDP with IP6 passed on, RFC 5118 4.5 (brackets in received). */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-variable"
#include "itest_world.h"

#define SDP6_A "v=0\r\no=a 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\na=sendrecv\r\n"
#define SDP6_B "v=0\r\no=b 2 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 40002 RTP/AVP 8\r\na=sendrecv\r\n"

struct six {
	int fd, port;
	char rx[65536];
};

static void six_open(struct six *p)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t n = sizeof(a);

	p->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	getsockname(p->fd, (struct sockaddr *)&a, &n);
	p->port = ntohs(a.sin6_port);
}

static void PRINTF(2, 3) six_send(struct six *p, const char *fmt, ...)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				   .sin6_port = htons((uint16_t)sip_port) };
	char text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_int_equal(sendto(p->fd, text, (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)), n);
}

struct six_want {
	struct six *p;
	const char *start;
};

static bool six_look(void *arg)
{
	struct six_want *w = arg;
	ssize_t n;

	while ((n = recv(w->p->fd, w->p->rx, sizeof(w->p->rx) - 1, 0)) >= 0) {
		w->p->rx[n] = '\0';
		if (strncmp(w->p->rx, w->start, strlen(w->start)) == 0)
			return true;
	}
	return false;
}

static void six_expect(struct six *p, const char *start)
{
	struct six_want w = { p, start };

	if (testkit_wait_loop(loop, six_look, &w, WAIT_MS))
		return;
	print_error("did not get '%s'; last was:\n%s\n", start, p->rx);
	fail();
}

static void six_request(struct six *p, const char *method, const char *to_tag, unsigned cseq, const char *via_more,
			const char *sdp)
{
	six_send(p,
		 "%s sip:+862011110000@[::1]:%d SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:%d;branch=z9hG4bKsix%s%u%s\r\n"
		 "Max-Forwards: 70\r\nFrom: <sip:13800138000@[2001:db8::9:1]>;tag=six\r\n"
		 "To: <sip:+862011110000@[::1]>%s\r\nCall-ID: six@[::1]\r\nCSeq: %u %s\r\n"
		 "Contact: \"Caller\" <sip:caller@[::1]:%d>\r\n%sContent-Length: %zu\r\n\r\n%s",
		 method, sip_port, p->port, method, cseq, via_more, to_tag, cseq, method, p->port,
		 sdp[0] ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
}

static void a_call_over_ipv6_is_offered_answered_and_ended(void **state)
{
	struct six p;
	const event_t *ev;
	struct leg_ref l;
	char tag[200] = "";
	const char *at;

	(void)state;
	six_open(&p);
	six_request(&p, "INVITE", "", 1, "", SDP6_A);
	ev = cc_event("offer", EV(OFFER));
	assert_non_null(strstr((const char *)ev->offer->sdp.data, "c=IN IP6 ::1"));
	l = leg_of(ev);
	cc_answer(&l, SDP6_B);
	six_expect(&p, "SIP/2.0 200");
	assert_non_null(strstr(p.rx, "c=IN IP6 ::1"));
	assert_non_null(strstr(p.rx, "Contact: <sip:[::1]:"));
	at = strstr(p.rx, "To: <sip:+862011110000@[::1]>");
	assert_non_null(at);
	at = strchr(at, '>') + 1;
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(at, "\r"), at);
	six_request(&p, "ACK", tag, 1, "", "");
	cc_event("cc-1", EV(ANSWERED));
	cc_hang_up(&l);
	six_expect(&p, "BYE sip:caller@[::1]:");
	close(p.fd);
}

/* RFC 5118 4.5: a received with and without brackets is not believed, and answered to where it came from. */
static void a_received_parameter_of_either_form_is_read(void **state)
{
	static const char *const forms[] = { ";received=[2001:db8::9:255]", ";received=2001:db8::9:255",
					     ";maddr=[2001:db8::1]" };
	struct six p;

	(void)state;
	six_open(&p);
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		six_request(&p, "OPTIONS", "", 10 + i, forms[i], "");
		six_expect(&p, "SIP/2.0 200");
		assert_null(strstr(p.rx, "2001:db8::9:255"));
	}
	close(p.fd);
}

static void a_phone_on_ipv6_registers_and_is_called(void **state)
{
	struct six p;
	struct digest_params d = { .algorithm = DIGEST_MD5 };
	struct str auth = STR_INIT;
	char ha1[DIGEST_HEX];
	const char *at;

	(void)state;
	six_open(&p);
	for (unsigned i = 1; i <= 2; i++) {
		six_send(
		    &p,
		    "REGISTER sip:acme.trunkline.local SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:%d;branch=z9hG4bKreg%u\r\n"
		    "From: <sip:1001@acme.trunkline.local>;tag=r\r\nTo: <sip:1001@acme.trunkline.local>\r\nCall-ID: "
		    "reg6\r\n"
		    "CSeq: %u REGISTER\r\nContact: <sip:1001@[::1]:%d>\r\n%sContent-Length: 0\r\n\r\n",
		    p.port, i, i, p.port, str_text(&auth));
		if (i == 2)
			break;
		six_expect(&p, "SIP/2.0 401");
		at = strstr(p.rx, "WWW-Authenticate: Digest realm=");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "WWW-Authenticate: Digest realm=\"%255[^\"]\", nonce=\"%255[^\"]\"",
					d.realm, d.nonce),
				 2);
		snprintf(d.qop, sizeof(d.qop), "auth");
		digest_ha1(DIGEST_MD5, "1001", d.realm, "secret-1001", ha1);
		str_append(&auth, "Authorization: ");
		digest_answer(&auth, &d, "1001", ha1, "REGISTER", "sip:acme.trunkline.local", "c0ffee", 1);
		str_append(&auth, "\r\n");
	}
	six_expect(&p, "SIP/2.0 200");
	(void)cc_dial_agent("1001", 20000);
	six_expect(&p, "INVITE sip:1001@[::1]:");
	str_done(&auth);
	close(p.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_call_over_ipv6_is_offered_answered_and_ended, forget),
		cmocka_unit_test_setup(a_received_parameter_of_either_form_is_read, forget),
		cmocka_unit_test_setup(a_phone_on_ipv6_registers_and_is_called, forget),
	};

	digest_offer = "md5";
	sip_address = "::1";
	return cmocka_run_group_tests(tests, world_start, world_stop);
}
