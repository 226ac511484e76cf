/*
 * g711: A-law and µ-law (ITU-T G.711). Pure; any thread.
 *
 *	int16_t pcm = g711_a_pcm[byte];
 *	uint8_t u = g711_a_to_u[byte];          // one law to the other without decoding
 */
#ifndef AUDIO_G711_H
#define AUDIO_G711_H

#include <stddef.h>
#include <stdint.h>

extern const int16_t g711_a_pcm[256], g711_u_pcm[256];
extern const uint8_t g711_a_to_u[256], g711_u_to_a[256];

#define G711_A_SILENCE 0xd5
#define G711_U_SILENCE 0xff

uint8_t g711_a_encode(int16_t pcm);
uint8_t g711_u_encode(int16_t pcm);
void g711_a_encode_n(uint8_t *dst, const int16_t *src, size_t n);
void g711_u_encode_n(uint8_t *dst, const int16_t *src, size_t n);
/* dst[i] = table[src[i]]; dst may be src. */
void g711_map_n(uint8_t *dst, const uint8_t *src, size_t n, const uint8_t table[256]);

#endif
