#include "audio.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

/* PCM 16 bit, `ms` of a 440 Hz tone on the first channel and nothing on the others. */
static size_t make_wav(unsigned char *wav, uint32_t rate, uint16_t channels, uint32_t ms)
{
	uint32_t frames = rate * ms / 1000, bytes = frames * channels * 2;

	memcpy(wav, "RIFF....WAVEfmt ", 16);
	put32(wav + 4, 36 + bytes);
	put32(wav + 16, 16);
	put32(wav + 20, 1 | (uint32_t)channels << 16);
	put32(wav + 24, rate);
	put32(wav + 28, rate * channels * 2);
	put32(wav + 32, channels * 2u | 16u << 16);
	memcpy(wav + 36, "data", 4);
	put32(wav + 40, bytes);
	memset(wav + 44, 0, bytes);
	for (uint32_t i = 0; i < frames; i++) {
		int16_t v = (int16_t)lrint(16000 * sin(2 * M_PI * 440 * i / rate));

		memcpy(wav + 44 + (size_t)i * channels * 2, &v, 2);
	}
	return 44 + bytes;
}

/* Share of the energy at 440 Hz (Goertzel at the telephone's rate), and the level. */
static double tone_share(const struct str *pcm, double *rms)
{
	size_t n = pcm->len / 2;
	double k = 2 * cos(2 * M_PI * 440 / AUDIO_RATE), a = 0, b = 0, energy = 0;

	for (size_t i = 0; i < n; i++) {
		int16_t v;

		memcpy(&v, pcm->data + 2 * i, 2);
		double c = v + k * a - b;
		b = a;
		a = c;
		energy += (double)v * v;
	}
	*rms = sqrt(energy / (double)n);
	return (a * a + b * b - k * a * b) / (energy * (double)n / 2);
}

static void any_rate_and_number_of_channels_becomes_8_khz_mono_with_the_same_tone(void **state)
{
	static const struct {
		uint32_t rate;
		uint16_t channels;
		double rms;
	} rows[] = {
		{ 8000, 1, 11314 }, { 16000, 1, 11314 }, { 44100, 2, 5657 }, { 48000, 6, 1886 }, { 11025, 1, 11314 }
	};
	unsigned char *wav = malloc(48000 * 6 * 2 + 100);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct str pcm = STR_INIT;
		double rms;
		size_t size = make_wav(wav, rows[i].rate, rows[i].channels, 1000);

		assert_int_equal(audio_convert(&pcm, wav, size, 1 << 20, NULL), ERR_OK);
		assert_in_range(pcm.len, 15980, 16020);
		assert_true(tone_share(&pcm, &rms) > 0.98);
		assert_true(fabs(rms - rows[i].rms) < rows[i].rms * 0.03);
		str_done(&pcm);
	}
	free(wav);
}

static void what_is_no_sound_or_too_long_is_refused(void **state)
{
	unsigned char wav[20000];
	struct str pcm = STR_INIT;
	struct err_detail d = { 0 };
	size_t size = make_wav(wav, 8000, 1, 1000);

	(void)state;
	assert_int_equal(audio_convert(&pcm, "", 0, 1000, &d), ERR_INVALID);
	assert_int_equal(audio_convert(&pcm, "hello, this is text", 19, 1000, &d), ERR_INVALID);
	assert_string_equal(d.field, "chunk");
	assert_int_equal(audio_convert(&pcm, wav, size, 8000, &d), ERR_EXHAUSTED);
	str_reset(&pcm);
	put32(wav + 40, 0);
	assert_int_equal(audio_convert(&pcm, wav, 44, 8000, &d), ERR_INVALID);
	str_done(&pcm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_rate_and_number_of_channels_becomes_8_khz_mono_with_the_same_tone),
		cmocka_unit_test(what_is_no_sound_or_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
