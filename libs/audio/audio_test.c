#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "audio/g711.h"
#include "audio/tone.h"
#include "audio/wav.h"

static void each_code_survives_decoding_and_encoding(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(g711_a_encode(g711_a_pcm[i]), i);
		if (i != 0x7f) /* µ-law has two zeros */
			assert_int_equal(g711_u_encode(g711_u_pcm[i]), i);
	}
	assert_int_equal(g711_a_pcm[G711_A_SILENCE], 8);
	assert_int_equal(g711_u_pcm[G711_U_SILENCE], 0);
	assert_int_equal(g711_a_pcm[0xaa], 32256); /* the largest of each law (G.711 tables 1, 2) */
	assert_int_equal(g711_u_pcm[0x80], 32124);
}

static void every_sample_is_coded_within_half_a_step(void **state)
{
	(void)state;
	for (int v = INT16_MIN; v <= INT16_MAX; v++) {
		int a = g711_a_pcm[g711_a_encode((int16_t)v)], u = g711_u_pcm[g711_u_encode((int16_t)v)];
		int m = abs(v);

		/* a step is 1/16 of its segment; 16 (A) and 8 (µ) in the lowest */
		assert_true(abs(a - v) <= (m < 512 ? 16 : m / 16 + 512));
		assert_true(abs(u - v) <= (m < 256 ? 8 : m / 16 + 644));
		if (m < 32000)
			assert_true(abs(a - v) <= (m < 512 ? 8 : m / 32 + 1));
	}
}

static void from_law_to_law_and_back_stays_within_a_step(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		int a = g711_a_pcm[i], u = g711_u_pcm[g711_a_to_u[i]];
		int b = g711_u_pcm[i], v = g711_a_pcm[g711_u_to_a[i]];

		assert_true(abs(a - u) <= (abs(a) < 256 ? 8 : abs(a) / 24));
		assert_true(abs(b - v) <= (abs(b) < 256 ? 8 : abs(b) / 24));
	}
}

static void a_tone_is_found_and_others_are_not(void **state)
{
	int16_t pcm[1600] = { 0 };
	struct tone t, other;

	(void)state;
	tone_init(&t, 440, 8000, -10);
	tone_add(&t, pcm, 777);
	tone_add(&t, pcm + 777, 1600 - 777);
	assert_true(tone_share(pcm, 1600, 440, 8000) > 0.99);
	assert_true(tone_share(pcm, 1600, 600, 8000) < 0.01);
	assert_true(audio_level_dbfs(pcm, 1600) > -10.2 && audio_level_dbfs(pcm, 1600) < -9.8);
	tone_init(&other, 800, 8000, -10);
	tone_add(&other, pcm, 1600);
	assert_true(tone_share(pcm, 1600, 440, 8000) > 0.45 && tone_share(pcm, 1600, 440, 8000) < 0.55);
	assert_true(tone_share(pcm, 1600, 800, 8000) > 0.45);
	memset(pcm, 0, sizeof(pcm));
	assert_true(tone_share(pcm, 1600, 440, 8000) == 0);
	assert_true(audio_level_dbfs(pcm, 1600) == -120);
}

static void mixing_saturates(void **state)
{
	int16_t a[] = { 30000, -30000, 5 }, b[] = { 30000, -30000, 6 };

	(void)state;
	audio_mix(a, b, 3);
	assert_int_equal(a[0], INT16_MAX);
	assert_int_equal(a[1], INT16_MIN);
	assert_int_equal(a[2], 11);
}

static void a_wav_header_is_read_back_and_bad_ones_are_refused(void **state)
{
	uint8_t file[WAV_HEADER + 9] = { 0 };
	struct err_detail detail;
	struct wav w;

	(void)state;
	wav_write_header(file, 8000, 2, 0xffffffff - WAV_HEADER);
	assert_int_equal(wav_parse(&w, file, sizeof(file), &detail), ERR_OK);
	assert_int_equal(w.rate_hz, 8000);
	assert_int_equal(w.channels, 2);
	assert_int_equal(w.size_bytes, 8); /* whole frames of what is there */
	assert_ptr_equal(w.data, file + WAV_HEADER);
	assert_int_equal(wav_parse(&w, file, 20, &detail), ERR_INVALID);
	file[34] = 8;
	assert_int_equal(wav_parse(&w, file, sizeof(file), &detail), ERR_INVALID);
	assert_string_equal(detail.field, "fmt");
	memcpy(file, "RIFX", 4);
	assert_int_equal(wav_parse(&w, file, sizeof(file), &detail), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_code_survives_decoding_and_encoding),
		cmocka_unit_test(every_sample_is_coded_within_half_a_step),
		cmocka_unit_test(from_law_to_law_and_back_stays_within_a_step),
		cmocka_unit_test(a_tone_is_found_and_others_are_not),
		cmocka_unit_test(mixing_saturates),
		cmocka_unit_test(a_wav_header_is_read_back_and_bad_ones_are_refused),
	};

	return cmocka_run_group_tests_name("audio", tests, NULL, NULL);
}
