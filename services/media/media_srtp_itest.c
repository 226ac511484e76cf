/* SRTP against phones that protect by libsrtp2 themselves. RELIABILITY: 0 packets injected with SRTP; wrong tag, replay, downgrade. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "media_itest_world.h"

#include <openssl/evp.h>

#define S80  "AES_CM_128_HMAC_SHA1_80"
#define S32  "AES_CM_128_HMAC_SHA1_32"
#define S256 "AES_256_CM_HMAC_SHA1_80"

/* ---- keys ---- */
struct secret {
	const char *suite;
	uint8_t key[48];
	char text[80]; /* base64 */
};

static size_t key_size(const char *suite)
{
	return str_eq(suite, S256) ? 46 : 30;
}

static struct secret secret_new(const char *suite)
{
	struct secret s = { .suite = suite };

	for (size_t i = 0; i < sizeof(s.key); i++)
		s.key[i] = (uint8_t)rand();
	EVP_EncodeBlock((unsigned char *)s.text, s.key, (int)key_size(suite));
	return s;
}

/* What the engine's description says behind "inline:". */
static struct secret secret_of(const char *suite, const char *sdp)
{
	struct secret s = { .suite = suite };
	char want[64], *at;

	snprintf(want, sizeof(want), "a=crypto:1 %s inline:", suite);
	at = strstr(sdp, want);
	assert_non_null(at);
	at += strlen(want);
	assert_true(strcspn(at, "\r") < sizeof(s.text));
	memcpy(s.text, at, strcspn(at, "\r"));
	assert_true(EVP_DecodeBlock(s.key, (unsigned char *)s.text, (int)strlen(s.text)) >= (int)key_size(suite));
	return s;
}

static srtp_t context(const struct secret *s, srtp_ssrc_type_t whose)
{
	srtp_policy_t p = { .ssrc = { .type = whose }, .window_size = 1024, .key = (unsigned char *)s->key };
	srtp_t ctx;

	srtp_crypto_policy_set_rtp_default(&p.rtcp);
	srtp_crypto_policy_set_rtp_default(&p.rtp);
	if (str_eq(s->suite, S32))
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&p.rtp);
	if (str_eq(s->suite, S256)) {
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p.rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p.rtcp);
	}
	assert_int_equal(srtp_create(&ctx, &p), srtp_err_status_ok);
	return ctx;
}

/* ---- legs ---- */
static char described[1024]; /* the engine's last description */

static const char *sdp_of(const struct phone *p, const char *profile, const char *attributes)
{
	static char sdp[1024];

	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u %s 8 101\r\n"
		 "a=rtpmap:101 telephone-event/8000\r\n%s",
		 p->port, profile, attributes);
	return sdp;
}

static void ask(const char *leg, const char *sdp, bool srtp)
{
	BODY(EndpointCreate, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	command_t c = command(leg, COMMAND(CREATE));

	body.remote_sdp = (ProtobufCBinaryData){ strlen(sdp), (uint8_t *)sdp };
	body.srtp = srtp;
	c.create = &body;
	order(c);
}

static void tell(const char *leg, const char *sdp, bool is_offer)
{
	BODY(EndpointRemote, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_REMOTE__INIT;
	command_t c = command(leg, COMMAND(REMOTE));

	body.sdp = (ProtobufCBinaryData){ strlen(sdp), (uint8_t *)sdp };
	body.is_offer = is_offer;
	c.remote = &body;
	order(c);
}

static void take_ready(const event_t *ev, struct phone *p)
{
	snprintf(described, sizeof(described), "%.*s", (int)ev->ready->sdp.len, (char *)ev->ready->sdp.data);
	assert_non_null(strstr(described, "m=audio "));
	p->to = (uint16_t)atoi(strstr(described, "m=audio ") + 8);
}

static const char *crypto_line(const struct secret *s)
{
	static char line[200];

	snprintf(line, sizeof(line), "a=crypto:1 %s inline:%s\r\n", s->suite, s->text);
	return line;
}

/* The phone offers SRTP and is answered; returns its own secret. */
static struct secret create_srtp(const char *leg, struct phone *p, const char *suite)
{
	struct secret ours = secret_new(suite), theirs;

	ask(leg, sdp_of(p, "RTP/SAVP", crypto_line(&ours)), false);
	take_ready(await(leg, CASE(READY)), p);
	assert_non_null(strstr(described, "RTP/SAVP 8 101\r\n"));
	theirs = secret_of(suite, described);
	assert_string_not_equal(theirs.text, ours.text);
	phone_secure(p, context(&ours, ssrc_any_outbound), context(&theirs, ssrc_any_inbound));
	p->on = !p->shy;
	return ours;
}

/* A counter as Prometheus sees it. */
static long metric_now(const char *name)
{
	char request[] = "GET /metrics HTTP/1.0\r\n\r\n", want[100], *at;
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)http_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char text[200000];
	size_t n = 0;
	ssize_t got;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while ((got = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)got;
	close(fd);
	text[n] = '\0';
	snprintf(want, sizeof(want), "\ntrunkline_media_%s", name);
	at = strstr(text, want);
	assert_non_null(at);
	return atol(strchr(at + 1, ' '));
}

struct shown {
	const char *name;
	long value;
};

static bool is_shown(void *arg)
{
	const struct shown *s = arg;

	return metric_now(s->name) >= s->value;
}

/* It becomes that, and no more. */
static void must_show(const char *name, long value)
{
	(void)testkit_wait_loop(loop, is_shown, &(struct shown){ name, value }, WAIT_MS);
	assert_int_equal(metric_now(name), value);
}

/* ---- tests ---- */
static void an_srtp_and_a_plain_party_hear_each_other(void **state)
{
	char path[TESTKIT_PATH + 64];
	unsigned reports;

	(void)state;
	(void)create_srtp("a", &phones[0], S80);
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(200);
	reports = phones[0].rtcp_packets;
	record("a", true);
	must_hear(&phones[0], 1000, 12800, 0.97);
	must_hear(&phones[1], 440, 12800, 0.97);
	must_count(&phones[0].in_a_row, 65);
	must_count(&phones[1].in_a_row, 65);
	assert_int_equal(phones[0].spoilt, 0);
	press(&phones[0], '5', 100);
	assert_string_equal(await("a", CASE(DIGIT))->digit->digit, "5");
	record("a", false);
	/* The recording is clear. */
	snprintf(path, sizeof(path), "%s/rec/%s", dir, await("a", CASE(RECORD_DONE))->record_done->path);
	assert_true(read_recording(path));
	assert_true(most_of(track.left, 440, 8000) > 0.97);
	assert_true(most_of(track.right, 1000, 8000) > 0.97);
	unlink(path);
	/* Reports come as SRTCP. */
	must_count(&phones[0].rtcp_packets, reports + 1);
	assert_int_equal(phones[0].spoilt, 0);
}

static void two_srtp_parties_have_suites_and_keys_of_their_own(void **state)
{
	(void)state;
	(void)create_srtp("a", &phones[0], S32);
	(void)create_srtp("b", &phones[1], S256);
	bridge("a", "b");
	must_hear(&phones[0], 1000, 8000, 0.97);
	must_hear(&phones[1], 440, 8000, 0.97);
	assert_int_equal(phones[0].spoilt + phones[1].spoilt, 0);
}

static void prompts_reach_an_srtp_party(void **state)
{
	(void)state;
	(void)create_srtp("a", &phones[0], S80);
	play("a", NULL, 0, TRUNKLINE__MEDIA__V1__TONE__TONE_RING_BACK, true, false, 1);
	must_hear(&phones[0], 425, 4000, 0.97);
	assert_int_equal(phones[0].spoilt, 0);
}

/* From the very address that was signalled, which is the worst case: the source alone proves nothing. */
static void inject(struct phone *p, srtp_t forged, unsigned n)
{
	_Alignas(8) uint8_t bytes[RTP_HEADER + 160 + SRTP_MAX_TRAILER_LEN];
	static uint16_t seq = 1000; /* libsrtp2 does not protect one twice */

	for (unsigned i = 0; i < n; i++) {
		struct rtp_packet h = { .pt = 8, .seq = seq, .ts = i * 160, .ssrc = 99 };
		int size = RTP_HEADER + 160;

		seq++;
		rtp_write(bytes, &h);
		memset(bytes + RTP_HEADER, 0x11, 160);
		if (forged)
			assert_int_equal(srtp_protect(forged, bytes, &size), srtp_err_status_ok);
		send_to(p->rtp, p->to, bytes, (size_t)size);
		if (i % 10 == 0)
			usleep(5000);
	}
}

static void nothing_is_injected_into_an_srtp_leg(void **state)
{
	struct secret guess = secret_new(S80);
	srtp_t forged = context(&guess, ssrc_any_outbound);
	long wrong = metric_now("srtp_wrong_tag_total");

	(void)state;
	phones[0].shy = true;
	(void)create_srtp("a", &phones[0], S80);
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(100);
	inject(&phones[0], NULL, 200);
	inject(&phones[0], forged, 200);
	must_show("srtp_wrong_tag_total", wrong + 400);
	wait_ms(200);
	assert_int_equal(phones[1].packets, 0);
	/* The party itself is heard, and while it talks nobody else is. */
	phones[0].on = true;
	wait_ms(300);
	inject(&phones[0], NULL, 100);
	inject(&phones[0], forged, 100);
	must_show("srtp_wrong_tag_total", wrong + 600);
	wait_ms(1200);
	must_hear(&phones[1], 440, 8000, 0.97);
	must_count(&phones[1].in_a_row, 65);
	(void)srtp_dealloc(forged);
}

/* From the very port of the party's reports: without the key a report says nothing. */
static void a_forged_report_is_not_believed(void **state)
{
	struct secret guess = secret_new(S80);
	srtp_t forged = context(&guess, ssrc_any_outbound);
	_Alignas(8) uint8_t plain[RTCP_MAX + SRTP_MAX_TRAILER_LEN], bytes[sizeof(plain)];
	struct rtcp_report r = { .ssrc = 99, .sender = true, .cname = "x" };
	size_t n = rtcp_write(plain, &r);
	long wrong, taken;

	(void)state;
	phones[0].shy = true; /* no report of its own is counted meanwhile */
	(void)create_srtp("a", &phones[0], S80);
	wait_ms(100);
	wrong = metric_now("srtp_wrong_tag_total");
	taken = metric_now("rtcp_in_total");
	for (unsigned i = 0; i < 50; i++) {
		int size = (int)n;

		send_to(phones[0].rtcp, (uint16_t)(phones[0].to + 1), plain, n);
		memcpy(bytes, plain, n);
		if (srtp_protect_rtcp(forged, bytes, &size) == srtp_err_status_ok)
			send_to(phones[0].rtcp, (uint16_t)(phones[0].to + 1), bytes, (size_t)size);
		usleep(10000); /* a tick takes four */
	}
	must_show("srtp_wrong_tag_total", wrong + 100);
	assert_int_equal(metric_now("rtcp_in_total"), taken);
	(void)srtp_dealloc(forged);
}

static struct {
	unsigned n;
	size_t size[64];
	uint8_t bytes[64][400];
} sniffed;

static void sniff(const void *bytes, size_t size)
{
	if (sniffed.n == ARRAY_SIZE(sniffed.size))
		return;
	memcpy(sniffed.bytes[sniffed.n], bytes, size);
	sniffed.size[sniffed.n++] = size;
}

static void what_was_heard_once_is_not_heard_again(void **state)
{
	long replayed = metric_now("srtp_replayed_total");
	unsigned before;

	(void)state;
	sniffed.n = 0;
	phones[0].sniff = sniff;
	(void)create_srtp("a", &phones[0], S80);
	create("b", &phones[1], "");
	bridge("a", "b");
	must_count(&phones[1].packets, 25);
	phones[0].on = false;
	wait_ms(100);
	until_phones_have_read();
	before = phones[1].packets;
	assert_true(sniffed.n > 20);
	for (unsigned i = 0; i < sniffed.n; i++) {
		send_to(phones[0].rtp, phones[0].to, sniffed.bytes[i], sniffed.size[i]);
		if (i % 10 == 0)
			usleep(5000);
	}
	must_show("srtp_replayed_total", replayed + sniffed.n);
	until_phones_have_read();
	assert_int_equal(phones[1].packets, before);
}

static void a_source_is_learnt_only_from_packets_with_a_right_tag(void **state)
{
	struct phone *mallory = &phones[3];

	(void)state;
	phones[0].shy = true;
	(void)create_srtp("a", &phones[0], S80);
	mallory->to = phones[0].to;
	mallory->on = true;
	play("a", NULL, 0, TRUNKLINE__MEDIA__V1__TONE__TONE_RING_BACK, true, false, 1);
	wait_ms(800);
	must_count(&phones[0].packets, 21); /* still the signalled one */
	assert_int_equal(mallory->packets, 0);
}

static void a_new_key_by_reinvite_is_taken_without_a_gap(void **state)
{
	struct secret ours, theirs, next;
	srtp_t old;
	unsigned before;

	(void)state;
	ours = create_srtp("a", &phones[0], S80);
	theirs = secret_of(S80, described);
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(300);
	next = secret_new(S80);
	tell("a", sdp_of(&phones[0], "RTP/SAVP", crypto_line(&next)), true);
	take_ready(await_nth("a", CASE(READY), 1), &phones[0]);
	assert_string_equal(secret_of(S80, described).text, theirs.text);
	wait_ms(100); /* packets under the old key are under way meanwhile */
	pthread_mutex_lock(&phones_lock);
	old = phones[0].tx;
	phones[0].tx = context(&next, ssrc_any_outbound);
	pthread_mutex_unlock(&phones_lock);
	wait_ms(1200);
	must_hear(&phones[1], 440, 8000, 0.97);
	must_hear(&phones[0], 1000, 8000, 0.97);
	assert_int_equal(phones[0].gaps + phones[1].gaps + phones[0].spoilt, 0);
	/* The old key is of no use any more. */
	phones[0].on = false;
	wait_ms(100);
	until_phones_have_read();
	before = phones[1].packets;
	inject(&phones[0], old, 50);
	wait_ms(200);
	assert_int_equal(phones[1].packets, before);
	(void)srtp_dealloc(old);
	(void)ours;
}

static void refused(const char *leg, const char *what, unsigned nth)
{
	event_t *ev = await_nth(leg, CASE(FAILED), nth);

	assert_string_equal(ev->failed->what, what);
	assert_int_equal(ev->failed->error, ERR_INVALID);
}

static void an_srtp_leg_never_becomes_plain(void **state)
{
	struct secret ours;

	(void)state;
	ours = create_srtp("a", &phones[0], S80);
	tell("a", sdp_of(&phones[0], "RTP/AVP", ""), true);
	refused("a", "remote", 0);
	tell("a", sdp_of(&phones[0], "RTP/AVP", crypto_line(&ours)), true);
	refused("a", "remote", 1);
	tell("a", sdp_of(&phones[0], "RTP/SAVP", ""), true);
	refused("a", "remote", 2);
	/* And goes on as it was. */
	create("b", &phones[1], "");
	bridge("a", "b");
	must_hear(&phones[1], 440, 3000, 0.97);
	assert_int_equal(phones[0].spoilt, 0);
}

static void our_offer_of_srtp_takes_no_plain_answer(void **state)
{
	struct secret ours = secret_new(S80), theirs;

	(void)state;
	ask("a", "", true);
	take_ready(await("a", CASE(READY)), &phones[0]);
	assert_non_null(strstr(described, " RTP/SAVP 8 0 101\r\n"));
	theirs = secret_of(S80, described);
	tell("a", sdp_of(&phones[0], "RTP/AVP", ""), false);
	refused("a", "remote", 0);
	tell("a", sdp_of(&phones[0], "RTP/SAVP", crypto_line(&ours)), false);
	(void)await_nth("a", CASE(READY), 1);
	phone_secure(&phones[0], context(&ours, ssrc_any_outbound), context(&theirs, ssrc_any_inbound));
	phones[0].on = true;
	create("b", &phones[1], "");
	bridge("a", "b");
	must_hear(&phones[0], 1000, 3000, 0.97);
	must_hear(&phones[1], 440, 3000, 0.97);
}

static void what_cannot_be_secured_is_refused_and_best_effort_is_plain(void **state)
{
	struct secret s = secret_new(S80);

	(void)state;
	ask("x", sdp_of(&phones[0], "RTP/SAVP", ""), false);
	refused("x", "create", 0);
	ask("y",
	    sdp_of(&phones[0], "RTP/SAVP",
		   "a=crypto:1 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==\r\n"),
	    false);
	refused("y", "create", 0);
	create("z", &phones[0], crypto_line(&s));
	snprintf(described, sizeof(described), "%.*s", (int)await("z", CASE(READY))->ready->sdp.len,
		 (char *)await("z", CASE(READY))->ready->sdp.data);
	assert_non_null(strstr(described, " RTP/AVP 8 101\r\n"));
	assert_null(strstr(described, "a=crypto"));
	/* An offer of ours is plain unless it was asked for. */
	ask("w", "", false);
	take_ready(await("w", CASE(READY)), &phones[1]);
	assert_non_null(strstr(described, " RTP/AVP 8 0 101\r\n"));
	assert_null(strstr(described, "a=crypto"));
}

static void a_new_owner_gets_the_description_with_its_key(void **state)
{
	char before[sizeof(described)];

	(void)state;
	(void)create_srtp("a", &phones[0], S80);
	memcpy(before, described, sizeof(before));
	simple("a", COMMAND(ATTACH));
	take_ready(await_nth("a", CASE(READY), 1), &phones[0]);
	assert_string_equal(described, before);
	assert_non_null(strstr(described, "a=crypto:1 "));
}

/* Last: of all that was agreed and refused above. */
static void no_key_stands_in_the_log(void **state)
{
	struct str text = STR_INIT;
	char log[TESTKIT_PATH + 64];

	(void)state;
	snprintf(log, sizeof(log), "%s/media.log", dir);
	testkit_read(log, &text);
	assert_non_null(strstr(str_text(&text), "media.failed"));
	assert_null(strstr(str_text(&text), "inline:"));
	str_done(&text);
}

static int setup_srtp(void **state)
{
	return srtp_init() == srtp_err_status_ok ? setup_all(state) : -1;
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_srtp_and_a_plain_party_hear_each_other),
		T(two_srtp_parties_have_suites_and_keys_of_their_own),
		T(prompts_reach_an_srtp_party),
		T(nothing_is_injected_into_an_srtp_leg),
		T(a_forged_report_is_not_believed),
		T(what_was_heard_once_is_not_heard_again),
		T(a_source_is_learnt_only_from_packets_with_a_right_tag),
		T(a_new_key_by_reinvite_is_taken_without_a_gap),
		T(an_srtp_leg_never_becomes_plain),
		T(our_offer_of_srtp_takes_no_plain_answer),
		T(what_cannot_be_secured_is_refused_and_best_effort_is_plain),
		T(a_new_owner_gets_the_description_with_its_key),
		T(no_key_stands_in_the_log),
	};

	return cmocka_run_group_tests_name("media_srtp", tests, setup_srtp, teardown_all);
}
