/* a=crypto lines, and what a session makes of them: never plain where SRTP was meant. */
#include "sdp/sdp_crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "sdp/sdp_session.h"

#define KEY30 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
#define KEY46 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ=="
#define S80   "AES_CM_128_HMAC_SHA1_80"
#define S32   "AES_CM_128_HMAC_SHA1_32"
#define S256  "AES_256_CM_HMAC_SHA1_80"

struct line {
	const char *what, *value;
	enum sdp_suite suite; /* NONE: not one of ours */
	uint32_t tag;
};
static const struct line lines[] = {
	{ "the usual one", "1 " S80 " inline:" KEY30, SDP_AES_CM_128_HMAC_SHA1_80, 1 },
	{ "a short tag", "2 " S32 " inline:" KEY30, SDP_AES_CM_128_HMAC_SHA1_32, 2 },
	{ "a long key", "999999999 " S256 " inline:" KEY46, SDP_AES_256_CM_HMAC_SHA1_80, 999999999 },
	{ "a lifetime as a power", "1 " S80 " inline:" KEY30 "|2^31", SDP_AES_CM_128_HMAC_SHA1_80, 1 },
	{ "a lifetime in digits", "1 " S80 " inline:" KEY30 "|1048576", SDP_AES_CM_128_HMAC_SHA1_80, 1 },
	{ "more blanks, a window hint", "1  " S80 "  inline:" KEY30 "  WSH=128 -EXT=1", SDP_AES_CM_128_HMAC_SHA1_80,
	  1 },
	{ "a lifetime of an hour", "1 " S80 " inline:" KEY30 "|2^17" },
	{ "a lifetime beyond the index", "1 " S80 " inline:" KEY30 "|2^49" },
	{ "a lifetime that is none", "1 " S80 " inline:" KEY30 "|many" },
	{ "an MKI", "1 " S80 " inline:" KEY30 "|2^31|1:4" },
	{ "only an MKI", "1 " S80 " inline:" KEY30 "|1:4" },
	{ "two keys", "1 " S80 " inline:" KEY30 ";inline:" KEY30 },
	{ "no encryption", "1 " S80 " inline:" KEY30 " UNENCRYPTED_SRTP" },
	{ "no authentication", "1 " S80 " inline:" KEY30 " UNAUTHENTICATED_SRTP" },
	{ "a rate of new keys", "1 " S80 " inline:" KEY30 " KDR=1" },
	{ "a suite we do not have", "1 AEAD_AES_128_GCM inline:" KEY30 },
	{ "no null cipher", "1 NULL_HMAC_SHA1_80 inline:" KEY30 },
	{ "a key too short", "1 " S80 " inline:AAECAwQF" },
	{ "a key too long", "1 " S80 " inline:" KEY46 },
	{ "a long key cut", "1 " S256 " inline:" KEY30 },
	{ "no base64", "1 " S80 " inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGx*d" },
	{ "padding in the middle", "1 " S80 " inline:AAECAwQFBgcICQoLDA0O=xAREhMUFRYXGBkaGxwd" },
	{ "padding left out", "1 " S256 " inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLQ" },
	{ "another method", "1 " S80 " uri:https://example.com/" },
	{ "no key", "1 " S80 },
	{ "no suite", "1" },
	{ "nothing", "" },
	{ "blanks", "   " },
	{ "no tag", S80 " inline:" KEY30 },
	{ "a tag of ten digits", "1000000000 " S80 " inline:" KEY30 },
	{ "a negative tag", "-1 " S80 " inline:" KEY30 },
};

static void each_line_is_ours_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct sdp_crypto c;
		bool ok = sdp_crypto_parse(&c, lines[i].value, strlen(lines[i].value));

		print_message("  %s\n", lines[i].what);
		assert_int_equal(ok, lines[i].suite != SDP_SUITE_NONE);
		if (!ok)
			continue;
		assert_int_equal(c.suite, lines[i].suite);
		assert_int_equal(c.tag, lines[i].tag);
		for (size_t k = 0; k < sdp_suite_key_size(c.suite); k++)
			assert_int_equal(c.key[k], k);
	}
}

static void a_line_that_does_not_end_is_not_ours(void **state)
{
	char big[2000];
	struct sdp_crypto c;

	(void)state;
	memset(big, 'A', sizeof(big));
	memcpy(big, "1 " S80 " inline:", 33);
	assert_false(sdp_crypto_parse(&c, big, sizeof(big)));
	assert_false(sdp_crypto_parse(&c, "1 " S80 "\0 inline:" KEY30, 70));
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	for (enum sdp_suite suite = SDP_SUITE_NONE + 1; suite <= SDP_AES_256_CM_HMAC_SHA1_80; suite++) {
		struct sdp_crypto in = { .suite = suite, .tag = 7 }, out;
		struct str text = STR_INIT;

		for (size_t i = 0; i < sdp_suite_key_size(suite); i++)
			in.key[i] = (uint8_t)(i * 37 + suite);
		sdp_crypto_write(&in, &text);
		assert_false(text.failed);
		assert_string_equal(text.data + text.len - 2, "\r\n");
		assert_true(
		    sdp_crypto_parse(&out, text.data + strlen("a=crypto:"), text.len - strlen("a=crypto:\r\n")));
		assert_memory_equal(&in, &out, sizeof(in));
		str_done(&text);
	}
}

/* ---- sessions ---- */
#define HEAD  "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define PLAIN "m=audio 4000 RTP/AVP 8\r\n"
#define SRTP  "m=audio 4002 RTP/SAVP 8\r\n"
#define GOOD  "a=crypto:1 " S80 " inline:" KEY30 "\r\n"
#define MKI   "a=crypto:1 " S80 " inline:" KEY30 "|2^31|1:1\r\n"

static uint8_t next_byte;
static bool random_works = true;

static bool counted_bytes(uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(next_byte++ + 100);
	return random_works;
}

static void init(struct sdp_session *s)
{
	struct sdp_addr a;

	assert_true(sdp_addr_parse(&a, "127.0.0.1"));
	sdp_session_init(s, &a, 20000, 77);
	s->random = counted_bytes;
	random_works = true;
	next_byte = 0;
}

enum before { FRESH, WAS_PLAIN, WAS_SRTP };
struct offer {
	const char *what, *media;
	enum before before;
	err_t want;
	uint16_t port; /* of the line taken */
	enum sdp_suite suite;
};
static const struct offer offers[] = {
	{ "SRTP", SRTP GOOD, FRESH, ERR_OK, 4002, SDP_AES_CM_128_HMAC_SHA1_80 },
	{ "the first suite that is ours",
	  SRTP "a=crypto:1 AEAD_AES_256_GCM inline:AA\r\na=crypto:2 " S256 " inline:" KEY46 "\r\n" GOOD, FRESH, ERR_OK,
	  4002, SDP_AES_256_CM_HMAC_SHA1_80 },
	{ "the line without an MKI", SRTP MKI "a=crypto:2 " S32 " inline:" KEY30 "\r\n", FRESH, ERR_OK, 4002,
	  SDP_AES_CM_128_HMAC_SHA1_32 },
	{ "best effort is answered plain", PLAIN GOOD, FRESH, ERR_OK, 4000, SDP_SUITE_NONE },
	{ "SRTP or plain, as the peer prefers", SRTP GOOD PLAIN, FRESH, ERR_OK, 4002, SDP_AES_CM_128_HMAC_SHA1_80 },
	{ "plain or SRTP, as the peer prefers", PLAIN SRTP GOOD, FRESH, ERR_OK, 4000, SDP_SUITE_NONE },
	{ "SRTP that is not ours, or plain", SRTP MKI PLAIN, FRESH, ERR_OK, 4000, SDP_SUITE_NONE },
	{ "no key", SRTP, FRESH, ERR_INVALID },
	{ "no key of ours", SRTP MKI, FRESH, ERR_INVALID },
	{ "the key stands at another line", SRTP "m=video 0 RTP/SAVP 96\r\n" GOOD, FRESH, ERR_INVALID },
	{ "DTLS", "m=audio 4002 UDP/TLS/RTP/SAVP 8\r\n" GOOD, FRESH, ERR_PRECONDITION },
	{ "plain becomes SRTP", SRTP GOOD, WAS_PLAIN, ERR_OK, 4002, SDP_AES_CM_128_HMAC_SHA1_80 },
	{ "SRTP does not become plain", PLAIN, WAS_SRTP, ERR_INVALID },
	{ "nor when the plain line comes first", PLAIN SRTP GOOD, WAS_SRTP, ERR_OK, 4002, SDP_AES_CM_128_HMAC_SHA1_80 },
	{ "nor without a key", SRTP, WAS_SRTP, ERR_INVALID },
};

static void an_offer_is_answered_in_kind_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offers); i++) {
		const struct offer *o = &offers[i];
		const char *before = o->before == WAS_SRTP ? HEAD SRTP GOOD : HEAD PLAIN;
		struct sdp_session s;
		char text[1024];

		print_message("  %s\n", o->what);
		init(&s);
		if (o->before != FRESH)
			assert_int_equal(sdp_session_answer(&s, before, strlen(before), NULL), ERR_OK);
		snprintf(text, sizeof(text), HEAD "%s", o->media);
		assert_int_equal(sdp_session_answer(&s, text, strlen(text), NULL), o->want);
		if (o->want) {
			assert_int_equal(s.agreed.srtp, o->before == WAS_SRTP);
		} else {
			assert_int_equal(s.agreed.port, o->port);
			assert_int_equal(s.agreed.srtp, o->suite != SDP_SUITE_NONE);
			assert_int_equal(s.agreed.ours.suite, o->suite);
			assert_int_equal(s.agreed.theirs.suite, o->suite);
			assert_int_equal(strstr(str_text(&s.local), "a=crypto:") != NULL, o->suite != SDP_SUITE_NONE);
			assert_int_equal(strstr(str_text(&s.local), "m=audio 20000 RTP/SAVP") != NULL,
					 o->suite != SDP_SUITE_NONE);
		}
		sdp_session_done(&s);
	}
}

static void without_a_source_of_keys_there_is_no_srtp(void **state)
{
	static const char offer[] = HEAD SRTP GOOD;
	struct sdp_session s;

	(void)state;
	init(&s);
	random_works = false;
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_UNAVAILABLE);
	assert_int_equal(s.local.len, 0);
	s.srtp = true;
	assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_UNAVAILABLE);
	s.random = NULL;
	assert_int_equal(sdp_session_answer(&s, offer, strlen(offer), NULL), ERR_INVALID);
	assert_false(s.agreed.valid);
	sdp_session_done(&s);
}

/* Our key and the version stay when the peer's key changes: each side has a key of its own. */
static void a_new_key_of_the_peer_is_taken_and_ours_stays(void **state)
{
	static const char first[] = HEAD SRTP GOOD;
	static const char second[] = HEAD SRTP "a=crypto:1 " S80 " inline:BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n";
	static const char other[] = HEAD SRTP "a=crypto:1 " S32 " inline:" KEY30 "\r\n";
	struct sdp_crypto ours;
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_answer(&s, first, strlen(first), NULL), ERR_OK);
	ours = s.agreed.ours;
	assert_int_equal(sdp_session_answer(&s, second, strlen(second), NULL), ERR_OK);
	assert_int_equal(s.agreed.theirs.key[0], 4);
	assert_memory_equal(&s.agreed.ours, &ours, sizeof(ours));
	assert_int_equal(s.version, 1);
	/* With another suite ours is new. */
	assert_int_equal(sdp_session_answer(&s, other, strlen(other), NULL), ERR_OK);
	assert_false(sdp_crypto_same_key(&s.agreed.ours, &ours));
	assert_int_equal(s.version, 2);
	/* And our own offer repeats it. */
	assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_OK);
	assert_non_null(strstr(str_text(&s.local), "RTP/SAVP 8 0 101\r\n"));
	assert_non_null(strstr(str_text(&s.local), "a=crypto:1 " S32));
	sdp_session_done(&s);
}

struct answer {
	const char *what, *media;
	bool srtp; /* our offer */
	err_t want;
};
static const struct answer answers[] = {
	{ "in kind", SRTP GOOD, true, ERR_OK },
	{ "plain to plain", PLAIN, false, ERR_OK },
	{ "plain to SRTP: a downgrade", PLAIN, true, ERR_INVALID },
	{ "plain with a key to SRTP", PLAIN GOOD, true, ERR_INVALID },
	{ "SRTP to plain", SRTP GOOD, false, ERR_INVALID },
	{ "no key", SRTP, true, ERR_INVALID },
	{ "another tag", SRTP "a=crypto:2 " S80 " inline:" KEY30 "\r\n", true, ERR_INVALID },
	{ "another suite", SRTP "a=crypto:1 " S32 " inline:" KEY30 "\r\n", true, ERR_INVALID },
	{ "our own key", SRTP "a=crypto:1 " S80 " inline:ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CB\r\n", true,
	  ERR_INVALID },
};

static void an_answer_must_be_as_secure_as_the_offer(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		struct sdp_session s;
		char text[1024];

		print_message("  %s\n", answers[i].what);
		init(&s);
		s.srtp = answers[i].srtp;
		assert_int_equal(sdp_session_offer(&s, SDP_SENDRECV), ERR_OK);
		snprintf(text, sizeof(text), HEAD "%s", answers[i].media);
		assert_int_equal(sdp_session_answered(&s, text, strlen(text), NULL), answers[i].want);
		assert_int_equal(s.agreed.valid, answers[i].want == ERR_OK);
		sdp_session_done(&s);
	}
}

static void two_sessions_agree_on_each_others_keys(void **state)
{
	struct sdp_session a, b;

	(void)state;
	init(&a);
	init(&b);
	a.srtp = true;
	assert_int_equal(sdp_session_offer(&a, SDP_SENDRECV), ERR_OK);
	assert_int_equal(sdp_session_answer(&b, a.local.data, a.local.len, NULL), ERR_OK);
	assert_int_equal(sdp_session_answered(&a, b.local.data, b.local.len, NULL), ERR_OK);
	assert_memory_equal(&a.agreed.ours, &b.agreed.theirs, sizeof(a.agreed.ours));
	assert_memory_equal(&a.agreed.theirs, &b.agreed.ours, sizeof(a.agreed.ours));
	assert_false(sdp_crypto_same_key(&a.agreed.ours, &b.agreed.ours));
	sdp_session_done(&a);
	sdp_session_done(&b);
}

static void a_refusal_tells_no_key(void **state)
{
	static const char bad[] = HEAD SRTP MKI;
	struct err_detail d = { "", "" };
	struct sdp_session s;

	(void)state;
	init(&s);
	assert_int_equal(sdp_session_answer(&s, bad, strlen(bad), &d), ERR_INVALID);
	assert_null(strstr(d.message, "AAEC"));
	assert_non_null(strstr(d.message, S80));
	sdp_session_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_ours_or_not),
		cmocka_unit_test(a_line_that_does_not_end_is_not_ours),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(an_offer_is_answered_in_kind_or_refused),
		cmocka_unit_test(without_a_source_of_keys_there_is_no_srtp),
		cmocka_unit_test(a_new_key_of_the_peer_is_taken_and_ours_stays),
		cmocka_unit_test(an_answer_must_be_as_secure_as_the_offer),
		cmocka_unit_test(two_sessions_agree_on_each_others_keys),
		cmocka_unit_test(a_refusal_tells_no_key),
	};

	return cmocka_run_group_tests_name("sdp_crypto", tests, NULL, NULL);
}
