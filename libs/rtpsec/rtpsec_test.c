/* Two ends with each other's keys, and libsrtp2 as one of them: what passes, what does not, what a change of keys does. */
#include "rtpsec/rtpsec.h"

#include <setjmp.h>
#include <srtp2/srtp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "rtpsec/rtpsec_internal.h"

#define PACKET 172 /* header and 20 ms of G.711 */

struct packet {
	_Alignas(8) uint8_t bytes[PACKET + RTPSEC_TRAILER];
	size_t size;
};

static struct rtpsec *a, *b;

static struct sdp_crypto key(enum sdp_suite suite, uint8_t seed)
{
	struct sdp_crypto c = { .suite = suite, .tag = 1 };

	for (size_t i = 0; i < sdp_suite_key_size(suite); i++)
		c.key[i] = (uint8_t)(i * 11 + seed);
	return c;
}

static struct rtpsec *end_with(enum sdp_suite suite, uint8_t ours, uint8_t theirs)
{
	struct sdp_crypto o = key(suite, ours), t = key(suite, theirs);
	struct rtpsec *s;

	assert_int_equal(rtpsec_new(&s, &o, &t), ERR_OK);
	return s;
}

static void begin(enum sdp_suite suite)
{
	assert_int_equal(rtpsec_init(), ERR_OK);
	a = end_with(suite, 1, 2);
	b = end_with(suite, 2, 1);
}

static void finish(void)
{
	rtpsec_free(&a);
	rtpsec_free(&b);
}

static struct packet rtp(uint16_t seq, uint32_t ssrc)
{
	struct packet p = { .bytes = { 0x80, 8, (uint8_t)(seq >> 8), (uint8_t)seq }, .size = PACKET };

	memcpy(p.bytes + 8, &ssrc, 4);
	memset(p.bytes + 12, 0x55, PACKET - 12);
	return p;
}

static struct packet rtcp(uint32_t ssrc)
{
	struct packet p = { .bytes = { 0x80, 201, 0, 1 }, .size = 8 };

	memcpy(p.bytes + 4, &ssrc, 4);
	return p;
}

static struct packet sent(struct rtpsec *s, uint16_t seq)
{
	struct packet p = rtp(seq, 9);

	assert_int_equal(rtpsec_protect(s, p.bytes, &p.size), RTPSEC_OK);
	return p;
}

static enum rtpsec_result got(struct rtpsec *s, const struct packet *in)
{
	struct packet p = *in, clear;

	enum rtpsec_result r = rtpsec_unprotect(s, p.bytes, &p.size);

	if (r == RTPSEC_OK) {
		clear = rtp((uint16_t)(p.bytes[2] << 8 | p.bytes[3]), 9);
		assert_int_equal(p.size, PACKET);
		assert_memory_equal(p.bytes + 12, clear.bytes + 12, PACKET - 12);
	}
	return r;
}

static void each_suite_goes_there_and_back(void **state)
{
	static const struct {
		enum sdp_suite suite;
		size_t tag;
	} rows[] = {
		{ SDP_AES_CM_128_HMAC_SHA1_80, 10 },
		{ SDP_AES_CM_128_HMAC_SHA1_32, 4 },
		{ SDP_AES_256_CM_HMAC_SHA1_80, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct packet p, c = rtcp(5);

		begin(rows[i].suite);
		p = sent(a, 100);
		assert_int_equal(p.size, PACKET + rows[i].tag);
		assert_memory_not_equal(p.bytes + 12, rtp(100, 9).bytes + 12, PACKET - 12);
		assert_int_equal(got(b, &p), RTPSEC_OK);
		assert_int_equal(got(a, &p), RTPSEC_WRONG_TAG); /* our own, sent back to us */
		assert_int_equal(rtpsec_protect_rtcp(a, c.bytes, &c.size), RTPSEC_OK);
		assert_int_equal(c.size, 8 + 4 + 10);
		assert_int_equal(rtpsec_unprotect_rtcp(b, c.bytes, &c.size), RTPSEC_OK);
		assert_int_equal(c.size, 8);
		finish();
	}
}

static void a_changed_packet_has_a_wrong_tag(void **state)
{
	struct packet p, c = rtcp(5);

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	p = sent(a, 1);
	for (size_t i = 0; i < p.size; i++) {
		struct packet q = p;

		q.bytes[i] ^= 1;
		assert_int_not_equal(got(b, &q), RTPSEC_OK);
	}
	for (size_t n = 0; n < p.size; n++) {
		struct packet q = p;

		q.size = n;
		assert_int_not_equal(got(b, &q), RTPSEC_OK);
	}
	assert_int_equal(got(b, &p), RTPSEC_OK);
	p = rtp(2, 9); /* in clear */
	assert_int_equal(got(b, &p), RTPSEC_WRONG_TAG);
	assert_int_equal(rtpsec_unprotect_rtcp(b, c.bytes, &c.size), RTPSEC_WRONG_TAG);
	finish();
}

static void a_packet_passes_once(void **state)
{
	struct packet p[300], c = rtcp(5), c2;

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	for (unsigned i = 0; i < 300; i++)
		p[i] = sent(a, (uint16_t)(65500 + i)); /* over the wrap */
	for (unsigned i = 0; i < 300; i++)
		if (i != 150 && i != 298)
			assert_int_equal(got(b, &p[i]), RTPSEC_OK);
	for (unsigned i = 0; i < 300; i++)
		if (i != 150 && i != 298)
			assert_int_equal(got(b, &p[i]), RTPSEC_REPLAY);
	assert_int_equal(got(b, &p[298]), RTPSEC_OK);	  /* late, but for the first time */
	assert_int_equal(got(b, &p[150]), RTPSEC_REPLAY); /* too late to tell */
	assert_int_equal(rtpsec_protect_rtcp(a, c.bytes, &c.size), RTPSEC_OK);
	c2 = c;
	assert_int_equal(rtpsec_unprotect_rtcp(b, c.bytes, &c.size), RTPSEC_OK);
	assert_int_equal(rtpsec_unprotect_rtcp(b, c2.bytes, &c2.size), RTPSEC_REPLAY);
	finish();
}

static void an_index_is_used_once_for_sending(void **state)
{
	struct packet p = rtp(7, 9);

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	(void)sent(a, 7);
	assert_int_not_equal(rtpsec_protect(a, p.bytes, &p.size), RTPSEC_OK);
	(void)sent(a, 8);
	finish();
}

/* ---- libsrtp2 as the other side ---- */
static srtp_t theirs(enum sdp_suite suite, uint8_t seed, srtp_ssrc_type_t whose)
{
	struct sdp_crypto c = key(suite, seed);
	srtp_policy_t p = { .ssrc = { .type = whose }, .window_size = 128, .key = c.key };
	srtp_t ctx;

	srtp_crypto_policy_set_rtp_default(&p.rtp);
	srtp_crypto_policy_set_rtp_default(&p.rtcp);
	if (suite == SDP_AES_CM_128_HMAC_SHA1_32)
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&p.rtp);
	if (suite == SDP_AES_256_CM_HMAC_SHA1_80) {
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p.rtp);
		srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&p.rtcp);
	}
	assert_int_equal(srtp_create(&ctx, &p), srtp_err_status_ok);
	return ctx;
}

struct big {
	_Alignas(8) uint8_t bytes[600 + SRTP_MAX_TRAILER_LEN];
	size_t size;
};

/* Any payload, contributing sources, an extension. */
static struct big any_rtp(uint16_t seq)
{
	unsigned csrc = (unsigned)rand() % 4, ext = (unsigned)rand() % 2, words = (unsigned)rand() % 5;
	struct big p = { .size = 12 + 4 * csrc + ext * (4 + 4 * words) + (size_t)rand() % 400 };

	for (size_t i = 0; i < p.size; i++)
		p.bytes[i] = (uint8_t)rand();
	p.bytes[0] = (uint8_t)(0x80 | ext << 4 | csrc);
	p.bytes[1] = 8;
	p.bytes[2] = (uint8_t)(seq >> 8);
	p.bytes[3] = (uint8_t)seq;
	memset(p.bytes + 8, 9, 4);
	if (ext) {
		p.bytes[12 + 4 * csrc + 2] = 0;
		p.bytes[12 + 4 * csrc + 3] = (uint8_t)words;
	}
	return p;
}

static struct big any_rtcp(void)
{
	struct big p = { .size = 8 + 4 * ((size_t)rand() % 20) };

	for (size_t i = 0; i < p.size; i++)
		p.bytes[i] = (uint8_t)rand();
	p.bytes[0] = 0x80;
	p.bytes[1] = 200;
	p.bytes[2] = 0;
	p.bytes[3] = (uint8_t)(p.size / 4 - 1);
	memset(p.bytes + 4, 9, 4);
	return p;
}

static void same(const struct big *p, size_t size, const struct big *clear)
{
	assert_int_equal(size, clear->size);
	assert_memory_equal(p->bytes, clear->bytes, size);
}

static void rtp_both_ways(struct rtpsec *s, srtp_t tx, srtp_t rx, uint16_t seq)
{
	struct big clear = any_rtp(seq), p = clear;
	int n;

	assert_int_equal(rtpsec_protect(s, p.bytes, &p.size), RTPSEC_OK);
	n = (int)p.size;
	assert_int_equal(srtp_unprotect(rx, p.bytes, &n), srtp_err_status_ok);
	same(&p, (size_t)n, &clear);
	p = clear;
	n = (int)p.size;
	assert_int_equal(srtp_protect(tx, p.bytes, &n), srtp_err_status_ok);
	p.size = (size_t)n;
	assert_int_equal(rtpsec_unprotect(s, p.bytes, &p.size), RTPSEC_OK);
	same(&p, p.size, &clear);
}

static void rtcp_both_ways(struct rtpsec *s, srtp_t tx, srtp_t rx)
{
	struct big clear = any_rtcp(), p = clear;
	int n;

	assert_int_equal(rtpsec_protect_rtcp(s, p.bytes, &p.size), RTPSEC_OK);
	n = (int)p.size;
	assert_int_equal(srtp_unprotect_rtcp(rx, p.bytes, &n), srtp_err_status_ok);
	same(&p, (size_t)n, &clear);
	p = clear;
	n = (int)p.size;
	assert_int_equal(srtp_protect_rtcp(tx, p.bytes, &n), srtp_err_status_ok);
	p.size = (size_t)n;
	assert_int_equal(rtpsec_unprotect_rtcp(s, p.bytes, &p.size), RTPSEC_OK);
	same(&p, p.size, &clear);
}

static void libsrtp2_understands_us_and_we_it(void **state)
{
	(void)state;
	srand(5);
	for (enum sdp_suite suite = SDP_AES_CM_128_HMAC_SHA1_80; suite <= SDP_AES_256_CM_HMAC_SHA1_80; suite++) {
		struct rtpsec *s = end_with(suite, 1, 2);
		srtp_t tx = theirs(suite, 2, ssrc_any_outbound), rx = theirs(suite, 1, ssrc_any_inbound);
		unsigned seq = 30000;

		/* Over three wraps, with gaps, and now and then two in the wrong order. */
		for (unsigned i = 0; i < 4000; i++, seq += 1 + (unsigned)rand() % 100) {
			if (i % 10 == 0)
				rtp_both_ways(s, tx, rx, (uint16_t)(seq + 3));
			rtp_both_ways(s, tx, rx, (uint16_t)seq);
			seq += 3;
			if (i % 50 == 0)
				rtcp_both_ways(s, tx, rx);
		}
		rtpsec_free(&s);
		assert_int_equal(srtp_dealloc(tx), srtp_err_status_ok);
		assert_int_equal(srtp_dealloc(rx), srtp_err_status_ok);
	}
}

static void a_peer_has_so_many_sources_and_no_more(void **state)
{
	srtp_t tx = theirs(SDP_AES_CM_128_HMAC_SHA1_80, 1, ssrc_any_outbound);

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t ssrc = 1; ssrc <= RTPSEC_SOURCES + 5; ssrc++)
		for (uint16_t seq = 1; seq < 3; seq++) {
			struct packet p = rtp(seq, ssrc);
			int n = (int)p.size;

			assert_int_equal(srtp_protect(tx, p.bytes, &n), srtp_err_status_ok);
			p.size = (size_t)n;
			assert_int_equal(rtpsec_unprotect(b, p.bytes, &p.size),
					 ssrc <= RTPSEC_SOURCES ? RTPSEC_OK : RTPSEC_REFUSED);
		}
	finish();
	assert_int_equal(srtp_dealloc(tx), srtp_err_status_ok);
	/* Strangers without a key take no place. */
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	for (uint32_t ssrc = 100; ssrc < 200; ssrc++) {
		struct packet p = rtp(1, ssrc);

		assert_int_equal(rtpsec_unprotect(b, p.bytes, &p.size), RTPSEC_WRONG_TAG);
	}
	for (uint16_t seq = 1; seq < 20; seq++) {
		struct packet p = sent(a, seq);

		assert_int_equal(got(b, &p), RTPSEC_OK);
	}
	finish();
}

/* ---- windows ---- */
struct guess {
	uint64_t top;
	uint16_t seq;
	uint64_t want;
};
static const struct guess guesses[] = {
	{ 5, 6, 6 },
	{ 5, 3, 3 },
	{ 5, 65535, 65535 }, /* before the first wrap there is nothing to be late of */
	{ 0x1fffe, 2, 0x20002 },
	{ 0x20002, 0xfffe, 0x1fffe },
	{ 0x20002, 9, 0x20009 },
	{ 0x28000, 0, 0x28000 - 0x8000 },
	{ 0x28001, 0, 0x30000 },
	{ 0xffff, 0, 0x10000 },
};

static void a_sequence_number_stands_for_the_nearest_index(void **state)
{
	struct window fresh = { 0 };

	(void)state;
	assert_int_equal(window_guess(&fresh, 40000), 40000);
	for (size_t i = 0; i < ARRAY_SIZE(guesses); i++) {
		struct window w = { .started = true, .top = guesses[i].top };

		assert_int_equal(window_guess(&w, guesses[i].seq), guesses[i].want);
	}
}

static void a_window_knows_the_last_128(void **state)
{
	struct window w = { 0 };

	(void)state;
	for (uint64_t i = 1000; i < 3000; i += 2) { /* every other one */
		assert_true(window_is_new(&w, i));
		window_add(&w, i);
		for (uint64_t back = 0; back < 200 && back + 1000 <= i; back++)
			assert_int_equal(window_is_new(&w, i - back), back % 2 == 1 && back < RTPSEC_WINDOW);
	}
	window_add(&w, 2901); /* late */
	assert_false(window_is_new(&w, 2901));
	window_add(&w, 2998 + 70);
	assert_false(window_is_new(&w, 2998));
	assert_true(window_is_new(&w, 2999));
	window_add(&w, 100000);
	assert_true(window_is_new(&w, 99999));
	assert_false(window_is_new(&w, 100000 - RTPSEC_WINDOW));
}

static void the_same_keys_again_change_nothing(void **state)
{
	struct packet old, p;

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	for (unsigned i = 0; i < 70000; i += 500) /* past a wrap: the count of wraps must be kept */
		p = sent(a, (uint16_t)i), assert_int_equal(got(b, &p), RTPSEC_OK);
	old = sent(a, 10000);
	assert_int_equal(got(b, &old), RTPSEC_OK);
	rtpsec_rekey(&a, end_with(SDP_AES_CM_128_HMAC_SHA1_80, 1, 2));
	rtpsec_rekey(&b, end_with(SDP_AES_CM_128_HMAC_SHA1_80, 2, 1));
	assert_int_equal(got(b, &old), RTPSEC_REPLAY);
	p = sent(a, 10001);
	assert_int_equal(got(b, &p), RTPSEC_OK);
	finish();
}

static void after_a_new_key_the_old_one_is_believed_until_the_first_packet_under_the_new(void **state)
{
	struct packet under_way, late, p;

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	p = sent(a, 1);
	assert_int_equal(got(b, &p), RTPSEC_OK);
	under_way = sent(a, 2);
	late = sent(a, 3);
	rtpsec_rekey(&b, end_with(SDP_AES_CM_128_HMAC_SHA1_80, 2, 7));
	assert_int_equal(got(b, &under_way), RTPSEC_OK);
	assert_int_equal(got(b, &under_way), RTPSEC_REPLAY);
	rtpsec_rekey(&a, end_with(SDP_AES_CM_128_HMAC_SHA1_80, 7, 2));
	p = sent(a, 4);
	assert_int_equal(got(b, &p), RTPSEC_OK);
	assert_int_equal(got(b, &late), RTPSEC_WRONG_TAG);
	/* The other direction has kept its key. */
	p = sent(b, 50);
	assert_int_equal(got(a, &p), RTPSEC_OK);
	finish();
}

static void the_old_key_is_not_believed_for_ever(void **state)
{
	struct packet p;

	(void)state;
	begin(SDP_AES_CM_128_HMAC_SHA1_80);
	rtpsec_rekey(&b, end_with(SDP_AES_CM_128_HMAC_SHA1_80, 2, 7));
	for (uint16_t i = 0; i < RTPSEC_GRACE; i++) {
		p = sent(a, i);
		assert_int_equal(got(b, &p), RTPSEC_OK);
	}
	p = sent(a, RTPSEC_GRACE);
	assert_int_equal(got(b, &p), RTPSEC_WRONG_TAG);
	finish();
}

static void no_suite_is_no_protection(void **state)
{
	struct sdp_crypto none = { .suite = SDP_SUITE_NONE }, some = key(SDP_AES_CM_128_HMAC_SHA1_80, 1);
	struct rtpsec *s = NULL;

	(void)state;
	assert_int_equal(rtpsec_init(), ERR_OK);
	assert_int_equal(rtpsec_new(&s, &some, &none), ERR_INVALID);
	assert_int_equal(rtpsec_new(&s, &none, &some), ERR_INVALID);
	mem_fail_after(0);
	assert_int_equal(rtpsec_new(&s, &some, &some), ERR_EXHAUSTED);
	mem_fail_after(-1);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_suite_goes_there_and_back),
		cmocka_unit_test(a_changed_packet_has_a_wrong_tag),
		cmocka_unit_test(a_packet_passes_once),
		cmocka_unit_test(an_index_is_used_once_for_sending),
		cmocka_unit_test(libsrtp2_understands_us_and_we_it),
		cmocka_unit_test(a_sequence_number_stands_for_the_nearest_index),
		cmocka_unit_test(a_window_knows_the_last_128),
		cmocka_unit_test(a_peer_has_so_many_sources_and_no_more),
		cmocka_unit_test(the_same_keys_again_change_nothing),
		cmocka_unit_test(after_a_new_key_the_old_one_is_believed_until_the_first_packet_under_the_new),
		cmocka_unit_test(the_old_key_is_not_believed_for_ever),
		cmocka_unit_test(no_suite_is_no_protection),
	};

	return srtp_init() == srtp_err_status_ok ? cmocka_run_group_tests_name("rtpsec", tests, NULL, NULL) : 1;
}
