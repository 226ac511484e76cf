/* The deciding core against a stream side that only writes down what it is asked for. */
#include "legs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "testkit/cmocka_all.h"

#define OFFER "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP "

struct world {
	struct legs *legs;
	struct str log; /* "open(a) remote(a:8) …; ready(a) …" */
	uint16_t port;
	err_t open_error, bridge_error;
	struct leg *by_name[128];
	uint32_t serial[128];
	char sdp[1024]; /* of the last EndpointReady */
};
static struct world w;

static char name_of(const struct leg *leg)
{
	return leg_id(leg)[0];
}

static err_t on_open(struct leg *leg, uint16_t *port, void *arg)
{
	UNUSED(arg);
	if (w.open_error)
		return w.open_error;
	str_printf(&w.log, "open(%c) ", name_of(leg));
	w.by_name[(int)name_of(leg)] = leg;
	*port = w.port += 2;
	return ERR_OK;
}

static void on_close(struct leg *leg, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "close(%c) ", name_of(leg));
}

static void on_remote(struct leg *leg, const struct sdp_agreed *a, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "remote(%c:%u%s) ", name_of(leg), (unsigned)a->send_pt, a->srtp ? ":srtp" : "");
}

static void on_play(struct leg *leg, uint32_t serial, const struct command_play *p, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "play(%c:%u) ", name_of(leg), (unsigned)p->play_id);
	w.serial[(int)name_of(leg)] = serial;
}

static void on_stop(struct leg *leg, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "stop(%c) ", name_of(leg));
}

static err_t on_bridge(struct leg *a, struct leg *b, void *arg)
{
	UNUSED(arg);
	if (w.bridge_error)
		return w.bridge_error;
	str_printf(&w.log, "bridge(%c%c) ", name_of(a), name_of(b));
	return ERR_OK;
}

static void on_unbridge(struct leg *a, struct leg *b, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "unbridge(%c%c) ", name_of(a), name_of(b));
}

static err_t on_record(struct leg *leg, const char *id, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "record(%c:%s) ", name_of(leg), id);
	return ERR_OK;
}

static void on_record_off(struct leg *leg, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "record-off(%c) ", name_of(leg));
}

static void on_emit(const char *owner, struct event *ev, void *arg)
{
	UNUSED(arg);
	str_printf(&w.log, "%s<", owner);
	switch (ev->kind) {
	case EVENT_READY:
		str_printf(&w.log, "ready(%s%s)", ev->leg_id, ev->ready.size ? "" : ":no-sdp");
		(void)str_copy(w.sdp, sizeof(w.sdp), ev->ready.sdp);
		break;
	case EVENT_PLAY_DONE:
		str_printf(&w.log, "done(%s:%u%s)", ev->leg_id, (unsigned)ev->play_done.play_id,
			   ev->play_done.interrupted ? ":cut" : "");
		break;
	case EVENT_DIGIT:
		str_printf(&w.log, "digit(%s:%c)", ev->leg_id, ev->digit.digit);
		break;
	case EVENT_RECORD_DONE:
		str_printf(&w.log, "recorded(%s:%s)", ev->leg_id, ev->record_done.path);
		break;
	case EVENT_FAILED:
		str_printf(&w.log, "failed(%s:%s:%s)", ev->leg_id, command_name(ev->failed.what),
			   err_name(ev->failed.error));
		break;
	case EVENT_TIMEOUT:
		str_printf(&w.log, "timeout(%s)", ev->leg_id);
		break;
	case EVENT_FREED:
		str_printf(&w.log, "freed(%s:%u)", ev->leg_id, (unsigned)ev->freed.packets_in);
		break;
	}
	if (ev->request)
		str_printf(&w.log, "#%u", (unsigned)ev->request);
	str_append(&w.log, " ");
}

static bool some_bytes(uint8_t *bytes, size_t size)
{
	memset(bytes, 0xa5, size);
	return true;
}

static const struct legs_ops ops = { on_open,	on_close,    on_remote, on_play,       on_stop,
				     on_bridge, on_unbridge, on_record, on_record_off, on_emit };

static int setup(void **state)
{
	struct legs_params p = { .loopback = true, .random = some_bytes };

	UNUSED(state);
	memset(&w, 0, sizeof(w));
	w.port = 20000;
	assert_true(sdp_addr_parse(&p.address, "127.0.0.1"));
	assert_int_equal(legs_new(&w.legs, &p, &ops, NULL), ERR_OK);
	return 0;
}

static int teardown(void **state)
{
	UNUSED(state);
	legs_free(&w.legs);
	str_done(&w.log);
	return 0;
}

static struct command command(enum command_kind kind, const char *leg)
{
	struct command c = { .kind = kind, .owner = "cc", .tenant = "acme", .call_id = "call", .epoch = 1 };

	(void)str_copy(c.leg_id, sizeof(c.leg_id), leg);
	return c;
}

/* What one command leads to. */
static void expect(const struct command *c, const char *want)
{
	str_reset(&w.log);
	legs_command(w.legs, c, 1000);
	assert_string_equal(str_text(&w.log), want);
}

static void expect_log(const char *want)
{
	assert_string_equal(str_text(&w.log), want);
	str_reset(&w.log);
}

static void create(const char *leg, const char *formats, const char *want)
{
	struct command c = command(COMMAND_CREATE, leg);
	char sdp[256];

	snprintf(sdp, sizeof(sdp), OFFER "%s\r\n", formats);
	c.sdp = (const uint8_t *)sdp;
	c.sdp_size = *formats ? strlen(sdp) : 0;
	expect(&c, want);
}

static void two_legs(void)
{
	create("a", "8", "open(a) remote(a:8) cc<ready(a) ");
	create("b", "8", "open(b) remote(b:8) cc<ready(b) ");
}

static void closed(char name, unsigned packets, const char *want)
{
	struct event_counts counts = { .packets_in = packets };

	str_reset(&w.log);
	legs_on_closed(w.by_name[(int)name], &counts);
	expect_log(want);
}

static void a_command_that_comes_twice_is_done_once_and_answered_twice(void **state)
{
	struct command c;

	UNUSED(state);
	create("a", "8", "open(a) remote(a:8) cc<ready(a) ");
	create("a", "8", "cc<ready(a) ");
	create("b", "", "open(b) cc<ready(b) ");
	c = command(COMMAND_BRIDGE, "a");
	strcpy(c.other, "b");
	expect(&c, "bridge(ab) ");
	expect(&c, "");
	c = command(COMMAND_RECORD, "a");
	c.on = true;
	strcpy(c.other, "r1");
	expect(&c, "record(a:r1) ");
	expect(&c, "");
	c.on = false;
	c.request = 4;
	expect(&c, "record-off(a) ");
	expect(&c, "");
	legs_on_record_done(w.by_name['a'], 5000, 100);
	expect_log("cc<recorded(a:acme/r1.seg)#4 ");
	c.request = 5;
	expect(&c, "cc<recorded(a:acme/r1.seg)#5 ");
	c = command(COMMAND_PLAY, "a");
	c.play.play_id = 9;
	expect(&c, "play(a:9) ");
	expect(&c, "");
	legs_on_play_done(w.by_name['a'], w.serial['a'], false, "");
	expect(&c, "cc<done(a:9) ");
	c = command(COMMAND_FREE, "a");
	expect(&c, "unbridge(ab) close(a) ");
	expect(&c, "");
	closed('a', 7, "cc<freed(a:7) ");
	expect(&c, "cc<freed(a:0) ");
}

static void an_old_epoch_is_refused_and_a_new_one_takes_the_call(void **state)
{
	struct command c;

	UNUSED(state);
	two_legs();
	c = command(COMMAND_ATTACH, "a");
	c.epoch = 3;
	strcpy(c.owner, "new");
	expect(&c, "new<ready(a) ");
	c = command(COMMAND_FREE, "b");
	c.epoch = 2;
	expect(&c, "cc<failed(b:free:ABORTED) ");
	c = command(COMMAND_CREATE, "c");
	expect(&c, "cc<failed(c:create:ABORTED) ");
	str_reset(&w.log);
	legs_on_digit(w.by_name['b'], '5', 100);
	expect_log("new<digit(b:5) ");
}

static void another_tenant_or_call_does_not_find_the_leg(void **state)
{
	struct command c;

	UNUSED(state);
	two_legs();
	c = command(COMMAND_FREE, "a");
	strcpy(c.tenant, "rival");
	expect(&c, "cc<freed(a:0) "); /* as for any leg that is not there */
	c = command(COMMAND_ATTACH, "a");
	strcpy(c.tenant, "rival");
	expect(&c, "cc<failed(a:attach:NOT_FOUND) ");
	strcpy(c.tenant, "acme");
	strcpy(c.call_id, "other");
	expect(&c, "cc<failed(a:attach:NOT_FOUND) ");
	c = command(COMMAND_BRIDGE, "a");
	strcpy(c.other, "zzz");
	expect(&c, "cc<failed(a:bridge:NOT_FOUND) ");
	strcpy(c.other, "a");
	expect(&c, "cc<failed(a:bridge:NOT_FOUND) ");
}

static void a_new_play_replaces_and_bridging_ends_music_only(void **state)
{
	struct command c, music, prompt;

	UNUSED(state);
	two_legs();
	prompt = command(COMMAND_PLAY, "a");
	prompt.play.play_id = 1;
	music = prompt;
	music.play.play_id = 2;
	music.play.loop = true;
	expect(&prompt, "play(a:1) ");
	expect(&music, "stop(a) cc<done(a:1:cut) play(a:2) ");
	legs_on_play_done(w.by_name['a'], w.serial['a'] - 1, false, ""); /* late news of the first */
	c = command(COMMAND_BRIDGE, "b");
	strcpy(c.other, "a");
	expect(&c, "stop(a) bridge(ba) ");
	prompt.play.play_id = 3;
	expect(&prompt, "play(a:3) ");
	c = command(COMMAND_UNBRIDGE, "a");
	expect(&c, "unbridge(ab) ");
	c = command(COMMAND_BRIDGE, "b");
	strcpy(c.other, "a");
	expect(&c, "bridge(ba) ");
	str_reset(&w.log);
	legs_on_play_done(w.by_name['a'], w.serial['a'], true, "");
	expect_log("cc<done(a:3:cut) ");
	c = command(COMMAND_STOP_PLAY, "a");
	expect(&c, "");
}

static void a_third_party_takes_the_place_in_a_bridge(void **state)
{
	struct command c = command(COMMAND_BRIDGE, "a");

	UNUSED(state);
	two_legs();
	create("c", "0", "open(c) remote(c:0) cc<ready(c) ");
	strcpy(c.other, "b");
	expect(&c, "bridge(ab) ");
	strcpy(c.other, "c");
	expect(&c, "unbridge(ab) bridge(ac) ");
	w.bridge_error = ERR_UNIMPLEMENTED;
	strcpy(c.other, "b");
	expect(&c, "unbridge(ac) cc<failed(a:bridge:UNIMPLEMENTED) ");
}

static void the_first_codec_of_an_offer_is_that_of_the_other_leg(void **state)
{
	UNUSED(state);
	create("a", "0", "open(a) remote(a:0) cc<ready(a) ");
	create("b", "", "open(b) cc<ready(b) ");
	assert_non_null(strstr(w.sdp, "m=audio 20004 RTP/AVP 0 8 101"));
}

#define SRTP	 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 8\r\n"
#define ITS_KEY	 "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"
#define OUR_LINE "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:paWl"

static void remote(const char *sdp, bool is_offer, const char *want)
{
	struct command c = command(COMMAND_REMOTE, "a");

	c.sdp = (const uint8_t *)sdp;
	c.sdp_size = strlen(sdp);
	c.sdp_is_offer = is_offer;
	expect(&c, want);
}

static void an_srtp_leg_stays_one_and_its_new_owner_gets_the_key(void **state)
{
	struct command c = command(COMMAND_CREATE, "a");

	UNUSED(state);
	c.sdp = (const uint8_t *)SRTP ITS_KEY;
	c.sdp_size = strlen(SRTP ITS_KEY);
	expect(&c, "open(a) remote(a:8:srtp) cc<ready(a) ");
	assert_non_null(strstr(w.sdp, OUR_LINE));
	remote(OFFER "8\r\n" ITS_KEY, true, "cc<failed(a:remote:INVALID_ARGUMENT) ");
	remote(SRTP, true, "cc<failed(a:remote:INVALID_ARGUMENT) ");
	remote(SRTP ITS_KEY "a=sendonly\r\n", true, "remote(a:8:srtp) cc<ready(a) ");
	c = command(COMMAND_ATTACH, "a");
	c.epoch = 2;
	expect(&c, "cc<ready(a) ");
	assert_non_null(strstr(w.sdp, OUR_LINE));
}

static void an_offer_of_ours_is_srtp_when_asked_for_and_then_no_plain_answer_will_do(void **state)
{
	struct command c = command(COMMAND_CREATE, "a");

	UNUSED(state);
	c.srtp = true;
	expect(&c, "open(a) cc<ready(a) ");
	assert_non_null(strstr(w.sdp, "RTP/SAVP 8 0 101\r\n"));
	assert_non_null(strstr(w.sdp, OUR_LINE));
	remote(OFFER "8\r\n", false, "cc<failed(a:remote:INVALID_ARGUMENT) ");
	remote(SRTP ITS_KEY, false, "remote(a:8:srtp) cc<ready(a:no-sdp) ");
	/* Not asked for: plain, also for an answer to an offer of the peer. */
	create("b", "8\r\n" ITS_KEY, "open(b) remote(b:8) cc<ready(b) ");
	create("c", "", "open(c) cc<ready(c) ");
	assert_null(strstr(w.sdp, "SAVP"));
}

/* A leg that was at an engine that is gone: sdp is what its phone described last. */
static void reanchor(const char *leg, const char *sdp, const char *want)
{
	struct command c = command(COMMAND_CREATE, leg);

	c.sdp = (const uint8_t *)sdp;
	c.sdp_size = strlen(sdp);
	c.reanchor = true;
	expect(&c, want);
}

/* RFC 3264, 8: lines stay, payload types keep their meaning, hold stays hold; o= is that of the session, with a higher version. */
static void an_offer_for_a_leg_of_a_lost_engine_goes_on_with_its_session(void **state)
{
	char before[sizeof(w.sdp)];
	unsigned long long id, version, id2, version2;

	UNUSED(state);
	create("a", "0 97\r\na=rtpmap:97 telephone-event/8000", "open(a) remote(a:0) cc<ready(a) ");
	memcpy(before, w.sdp, sizeof(before));
	teardown(NULL);
	setup(NULL);
	reanchor("a", OFFER "0 97\r\na=rtpmap:97 telephone-event/8000\r\na=sendonly\r\nm=video 5000 RTP/AVP 96\r\n",
		 "open(a) remote(a:0) cc<ready(a) "); /* the phone's address is known: audio flows to it at once */
	assert_non_null(strstr(w.sdp, "RTP/AVP 0 8 97\r\n"));
	assert_non_null(strstr(w.sdp, "a=recvonly\r\nm=video 0 RTP/AVP 96\r\n"));
	assert_int_equal(sscanf(strstr(before, "o="), "o=trunkline %llu %llu", &id, &version), 2);
	assert_int_equal(sscanf(strstr(w.sdp, "o="), "o=trunkline %llu %llu", &id2, &version2), 2);
	assert_true(id == id2 && version2 > version);
	remote(OFFER "0 97\r\na=rtpmap:97 telephone-event/8000\r\na=sendonly\r\nm=video 0 RTP/AVP 96\r\n", false,
	       "remote(a:0) cc<ready(a:no-sdp) ");
	reanchor("b", OFFER "18\r\n", "open(b) cc<failed(b:create:FAILED_PRECONDITION) close(b) ");
	closed('b', 0, "");
}

static void an_srtp_leg_of_a_lost_engine_gets_a_new_key_and_never_becomes_plain(void **state)
{
	UNUSED(state);
	reanchor("a", SRTP ITS_KEY, "open(a) remote(a:8:srtp) cc<ready(a) ");
	assert_non_null(strstr(w.sdp, "RTP/SAVP 8 0"));
	assert_non_null(strstr(w.sdp, OUR_LINE));
	remote(OFFER "8\r\n", false, "cc<failed(a:remote:INVALID_ARGUMENT) ");
	remote(SRTP ITS_KEY, false, "remote(a:8:srtp) cc<ready(a:no-sdp) ");
}

static void what_cannot_be_secured_is_refused(void **state)
{
	struct command c = command(COMMAND_CREATE, "a");

	UNUSED(state);
	c.sdp = (const uint8_t *)SRTP;
	c.sdp_size = strlen(SRTP);
	expect(&c, "open(a) cc<failed(a:create:INVALID_ARGUMENT) close(a) ");
	closed('a', 0, "");
}

static void what_cannot_be_had_is_told_and_leaves_nothing(void **state)
{
	struct command c = command(COMMAND_CREATE, "x");

	UNUSED(state);
	w.open_error = ERR_EXHAUSTED;
	expect(&c, "cc<failed(x:create:RESOURCE_EXHAUSTED) ");
	assert_int_equal(legs_count(w.legs), 0);
	w.open_error = ERR_OK;
	create("a", "18", "open(a) cc<failed(a:create:FAILED_PRECONDITION) close(a) ");
	closed('a', 0, ""); /* it was never ready */
	assert_int_equal(legs_count(w.legs), 0);
	create("a", "8\r\nc=IN IP4 127.0.0.1\r\na=rtcp:53", "open(a) cc<failed(a:create:INVALID_ARGUMENT) close(a) ");
	closed('a', 0, "");
}

static void freeing_a_call_frees_all_and_says_so_at_the_end(void **state)
{
	struct command c = command(COMMAND_CALL_FREE, ""), r = command(COMMAND_RECORD, "a");

	UNUSED(state);
	two_legs();
	r.on = true;
	strcpy(r.other, "r1");
	expect(&r, "record(a:r1) ");
	c.request = 8;
	str_reset(&w.log);
	legs_command(w.legs, &c, 1);
	assert_non_null(strstr(str_text(&w.log), "record-off(a) close(a) "));
	assert_non_null(strstr(str_text(&w.log), "close(b) "));
	str_reset(&w.log);
	legs_on_record_done(w.by_name['a'], 1, 1);
	expect_log("cc<recorded(a:acme/r1.seg) ");
	closed('a', 1, "cc<freed(a:1) ");
	closed('b', 2, "cc<freed(b:2) cc<freed(:0)#8 ");
	expect(&c, "cc<freed(:0)#8 ");
	assert_int_equal(legs_count(w.legs), 0);
}

static void a_leg_that_is_closing_hears_nothing_more(void **state)
{
	struct command c = command(COMMAND_FREE, "a");

	UNUSED(state);
	two_legs();
	expect(&c, "close(a) ");
	legs_on_digit(w.by_name['a'], '1', 1);
	legs_on_timeout(w.by_name['a'], 1);
	legs_on_play_done(w.by_name['a'], 0, false, "");
	c = command(COMMAND_STOP_PLAY, "a");
	expect(&c, "cc<failed(a:stop-play:NOT_FOUND) ");
	c = command(COMMAND_BRIDGE, "b");
	strcpy(c.other, "a");
	expect(&c, "cc<failed(b:bridge:NOT_FOUND) ");
}

static void memory_may_end_at_any_point(void **state)
{
	UNUSED(state);
	for (long n = 0; n < 60; n++) {
		struct command c = command(COMMAND_CREATE, "m");
		const char *sdp = OFFER "8\r\n";

		c.sdp = (const uint8_t *)sdp;
		c.sdp_size = strlen(sdp);
		mem_fail_after(n);
		legs_command(w.legs, &c, 1);
		mem_fail_after(-1);
		if (legs_count(w.legs))
			legs_on_closed(w.by_name['m'], &(struct event_counts){ 0 });
		assert_int_equal(legs_count(w.legs), 0);
	}
}

/* Random commands: whatever comes, in any order, each leg opened is closed once and nothing is left. */
static void any_order_of_commands_leaves_nothing_behind(void **state)
{
	UNUSED(state);
	srand(3);
	for (int run = 0; run < 300; run++) {
		struct command c;

		for (int i = 0; i < 40; i++) {
			static const char *const names[] = { "a", "b", "c" };

			c = command((enum command_kind)(rand() % 10), names[rand() % 3]);
			c.epoch = 1 + (uint64_t)(rand() % 2);
			c.on = rand() & 1;
			c.play.play_id = (uint32_t)(rand() % 4);
			c.play.loop = rand() & 1;
			strcpy(c.other, names[rand() % 3]);
			if (c.kind == COMMAND_CALL_FREE)
				c.leg_id[0] = '\0';
			legs_command(w.legs, &c, 1);
			str_reset(&w.log);
		}
		legs_close_all(w.legs);
		str_reset(&w.log);
		/* The streams report each leg that is left once. */
		for (int k = 'a'; k <= 'c'; k++) {
			c = command(COMMAND_FREE, (char[]){ (char)k, 0 });
			c.epoch = 9;
			legs_command(w.legs, &c, 1);
			if (!strstr(str_text(&w.log), "freed"))
				legs_on_closed(w.by_name[k], &(struct event_counts){ 0 });
			str_reset(&w.log);
		}
		assert_int_equal(legs_count(w.legs), 0);
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_command_that_comes_twice_is_done_once_and_answered_twice),
		T(an_old_epoch_is_refused_and_a_new_one_takes_the_call),
		T(another_tenant_or_call_does_not_find_the_leg),
		T(a_new_play_replaces_and_bridging_ends_music_only),
		T(a_third_party_takes_the_place_in_a_bridge),
		T(the_first_codec_of_an_offer_is_that_of_the_other_leg),
		T(an_srtp_leg_stays_one_and_its_new_owner_gets_the_key),
		T(an_offer_of_ours_is_srtp_when_asked_for_and_then_no_plain_answer_will_do),
		T(an_offer_for_a_leg_of_a_lost_engine_goes_on_with_its_session),
		T(an_srtp_leg_of_a_lost_engine_gets_a_new_key_and_never_becomes_plain),
		T(what_cannot_be_secured_is_refused),
		T(what_cannot_be_had_is_told_and_leaves_nothing),
		T(freeing_a_call_frees_all_and_says_so_at_the_end),
		T(a_leg_that_is_closing_hears_nothing_more),
		T(memory_may_end_at_any_point),
		T(any_order_of_commands_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("legs", tests, NULL, NULL);
}
