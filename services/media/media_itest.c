/* The real program against a real NATS server, with phones that send tones and measure what they hear. */
#include "media_itest_world.h"

/* ---- tests ---- */
static void two_parties_hear_each_other_and_nothing_else(void **state)
{
	event_t *freed;

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	must_hear(&phones[0], 1000, 8000, 0.97);
	must_hear(&phones[1], 440, 8000, 0.97);
	must_count(&phones[0].in_a_row, 65);
	(void)call_free();
	freed = await("a", CASE(FREED));
	assert_true(freed->freed->packets_in > 60 && freed->freed->packets_out > 60);
	assert_int_equal(freed->freed->packets_lost, 0);
}

static void the_laws_are_changed_when_the_parties_differ(void **state)
{
	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[2], "");
	bridge("a", "b");
	must_hear(&phones[0], 700, 8000, 0.97);
	must_hear(&phones[2], 440, 8000, 0.97);
}

static void hold_stops_what_is_sent_and_a_reinvite_brings_it_back(void **state)
{
	BODY(EndpointRemote, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_REMOTE__INIT;
	command_t c = command("a", COMMAND(REMOTE));
	char sdp[512];
	unsigned n;

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	for (int i = 0; i < 2; i++) {
		snprintf(sdp, sizeof(sdp),
			 "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP "
			 "8\r\na=%s\r\n",
			 phones[0].port, i ? "sendrecv" : "sendonly");
		body.sdp = (ProtobufCBinaryData){ strlen(sdp), (uint8_t *)sdp };
		body.is_offer = true;
		c.remote = &body;
		order(c);
		assert_non_null(strstr((char *)await_nth("a", CASE(READY), 1u + (unsigned)i)->ready->sdp.data,
				       i ? "sendrecv" : "recvonly"));
		wait_ms(200);
		until_phones_have_read();
		n = phones[0].packets;
		if (i) {
			must_count(&phones[0].packets, n + 20);
			continue;
		}
		wait_ms(600);
		assert_int_equal(phones[0].packets, n);
	}
}

static void store_prompt(double hz, size_t samples, char hex[PROMPTSTORE_HEX])
{
	struct promptstore *ps;
	int16_t *pcm = mem_array(samples, 2);
	struct tone t;

	assert_int_equal(promptstore_new(&ps, bus, NULL), ERR_OK);
	tone_init(&t, hz, 8000, -10);
	tone_add(&t, pcm, samples);
	promptstore_hash(pcm, samples * 2, hex);
	assert_int_equal(promptstore_put(ps, "acme", pcm, samples * 2, NULL, NULL), ERR_OK);
	wait_ms(300);
	promptstore_free(&ps);
	mem_free(pcm);
}

static void prompts_play_one_after_the_other_and_then_end(void **state)
{
	char one[PROMPTSTORE_HEX], two[PROMPTSTORE_HEX], none[PROMPTSTORE_HEX];
	char *list[] = { one, none, two };
	event_t *ev;

	(void)state;
	store_prompt(600, 4000, one);
	store_prompt(900, 8000, two);
	memset(none, '0', 64);
	none[64] = '\0';
	create("a", &phones[0], "");
	play("a", list, 3, 0, false, false, 5);
	ev = await("a", CASE(PLAY_DONE));
	assert_int_equal(ev->play_done->play_id, 5);
	assert_false(ev->play_done->interrupted);
	assert_string_equal(ev->play_done->missing_sha256, none);
	must_have_heard(&phones[0], 12000);
	wait_ms(60);
	assert_in_range(phones[0].n_heard, 12000, 12160);
	assert_true(tone_share(phones[0].heard, 3900, 600, 8000) > 0.97);
	assert_true(tone_share(phones[0].heard + 4100, 7800, 900, 8000) > 0.97);
	/* The same command again: done once, answered again. */
	play("a", list, 3, 0, false, false, 5);
	(void)await_nth("a", CASE(PLAY_DONE), 1);
	wait_ms(100);
	assert_in_range(phones[0].n_heard, 12000, 12160);
}

static void music_loops_until_bridged_and_a_digit_stops_a_prompt(void **state)
{
	char music[PROMPTSTORE_HEX];
	char *list[] = { music };
	event_t *ev;

	(void)state;
	store_prompt(600, 2000, music);
	create("a", &phones[0], "");
	play("a", list, 1, 0, true, false, 1);
	must_hear(&phones[0], 600, 8000, 0.9);
	create("b", &phones[1], "");
	bridge("a", "b");
	must_hear(&phones[0], 1000, 8000, 0.95);
	play("a", list, 1, 0, true, true, 2);
	must_hear(&phones[0], 600, 1600, 0.9);
	press(&phones[0], '7', 100);
	ev = await("a", CASE(DIGIT));
	assert_string_equal(ev->digit->digit, "7");
	assert_int_equal(ev->digit->duration_ms, 100);
	ev = await("a", CASE(PLAY_DONE));
	assert_int_equal(ev->play_done->play_id, 2);
	assert_true(ev->play_done->interrupted);
	must_hear(&phones[0], 1000, 800, 0.95); /* the other party again */
	must_count(&phones[1].digits, 1);	/* who heard the digit, too */
	wait_ms(200);
	assert_false(find(&(struct wanted){ .leg = "a", .kind = CASE(DIGIT), .nth = 1 }));
}

static void another_tenants_prompt_is_not_there(void **state)
{
	BODY(EndpointCreate, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	BODY(Play, play_body) = TRUNKLINE__MEDIA__V1__PLAY__INIT;
	BODY(CallFree, free_body) = TRUNKLINE__MEDIA__V1__CALL_FREE__INIT;
	command_t c = command("x", COMMAND(CREATE));
	char music[PROMPTSTORE_HEX];
	char *list[] = { music };
	event_t *ev;

	(void)state;
	store_prompt(600, 2000, music);
	create("a", &phones[0], "");
	play("a", list, 1, 0, false, false, 1); /* now it is in the memory of the engine */
	(void)await("a", CASE(PLAY_DONE));
	c.tenant = (char *)"rival";
	c.create = &body;
	order(c);
	(void)await("x", CASE(READY));
	c.command_case = COMMAND(PLAY);
	play_body.n_sha256 = 1;
	play_body.sha256 = list;
	play_body.play_id = 1;
	c.play = &play_body;
	order(c);
	ev = await("x", CASE(PLAY_DONE));
	assert_string_equal(ev->play_done->missing_sha256, music);
	c.command_case = COMMAND(CALL_FREE);
	c.leg_id = (char *)"";
	c.call_free = &free_body;
	order(c);
	(void)await("", CASE(FREED));
}

static void ring_back_is_one_second_of_425_hz_in_five(void **state)
{
	(void)state;
	create("a", &phones[0], "");
	play("a", NULL, 0, TRUNKLINE__MEDIA__V1__TONE__TONE_RING_BACK, true, false, 1);
	must_have_heard(&phones[0], 44000);
	simple("a", COMMAND(STOP_PLAY));
	assert_true(tone_share(phones[0].heard, 7900, 425, 8000) > 0.97);
	assert_true(audio_level_dbfs(phones[0].heard + 8100, 31000) < -50);
	assert_true(tone_share(phones[0].heard + 40100, 3000, 425, 8000) > 0.97);
}

/* ---- recording ---- */
static void a_recording_holds_each_party_in_its_channel(void **state)
{
	char path[TESTKIT_PATH + 64];
	int64_t began_ms, most_ms;
	event_t *ev;

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(200);
	began_ms = clock_mono_ms();
	record("a", true);
	record("a", true);
	wait_ms(2000);
	must_hear(&phones[1], 440, 12800, 0.97);
	must_hear(&phones[0], 1000, 12800, 0.97);
	record("a", false);
	ev = await("a", CASE(RECORD_DONE));
	most_ms = clock_mono_ms() - began_ms + 100;
	assert_string_equal(ev->record_done->path, "acme/rec1.seg");
	assert_string_equal(ev->record_done->recording_id, "rec1");
	assert_in_range(ev->record_done->duration_ms, 1900, most_ms);
	snprintf(path, sizeof(path), "%s/rec/acme/rec1.seg", dir);
	assert_true(read_recording(path));
	assert_in_range(track.n, 1900 * 8, most_ms * 8);
	assert_true(most_of(track.left, 440, 12000) > 0.97);
	assert_true(most_of(track.right, 1000, 12000) > 0.97);
	record("a", false); /* again */
	(void)await_nth("a", CASE(RECORD_DONE), 1);
	unlink(path);
}

static void a_disk_that_refuses_costs_the_recording_not_the_call(void **state)
{
	char path[TESTKIT_PATH + 64], aside[TESTKIT_PATH + 64];
	event_t *ev;

	(void)state;
	snprintf(path, sizeof(path), "%s/rec/acme", dir);
	snprintf(aside, sizeof(aside), "%s/rec/aside", dir);
	(void)rename(path, aside);
	testkit_file(dir, "rec/acme", "no directory", path);
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	record("a", true);
	ev = await("a", CASE(FAILED));
	assert_string_equal(ev->failed->what, "record");
	wait_ms(1200);
	must_hear(&phones[1], 440, 6000, 0.97);
	record("a", false);
	(void)await("a", CASE(RECORD_DONE));
	unlink(path);
	(void)rename(aside, path);
}

static void a_stranger_is_neither_heard_nor_answered(void **state)
{
	struct phone *mallory = &phones[3];

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(300);
	mallory->to = phones[0].to;
	mallory->on = true;
	wait_ms(1500);
	assert_int_equal(mallory->packets, 0);
	must_hear(&phones[1], 440, 8000, 0.97);
	assert_true(hears(&phones[1], 1300, 8000) < 0.001);
}

static void a_stranger_who_comes_first_is_not_latched_to(void **state)
{
	struct phone *mallory = &phones[3];

	(void)state;
	phones[0].shy = true;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	mallory->to = phones[0].to;
	mallory->on = true;
	wait_ms(800);
	assert_int_equal(mallory->packets, 0);
	assert_int_equal(phones[1].packets, 0);
	phones[0].on = true;
	must_hear(&phones[1], 440, 6000, 0.97);
}

static void silence_is_reported_once(void **state)
{
	struct wanted again = { .leg = "a", .kind = CASE(TIMEOUT), .nth = 1 };
	int64_t silent_ms;
	event_t *ev;

	(void)state;
	create("a", &phones[0], "");
	must_count(&phones_turns, phones_turns + 5);
	silent_ms = clock_mono_ms();
	phones[0].on = false;
	ev = await("a", CASE(TIMEOUT));
	assert_in_range(ev->timeout->silence_ms, 1900, clock_mono_ms() - silent_ms + 200);
	wait_ms(1500);
	if (find(&again)) /* not before as long again */
		assert_true(again.found->timeout->silence_ms >= ev->timeout->silence_ms + 1900);
}

static void what_waited_while_the_engine_stood_still_is_thrown_away(void **state)
{
	unsigned before;
	int64_t woken_ms;

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	wait_ms(300);
	testkit_stand_still(media.pid);
	wait_ms(2000); /* a hundred packets lie in the socket */
	before = phones[1].packets;
	woken_ms = clock_mono_ms();
	assert_int_equal(kill(media.pid, SIGCONT), 0);
	wait_ms(400);
	must_count(&phones[1].packets, before + 5);
	assert_in_range(phones[1].packets - before, 5, 20 + (clock_mono_ms() - woken_ms) / 20);
}

/* An agent's telephone that was to be dialled, and nobody knows the call any more: call-control looks, and frees it. */
static void an_endpoint_that_never_hears_of_a_phone_is_reported(void **state)
{
	BODY(EndpointCreate, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	command_t c = command("a", COMMAND(CREATE));
	int64_t began_ms = clock_mono_ms();
	event_t *ev;

	(void)state;
	c.create = &body;
	order(c);
	await("a", CASE(READY));
	ev = await("a", CASE(TIMEOUT));
	assert_in_range(ev->timeout->silence_ms, 1900, clock_mono_ms() - began_ms + 200);
}

static void an_old_owner_is_refused_and_a_new_one_takes_over(void **state)
{
	BODY(EndpointAttach, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_ATTACH__INIT;
	command_t c = command("a", COMMAND(ATTACH));

	(void)state;
	create("a", &phones[0], "");
	c.attach = &body;
	c.epoch = 7;
	order(c);
	(void)await_nth("a", CASE(READY), 1);
	c.epoch = 6;
	order(c);
	assert_int_equal(await("a", CASE(FAILED))->failed->error, ERR_ABORTED);
	c.epoch = 7;
	c.leg_id = (char *)"other";
	order(c);
	assert_int_equal(await("other", CASE(FAILED))->failed->error, ERR_NOT_FOUND);
	c.leg_id = (char *)"a";
	c.tenant = (char *)"rival"; /* another tenant sees nothing */
	order(c);
	assert_int_equal(await_nth("a", CASE(FAILED), 1)->failed->error, ERR_NOT_FOUND);
	BODY(CallFree, free_body) = TRUNKLINE__MEDIA__V1__CALL_FREE__INIT;
	c = command("", COMMAND(CALL_FREE));
	c.epoch = 7;
	c.call_free = &free_body;
	order(c);
	(void)await("", CASE(FREED));
}

static void reports_are_sent_and_counted(void **state)
{
	unsigned n = phones[0].rtcp_packets;

	(void)state;
	create("a", &phones[0], "");
	must_count(&phones[0].rtcp_packets, n + 1);
}

static void a_million_random_bytes_do_no_harm(void **state)
{
	uint8_t bytes[400];

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	for (unsigned i = 0; i < 5000; i++) {
		size_t n = (size_t)rand() % sizeof(bytes);

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)rand();
		if (n && i & 1)
			bytes[0] = (uint8_t)(0x80 | (bytes[0] & 0x3f));
		send_to(i & 4 ? phones[0].rtp : phones[3].rtp, phones[0].to, bytes, n);
		send_to(phones[0].rtcp, (uint16_t)(phones[0].to + 1), bytes, n);
		if (i % 100 == 0)
			usleep(2000);
	}
	assert_int_equal(bus_publish(bus, "tl.centre.media.media-1", bytes, sizeof(bytes)), ERR_OK);
	wait_ms(1500);
	assert_true(testkit_proc_running(&media));
	must_hear(&phones[1], 440, 6000, 0.95);
}

static bool exists(void *path)
{
	return access(path, F_OK) == 0;
}

static void kill_9_loses_less_than_a_second_of_a_recording(void **state)
{
	char path[TESTKIT_PATH + 64];
	int64_t began;

	(void)state;
	create("a", &phones[0], "");
	create("b", &phones[1], "");
	bridge("a", "b");
	snprintf(path, sizeof(path), "%s/rec/acme/rec1.seg", dir);
	record("a", true);
	assert_true(testkit_wait_loop(loop, exists, path, WAIT_MS));
	began = clock_mono_ms();
	wait_ms(3000);
	must_hear(&phones[1], 440, 24000, 0.97); /* the last second of it may not be written */
	testkit_proc_stop(&media, SIGKILL, WAIT_MS);
	began = clock_mono_ms() - began;
	assert_false(read_recording(path));
	assert_false(segment_is_written(path));
	assert_true((int64_t)track.n / 8 > began - 1000);
	assert_true(most_of(track.left, 440, 12000) > 0.97);
	start_media();
	simple("a", COMMAND(ATTACH));
	assert_int_equal(await("a", CASE(FAILED))->failed->error, ERR_NOT_FOUND);
	assert_int_equal(heartbeat_load, 0);
}

static void sigterm_waits_for_calls_and_then_ends(void **state)
{
	(void)state;
	create("a", &phones[0], "");
	kill(media.pid, SIGTERM);
	wait_ms(500);
	assert_true(testkit_proc_running(&media));
	(void)call_free();
	assert_int_equal(testkit_proc_stop(&media, 0, WAIT_MS), 0);
	start_media();
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_parties_hear_each_other_and_nothing_else),
		T(the_laws_are_changed_when_the_parties_differ),
		T(hold_stops_what_is_sent_and_a_reinvite_brings_it_back),
		T(prompts_play_one_after_the_other_and_then_end),
		T(music_loops_until_bridged_and_a_digit_stops_a_prompt),
		T(ring_back_is_one_second_of_425_hz_in_five),
		T(a_recording_holds_each_party_in_its_channel),
		T(a_disk_that_refuses_costs_the_recording_not_the_call),
		T(another_tenants_prompt_is_not_there),
		T(a_stranger_is_neither_heard_nor_answered),
		T(a_stranger_who_comes_first_is_not_latched_to),
		T(silence_is_reported_once),
		T(what_waited_while_the_engine_stood_still_is_thrown_away),
		T(an_endpoint_that_never_hears_of_a_phone_is_reported),
		T(an_old_owner_is_refused_and_a_new_one_takes_over),
		T(reports_are_sent_and_counted),
		T(a_million_random_bytes_do_no_harm),
		T(kill_9_loses_less_than_a_second_of_a_recording),
		T(sigterm_waits_for_calls_and_then_ends),
	};

	return cmocka_run_group_tests_name("media", tests, setup_all, teardown_all);
}
