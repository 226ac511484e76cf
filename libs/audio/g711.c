#include "audio/g711.h"

/* Number of the segment: position of the highest bit above `low`. */
static unsigned segment(unsigned v, unsigned low)
{
	unsigned top = v ? 31u - (unsigned)__builtin_clz(v) : 0;

	return top > low ? top - low : 0;
}

uint8_t g711_a_encode(int16_t pcm)
{
	unsigned mask = 0xd5;
	unsigned v, seg;

	if (pcm < 0) {
		mask = 0x55;
		v = (unsigned)(~pcm); /* -1 - pcm: symmetric and without overflow */
	} else {
		v = (unsigned)pcm;
	}
	v >>= 4;
	seg = segment(v, 3);
	v = seg > 1 ? v >> (seg - 1) : v;
	return (uint8_t)((seg << 4 | (v & 15)) ^ mask);
}

uint8_t g711_u_encode(int16_t pcm)
{
	unsigned mask = 0xff;
	unsigned v, seg;

	if (pcm < 0) {
		mask = 0x7f;
		v = (unsigned)(-(int)pcm);
	} else {
		v = (unsigned)pcm;
	}
	if (v > 32635)
		v = 32635;
	v += 0x84;
	seg = segment(v, 7);
	return (uint8_t)((seg << 4 | ((v >> (seg + 3)) & 15)) ^ mask);
}

void g711_a_encode_n(uint8_t *dst, const int16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = g711_a_encode(src[i]);
}

void g711_u_encode_n(uint8_t *dst, const int16_t *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		dst[i] = g711_u_encode(src[i]);
}

void g711_map_n(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t table[256])
{
	for (size_t i = 0; i < n; i++)
		dst[i] = table[src[i]];
}
