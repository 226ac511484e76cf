#include "audio/tone.h"

#include <math.h>

void tone_init(struct tone *t, double hz, double rate_hz, double level_dbfs)
{
	*t = (struct tone){ .step = 2 * M_PI * hz / rate_hz, .amplitude = 32767 * pow(10, level_dbfs / 20) };
}

static int16_t clip(int v)
{
	return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

void tone_add(struct tone *t, int16_t *pcm, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pcm[i] = clip(pcm[i] + (int)lrint(t->amplitude * sin(t->phase)));
		t->phase = fmod(t->phase + t->step, 2 * M_PI);
	}
}

double tone_power(const int16_t *pcm, size_t n, double hz, double rate_hz)
{
	double w = 2 * M_PI * hz / rate_hz, c = 2 * cos(w);
	double s1 = 0, s2 = 0, amplitude;

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		double s = pcm[i] + c * s1 - s2;

		s2 = s1;
		s1 = s;
	}
	amplitude = 2 * sqrt(fmax(0, s1 * s1 + s2 * s2 - c * s1 * s2)) / (double)n / 32767;
	return amplitude * amplitude;
}

static double mean_square(const int16_t *pcm, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)pcm[i] * pcm[i];
	return n ? sum / (double)n / (32767.0 * 32767.0) * 2 : 0;
}

double tone_share(const int16_t *pcm, size_t n, double hz, double rate_hz)
{
	double all = mean_square(pcm, n);

	return all > 0 ? fmin(1, tone_power(pcm, n, hz, rate_hz) / all) : 0;
}

double audio_level_dbfs(const int16_t *pcm, size_t n)
{
	double all = mean_square(pcm, n);

	return all > 1e-12 ? 10 * log10(all) : -120;
}

void audio_mix(int16_t *dst, const int16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = clip(dst[i] + src[i]);
}
