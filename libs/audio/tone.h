/*
 * tone: sines, the power of one frequency (Goertzel), levels and mixing of 16-bit samples. Pure; any thread.
 *
 *	struct tone t;
 *	tone_init(&t, 425, 8000, -10);                 // dBFS
 *	tone_add(&t, pcm, n);                          // adds, saturating; goes on where it stopped
 *	double share = tone_share(pcm, n, 425, 8000);  // 1.0: nothing but this frequency
 */
#ifndef AUDIO_TONE_H
#define AUDIO_TONE_H

#include <stddef.h>
#include <stdint.h>

struct tone {
	double phase, step, amplitude;
};

/* level_dbfs: 0 = full-scale sine. */
void tone_init(struct tone *t, double hz, double rate_hz, double level_dbfs);
void tone_add(struct tone *t, int16_t *pcm, size_t n);

/* Mean power of the frequency in the samples (Goertzel), full-scale sine = 1.0. */
double tone_power(const int16_t *pcm, size_t n, double hz, double rate_hz);
/* Part of the whole power that is at the frequency, 0…1 (0 for silence). */
double tone_share(const int16_t *pcm, size_t n, double hz, double rate_hz);

/* Level relative to a full-scale sine; -120 for silence. */
double audio_level_dbfs(const int16_t *pcm, size_t n);
/* dst += src, saturating. */
void audio_mix(int16_t *dst, const int16_t *src, size_t n);

#endif
