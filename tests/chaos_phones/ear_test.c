#include "testkit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>
#include "ear.h"
#include "journal.h"

/* A packet as another ear says it; who 0: music. */
static void hears(struct ear *e, uint32_t who, uint32_t seq, int64_t at_ms)
{
	uint8_t bytes[172] = { 0x80, 8 };
	uint32_t words[] = { htonl(0x544c4348u), htonl(who), htonl(seq) };

	if (who)
		memcpy(bytes + 12, words, sizeof(words));
	ear_packet(e, bytes, sizeof(bytes), at_ms * MS_NS);
}

static struct ear new_ear(void)
{
	struct ear e;

	ear_open(&e, "c1", "127.0.0.1");
	return e;
}

static void a_packet_every_20_ms_is_no_gap_and_a_silence_over_60_ms_is(void **state)
{
	struct ear e = new_ear();

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		hears(&e, 7, i, 1000 + 20 * i);
	hears(&e, 7, 10, 1240);
	assert_int_equal(e.gaps, 0);
	assert_int_equal(e.longest_ns, 60 * MS_NS);
	hears(&e, 7, 14, 1301);
	assert_int_equal(e.gaps, 1);
	assert_int_equal(e.lost, 3);
	assert_int_equal(e.longest_ns, 61 * MS_NS);
	ear_close(&e, 1400 * MS_NS);
}

static void who_speaks_is_read_from_the_payload_and_music_is_nobody(void **state)
{
	struct ear e = new_ear();

	(void)state;
	assert_int_equal(e.who, EAR_NOBODY);
	hears(&e, 0, 0, 1000);
	assert_int_equal(e.who, EAR_MUSIC);
	hears(&e, 9, 5, 1020);
	assert_int_equal(e.who, 9);
	hears(&e, 8, 0, 1040); /* another voice: nothing was lost of it */
	assert_int_equal(e.who, 8);
	assert_int_equal(e.lost, 0);
	ear_close(&e, 1400 * MS_NS);
}

static void what_is_no_rtp_is_not_heard(void **state)
{
	struct ear e = new_ear();
	uint8_t bytes[172] = { 0x40, 8 };

	(void)state;
	ear_packet(&e, bytes, sizeof(bytes), 1000);
	ear_packet(&e, bytes, 5, 1000);
	bytes[0] = 0x80;
	bytes[1] = 200; /* a report for a neighbour */
	ear_packet(&e, bytes, sizeof(bytes), 1000);
	assert_int_equal(e.packets, 0);
	ear_close(&e, 1400 * MS_NS);
}

static void two_ears_hear_each_other(void **state)
{
	struct ear a = new_ear(), b = new_ear();

	(void)state;
	ear_to(&a, "127.0.0.1", b.port);
	ear_to(&b, "127.0.0.1", a.port);
	for (unsigned i = 0; i < 100 && (!a.packets || !b.packets); i++) {
		ear_turn(&a, 17, true);
		ear_turn(&b, 18, true);
		usleep(1000);
	}
	assert_int_equal(a.who, 18);
	assert_int_equal(b.who, 17);
	ear_close(&a, wall_ns());
	ear_close(&b, wall_ns());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_packet_every_20_ms_is_no_gap_and_a_silence_over_60_ms_is),
		cmocka_unit_test(who_speaks_is_read_from_the_payload_and_music_is_nobody),
		cmocka_unit_test(what_is_no_rtp_is_not_heard),
		cmocka_unit_test(two_ears_hear_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
