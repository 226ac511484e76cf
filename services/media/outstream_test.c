/* One continuous stream out of many; and what is played into it. */
#include "outstream.h"

#include <string.h>

#include "audio/g711.h"
#include "base/mem.h"
#include "player.h"
#include "testkit/cmocka_all.h"

static struct rtp_packet in(uint32_t ssrc, uint16_t seq, uint32_t ts)
{
	return (struct rtp_packet){ .ssrc = ssrc, .seq = seq, .ts = ts, .size = 160 };
}

static void sources_follow_each_other_without_a_break(void **state)
{
	struct outstream o;
	struct rtp_packet h, last;
	int64_t now = 1000000;

	UNUSED(state);
	outstream_init(&o, 42, 65534, 0xffffff00);
	last = outstream_next(&o, 160, now);
	assert_true(last.marker);
	for (int i = 0; i < 300; i++) {
		struct rtp_packet a = in(1, (uint16_t)(700 + i), 5000 + (uint32_t)i * 160),
				  b = in(2, (uint16_t)(9 + i), 77 + (uint32_t)i * 160);

		now += 20000;
		h = i < 100   ? outstream_relay(&o, &a, now)
		    : i < 200 ? outstream_next(&o, 160, now)
			      : outstream_relay(&o, &b, now);
		assert_int_equal(h.ssrc, 42);
		assert_int_equal(h.seq, (uint16_t)(last.seq + 1));
		assert_int_equal(h.ts, last.ts + 160);
		assert_int_equal(h.marker, i == 0 || i == 100 || i == 200);
		last = h;
	}
	assert_int_equal(o.packets, 301);
	assert_int_equal(o.octets, 301 * 160);
}

static void what_was_lost_or_reordered_before_us_stays_so(void **state)
{
	struct rtp_packet p0 = in(1, 10, 0), p1 = in(1, 11, 160), p3 = in(1, 13, 480);
	struct outstream o;
	uint16_t first;

	UNUSED(state);
	outstream_init(&o, 42, 100, 0);
	first = outstream_relay(&o, &p0, 0).seq;
	assert_int_equal(outstream_relay(&o, &p3, 60000).seq, (uint16_t)(first + 3));
	assert_int_equal(outstream_relay(&o, &p1, 61000).seq, (uint16_t)(first + 1));
	assert_int_equal(outstream_next(&o, 160, 80000).seq, (uint16_t)(first + 4)); /* never one twice */
}

static void a_pause_shows_in_the_timestamps(void **state)
{
	struct outstream o;
	uint32_t ts;

	UNUSED(state);
	outstream_init(&o, 42, 100, 0);
	ts = outstream_next(&o, 160, 1000000).ts;
	assert_int_equal(outstream_next(&o, 160, 3000000).ts - ts, 160 + 16000);
}

static void a_jump_under_the_same_ssrc_is_a_new_source(void **state)
{
	struct rtp_packet a = in(1, 10, 0), b = in(1, 30000, 900000000);
	struct outstream o;
	struct rtp_packet h;

	UNUSED(state);
	outstream_init(&o, 42, 100, 0);
	(void)outstream_relay(&o, &a, 1000000);
	h = outstream_relay(&o, &b, 1020000);
	assert_int_equal(h.seq, 101);
	assert_int_equal(h.ts, 160);
	assert_true(h.marker);
}

/* ---- player ---- */
static struct playlist *list_of(bool loop, unsigned n, const size_t *lengths)
{
	struct playlist *l = mem_zalloc(sizeof(*l));

	assert_non_null(l);
	l->loop = loop;
	l->n = n;
	for (unsigned i = 0; i < n; i++) {
		int16_t *pcm = mem_array(lengths[i], 2);

		assert_non_null(pcm);
		for (size_t k = 0; k < lengths[i]; k++)
			pcm[k] = (int16_t)(1000 * (i + 1));
		assert_int_equal(prompt_new(&l->prompts[i], pcm, lengths[i]), ERR_OK);
		mem_free(pcm);
	}
	return l;
}

static void prompts_are_played_end_to_end_and_filled_with_silence(void **state)
{
	struct player p = { .list = list_of(false, 2, (size_t[]){ 100, 200 }) };
	uint8_t frame[PLAYER_FRAME];

	UNUSED(state);
	assert_true(player_next(&p, LAW_A, frame));
	assert_int_equal(frame[99], g711_a_encode(1000));
	assert_int_equal(frame[100], g711_a_encode(2000));
	assert_true(player_next(&p, LAW_U, frame)); /* the law may change on the way */
	assert_int_equal(frame[139], g711_u_encode(2000));
	assert_int_equal(frame[140], G711_U_SILENCE);
	assert_false(player_next(&p, LAW_A, frame));
	assert_false(player_next(&p, LAW_A, frame));
	playlist_free(&p.list);
}

static void a_loop_has_no_seam(void **state)
{
	struct player p = { .list = list_of(true, 1, (size_t[]){ 100 }) };
	uint8_t frame[PLAYER_FRAME];

	UNUSED(state);
	for (int i = 0; i < 1000; i++) {
		assert_true(player_next(&p, LAW_A, frame));
		for (int k = 0; k < PLAYER_FRAME; k++)
			assert_int_equal(frame[k], g711_a_encode(1000));
	}
	playlist_free(&p.list);
}

static void a_prompt_lives_as_long_as_somebody_has_it(void **state)
{
	struct prompt *p, *q;
	int16_t pcm[1] = { 5 };

	UNUSED(state);
	assert_int_equal(prompt_new(&p, pcm, 1), ERR_OK);
	q = prompt_ref(p);
	prompt_unref(&p);
	assert_null(p);
	assert_int_equal(q->n, 1);
	prompt_unref(&q);
	prompt_unref(&q); /* NULL */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_follow_each_other_without_a_break),
		cmocka_unit_test(what_was_lost_or_reordered_before_us_stays_so),
		cmocka_unit_test(a_pause_shows_in_the_timestamps),
		cmocka_unit_test(a_jump_under_the_same_ssrc_is_a_new_source),
		cmocka_unit_test(prompts_are_played_end_to_end_and_filled_with_silence),
		cmocka_unit_test(a_loop_has_no_seam),
		cmocka_unit_test(a_prompt_lives_as_long_as_somebody_has_it),
	};

	return cmocka_run_group_tests_name("outstream", tests, NULL, NULL);
}
