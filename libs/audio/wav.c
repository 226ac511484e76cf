#include "audio/wav.h"

#include <string.h>

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v & 0xffff);
	put16(p + 2, v >> 16);
}

static unsigned get16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

void wav_write_header(uint8_t buf[WAV_HEADER], uint32_t rate_hz, uint16_t channels, uint32_t data_bytes)
{
	memcpy(buf, "RIFF", 4);
	put32(buf + 4, data_bytes + WAV_HEADER - 8);
	memcpy(buf + 8, "WAVEfmt ", 8);
	put32(buf + 16, 16);
	put16(buf + 20, 1);
	put16(buf + 22, channels);
	put32(buf + 24, rate_hz);
	put32(buf + 28, rate_hz * channels * 2);
	put16(buf + 32, channels * 2u);
	put16(buf + 34, 16);
	memcpy(buf + 36, "data", 4);
	put32(buf + 40, data_bytes);
}

static err_t read_format(struct wav *w, const uint8_t *p, size_t n, struct err_detail *detail)
{
	if (n < 16)
		return err_set(detail, ERR_INVALID, "fmt", "chunk of at least 16 bytes expected");
	if ((get16(p) != 1 && get16(p) != 0xfffe) || get16(p + 14) != 16)
		return err_set(detail, ERR_INVALID, "fmt", "PCM with 16 bits a sample expected");
	w->channels = (uint16_t)get16(p + 2);
	w->rate_hz = get32(p + 4);
	if (w->channels < 1 || w->channels > 8 || w->rate_hz < 1000 || w->rate_hz > 192000)
		return err_set(detail, ERR_INVALID, "fmt", "1-8 channels at 1,000-192,000 Hz expected");
	return ERR_OK;
}

err_t wav_parse(struct wav *ret, const void *bytes, size_t size, struct err_detail *detail)
{
	const uint8_t *p = bytes, *end = p + size;
	struct wav w = { 0 };

	if (size < 12 || memcmp(p, "RIFF", 4) || memcmp(p + 8, "WAVE", 4))
		return err_set(detail, ERR_INVALID, "wav", "a RIFF WAVE file expected");
	p += 12;
	while (end - p >= 8) {
		size_t n = get32(p + 4);
		size_t left = (size_t)(end - p - 8);

		if (memcmp(p, "data", 4) == 0 && w.channels) {
			w.data = p + 8;
			w.size_bytes = n < left ? n : left;
			w.size_bytes -= w.size_bytes % (2u * w.channels);
			*ret = w;
			return ERR_OK;
		}
		if (n > left)
			break;
		if (memcmp(p, "fmt ", 4) == 0) {
			err_t e = read_format(&w, p + 8, n, detail);

			if (e)
				return e;
		}
		p += 8 + n + (n & 1 && n < left);
	}
	return err_set(detail, ERR_INVALID, "wav", "chunk \"fmt \" followed by \"data\" expected");
}
