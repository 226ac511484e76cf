/*
 * wav: the header of a RIFF WAVE file of 16-bit PCM. Pure; any thread.
 *
 *	uint8_t head[WAV_HEADER];
 *	wav_write_header(head, 8000, 2, n_bytes);
 *	struct wav w;
 *	err_t e = wav_parse(&w, file, size, &detail);   // w.data points into file
 */
#ifndef AUDIO_WAV_H
#define AUDIO_WAV_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define WAV_HEADER 44

struct wav {
	uint32_t rate_hz;
	uint16_t channels;
	const uint8_t *data; /* 16-bit little-endian, interleaved */
	size_t size_bytes;   /* whole frames */
};

void wav_write_header(uint8_t buf[WAV_HEADER], uint32_t rate_hz, uint16_t channels, uint32_t data_bytes);
/* ERR_INVALID says what is wrong; a data size beyond the file (streams write 0xffffffff) is cut to it. */
err_t wav_parse(struct wav *ret, const void *bytes, size_t size, struct err_detail *detail) MUST;

#endif
