#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "sdp/sdp_session.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static void init(struct sdp_session *s)
{
	struct sdp_addr a;

	assert_true(sdp_addr_parse(&a, "127.0.0.1"));
	sdp_session_init(s, &a, 20000, 77);
}

/* ---- what phones send ---- */
struct phone {
	const char *name, *offer;
	err_t want;
	enum sdp_codec codec;
	unsigned pt, event_pt;
	uint16_t port, rtcp_port;
	enum sdp_dir dir; /* ours */
	const char *addr;
};

static const struct phone phones[] = {
	{ "sipp",
	  "v=0\no=user1 53655765 2353687637 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 6000 RTP/AVP "
	  "0\na=rtpmap:0 PCMU/8000\n",
	  ERR_OK, SDP_CODEC_PCMU, 0, SDP_NO_PT, 6000, 6001, SDP_SENDRECV, "127.0.0.1" },
	{ "baresip",
	  "v=0\r\no=- 3376543210 2034567890 IN IP4 10.0.0.7\r\ns=-\r\nc=IN IP4 10.0.0.7\r\nt=0 0\r\na=tool:baresip "
	  "1.0.0\r\n"
	  "m=audio 16530 RTP/AVP 96 0 8 101\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 "
	  "stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\n"
	  "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "
	  "0-15\r\na=rtcp:16531\r\na=sendrecv\r\na=label:1\r\n"
	  "a=rtcp-rsize\r\na=ssrc:2456 cname:sip:a@b\r\na=ptime:20\r\n",
	  ERR_OK, SDP_CODEC_PCMU, 0, 101, 16530, 16531, SDP_SENDRECV, "10.0.0.7" },
	{ "linphone, telephone-event at two rates, video refused",
	  "v=0\r\no=alice 2890 1821 IN IP4 192.168.0.17\r\ns=Talk\r\nc=IN IP4 192.168.0.17\r\nb=AS:380\r\nt=0 "
	  "0\r\na=rtcp-xr:rcvr-rtt=all:10000\r\n"
	  "m=audio 7078 RTP/AVP 96 97 8 0 98 99\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\na=rtpmap:97 "
	  "speex/16000\r\n"
	  "a=rtpmap:98 telephone-event/48000\r\na=rtpmap:99 telephone-event/8000\r\na=rtcp-fb:* trr-int 1000\r\n"
	  "m=video 9078 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, 99, 7078, 7079, SDP_SENDRECV, "192.168.0.17" },
	{ "asterisk chan_pjsip",
	  "v=0\r\no=- 1450531419 1450531419 IN IP4 203.0.113.4\r\ns=Asterisk\r\nc=IN IP4 203.0.113.4\r\nt=0 "
	  "0\r\nm=audio 11222 RTP/AVP 8 0 101\r\n"
	  "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 "
	  "0-16\r\na=ptime:20\r\na=maxptime:140\r\na=sendrecv\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, 101, 11222, 11223, SDP_SENDRECV, "203.0.113.4" },
	{ "freeswitch",
	  "v=0\r\no=FreeSWITCH 1699 1700 IN IP4 198.51.100.2\r\ns=FreeSWITCH\r\nc=IN IP4 198.51.100.2\r\nt=0 "
	  "0\r\nm=audio 24368 RTP/AVP 102 0 8 103 101\r\n"
	  "a=rtpmap:102 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:103 "
	  "telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n"
	  "a=fmtp:101 0-16\r\na=rtcp-mux\r\na=rtcp:24368 IN IP4 198.51.100.2\r\na=ptime:20\r\n",
	  ERR_OK, SDP_CODEC_PCMU, 0, 101, 24368, 24368, SDP_SENDRECV, "198.51.100.2" },
	{ "cisco gateway, static types without rtpmap, connection at the media",
	  "v=0\r\no=CiscoSystemsSIP-GW-UserAgent 2356 7820 IN IP4 10.1.1.1\r\ns=SIP Call\r\nc=IN IP4 10.1.1.1\r\nt=0 "
	  "0\r\n"
	  "m=audio 18242 RTP/AVP 18 8 0 101\r\nc=IN IP4 10.1.1.9\r\na=rtpmap:18 G729/8000\r\na=fmtp:18 "
	  "annexb=no\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, 101, 18242, 18243, SDP_SENDRECV, "10.1.1.9" },
	{ "yealink on hold",
	  HEAD "m=audio 11780 RTP/AVP 9 0 8 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:101 "
	       "telephone-event/8000\r\na=sendonly\r\n",
	  ERR_OK, SDP_CODEC_PCMU, 0, 101, 11780, 11781, SDP_RECVONLY, "192.0.2.1" },
	{ "inactive, direction at the session",
	  "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=inactive\r\nm=audio 4000 RTP/AVP "
	  "8\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, SDP_NO_PT, 4000, 4001, SDP_INACTIVE, "192.0.2.1" },
	{ "hold as in RFC 2543",
	  "v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n", ERR_OK,
	  SDP_CODEC_PCMA, 8, SDP_NO_PT, 4000, 4001, SDP_RECVONLY, "0.0.0.0" },
	{ "A-law with a dynamic type",
	  HEAD "m=audio 4000 RTP/AVP 97 100\r\na=rtpmap:97 pcma/8000/1\r\na=rtpmap:100 TELEPHONE-EVENT/8000\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 97, 100, 4000, 4001, SDP_SENDRECV, "192.0.2.1" },
	{ "IPv6",
	  "v=0\r\no=- 1 2 IN IP6 2001:db8::1\r\ns=-\r\nc=IN IP6 2001:db8::1\r\nt=0 0\r\nm=audio 4000/2 RTP/AVP 8\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, SDP_NO_PT, 4000, 4001, SDP_SENDRECV, "2001:db8::1" },
	{ "a secure line first, then a plain one",
	  HEAD "m=audio 4000 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\nm=audio 4002 RTP/AVP 8\r\n",
	  ERR_OK, SDP_CODEC_PCMA, 8, SDP_NO_PT, 4002, 4003, SDP_SENDRECV, "192.0.2.1" },
	{ "a browser: no plain profile",
	  HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n", ERR_PRECONDITION },
	{ "only G.729", HEAD "m=audio 4000 RTP/AVP 18\r\n", ERR_PRECONDITION },
	{ "µ-law at another rate is not G.711 µ-law", HEAD "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 PCMU/16000\r\n",
	  ERR_PRECONDITION },
	{ "two channels are not G.711", HEAD "m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 PCMU/8000/2\r\n",
	  ERR_PRECONDITION },
	{ "audio refused by port 0", HEAD "m=audio 0 RTP/AVP 8\r\n", ERR_PRECONDITION },
};

static void an_offer_of_each_phone_is_answered_as_it_should_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(phones); i++) {
		const struct phone *p = &phones[i];
		struct err_detail detail = { 0 };
		char addr[SDP_ADDR_TEXT];
		struct sdp_session s;
		struct sdp d;

		init(&s);
		print_message("  %s\n", p->name);
		assert_int_equal(sdp_session_answer(&s, p->offer, strlen(p->offer), &detail), p->want);
		if (!p->want) {
			assert_int_equal(s.agreed.codec, p->codec);
			assert_int_equal(s.agreed.send_pt, p->pt);
			assert_int_equal(s.agreed.send_event_pt, p->event_pt);
			assert_int_equal(s.agreed.port, p->port);
			assert_int_equal(s.agreed.rtcp_port, p->rtcp_port);
			assert_int_equal(s.agreed.dir, p->dir);
			assert_string_equal(sdp_addr_text(&s.agreed.addr, addr), p->addr);
			assert_int_equal(sdp_parse(&d, s.local.data, s.local.len, &detail), ERR_OK);
			assert_int_equal(d.n_media, s.n_slots);
		} else {
			assert_false(s.agreed.valid);
			assert_int_equal(s.local.len, 0);
		}
		sdp_session_done(&s);
	}
}

static void an_answer_repeats_every_media_line_in_order(void **state)
{
	static const char offer[] =
	    HEAD "m=video 5000 RTP/AVP 96\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
		 "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
	static const char want[] =
	    "v=0\r\no=trunkline 77 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
	    "m=video 0 RTP/AVP 96\r\nm=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
	    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	    "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n";
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_OK);
	assert_string_equal(str_text(&s.local), want);
	/* A later offer of ours keeps the refused lines. */
	assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_OK);
	assert_non_null(strstr(str_text(&s.local), "m=video 0 RTP/AVP 96\r\nm=audio 20000 RTP/AVP 8 0 101\r\n"));
	assert_non_null(strstr(str_text(&s.local), "o=trunkline 77 2 "));
	sdp_session_done(&s);
}

static void the_version_grows_exactly_when_the_description_changes(void **state)
{
	static const char offer[] = HEAD "m=audio 4000 RTP/AVP 8\r\n";
	static const char hold[] = HEAD "m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_OK);
	assert_int_equal(s.version, 1);
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_OK);
	assert_int_equal(s.version, 1);
	assert_int_equal(sdp_session_answer(&s, hold, strlen(hold), NULL), ERR_OK);
	assert_int_equal(s.version, 2);
	assert_non_null(strstr(str_text(&s.local), "a=recvonly"));
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_OK);
	assert_int_equal(s.version, 3);
	sdp_session_done(&s);
}

static void our_offer_and_its_answer_agree(void **state)
{
	static const char answer[] = HEAD "m=audio 4000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\n";
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_OK);
	assert_non_null(strstr(str_text(&s.local), "m=audio 20000 RTP/AVP 8 0 101\r\n"));
	assert_int_equal(sdp_session_answered(&s, answer, strlen(answer), NULL), ERR_OK);
	assert_int_equal(s.agreed.codec, SDP_CODEC_PCMU);
	assert_int_equal(s.agreed.send_event_pt, 96);
	assert_int_equal(s.agreed.recv_event_pt, 101);
	sdp_session_done(&s);
}

static void two_sessions_offer_and_answer_each_other(void **state)
{
	struct sdp_session a, b;

	(void)state;
	init(&a);
	init(&b);
	a.prefer = SDP_CODEC_PCMU;
	assert_int_equal(sdp_session_offer(&a, SDP_SENDONLY), ERR_OK);
	assert_int_equal(sdp_session_answer(&b, a.local.data, a.local.len, NULL), ERR_OK);
	assert_int_equal(sdp_session_answered(&a, b.local.data, b.local.len, NULL), ERR_OK);
	assert_int_equal(a.agreed.codec, SDP_CODEC_PCMU);
	assert_int_equal(b.agreed.codec, SDP_CODEC_PCMU);
	assert_int_equal(a.agreed.dir, SDP_SENDONLY);
	assert_int_equal(b.agreed.dir, SDP_RECVONLY);
	sdp_session_done(&a);
	sdp_session_done(&b);
}

struct bad {
	const char *text, *field, *message;
};
static const struct bad bads[] = {
	{ "", "sdp line 0", "empty" },
	{ "o=- 1 1 IN IP4 1.2.3.4\r\n", "sdp line 1", "v=0" },
	{ "v=1\r\n", "sdp line 1", "v=0" },
	{ "v=0\r\nm=audio 4000 RTP/AVP 8\r\n", "sdp line 2", "no o=" },
	{ "v=0\r\no=- x 1 IN IP4 1.2.3.4\r\n", "sdp line 2", "o= must be" },
	{ "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\no=- 1 1 IN IP4 1.2.3.4\r\n", "sdp line 3", "second o=" },
	{ HEAD, "sdp line 5", "no m=" },
	{ HEAD "m=audio 49NSE=\"d9\"\r\n", "sdp line 6", "m= must have" },
	{ HEAD "m=audio 49170 RTP/AVP NSE=\"d9\"\r\n", "sdp line 6", "token" },
	{ HEAD "m=audio 49170 RTP/AVP\r\n", "sdp line 6", "m= must have" },
	{ HEAD "m=audio 70000 RTP/AVP 0\r\n", "sdp line 6", "0-65535" },
	{ HEAD "m=audio -1 RTP/AVP 0\r\n", "sdp line 6", "0-65535" },
	{ HEAD "m=audio 4000 RTP/AVP 128\r\n", "sdp line 6", "payload type" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8\r\n", "sdp line 7", "rtpmap" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\na=rtcp:x\r\n", "sdp line 7", "a=rtcp" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 example.com\r\n", "sdp line 7", "numeric" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 239.1.2.3\r\n", "sdp line 7", "multicast" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 239.1.2.3/127\r\n", "sdp line 7", "numeric" },
	{ HEAD "m=audio 4000 RTP/AVP 8\r\nc=IN IP6 192.0.2.1\r\n", "sdp line 7", "numeric" },
	{ HEAD "hello\r\n", "sdp line 6", "small letter" },
	{ "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\nm=audio 4000 RTP/AVP 8\r\n", "sdp line 3", "no c=" },
};

static void what_is_malformed_is_refused_with_its_line(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
		struct err_detail detail = { 0 };
		struct sdp d;

		assert_int_equal(sdp_parse(&d, bads[i].text, strlen(bads[i].text), &detail), ERR_INVALID);
		assert_string_equal(detail.field, bads[i].field);
		if (!strstr(detail.message, bads[i].message))
			fail_msg("%zu: %s", i, detail.message);
	}
}

static void what_is_too_large_or_holds_nul_is_refused(void **state)
{
	static char big[SDP_SIZE_MAX + 2];
	struct err_detail detail;
	struct sdp d;
	size_t n;

	(void)state;
	memset(big, 'a', sizeof(big));
	assert_int_equal(sdp_parse(&d, big, SDP_SIZE_MAX + 1, &detail), ERR_INVALID);
	assert_int_equal(sdp_parse(&d, "v=0\0\n", 5, &detail), ERR_INVALID);
	n = (size_t)snprintf(big, sizeof(big), "%s", HEAD);
	for (unsigned i = 0; i < SDP_LINES_MAX; i++)
		n += (size_t)snprintf(big + n, sizeof(big) - n, "a=x\n");
	assert_int_equal(sdp_parse(&d, big, n, &detail), ERR_INVALID);
	assert_non_null(strstr(detail.message, "512"));
	n = (size_t)snprintf(big, sizeof(big), "%s", HEAD);
	for (unsigned i = 0; i < SDP_MEDIA_MAX + 1; i++)
		n += (size_t)snprintf(big + n, sizeof(big) - n, "m=audio 4000 RTP/AVP 8\n");
	assert_int_equal(sdp_parse(&d, big, n, &detail), ERR_INVALID);
}

static void a_failed_offer_changes_nothing(void **state)
{
	static const char good[] = HEAD "m=audio 4000 RTP/AVP 8\r\n", none[] = HEAD "m=audio 4000 RTP/AVP 18\r\n";
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_answer(&s, good, strlen(good), NULL), ERR_OK);
	assert_int_equal(sdp_session_answer(&s, none, strlen(none), NULL), ERR_PRECONDITION);
	assert_int_equal(s.agreed.codec, SDP_CODEC_PCMA);
	assert_int_equal(s.version, 1);
	mem_fail_after(0);
	assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_EXHAUSTED);
	mem_fail_after(-1);
	assert_int_equal(s.version, 1);
	assert_true(s.local.len > 0);
	sdp_session_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_of_each_phone_is_answered_as_it_should_be),
		cmocka_unit_test(an_answer_repeats_every_media_line_in_order),
		cmocka_unit_test(the_version_grows_exactly_when_the_description_changes),
		cmocka_unit_test(our_offer_and_its_answer_agree),
		cmocka_unit_test(two_sessions_offer_and_answer_each_other),
		cmocka_unit_test(what_is_malformed_is_refused_with_its_line),
		cmocka_unit_test(what_is_too_large_or_holds_nul_is_refused),
		cmocka_unit_test(a_failed_offer_changes_nothing),
	};

	return cmocka_run_group_tests_name("sdp", tests, NULL, NULL);
}
