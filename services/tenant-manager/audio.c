#include "audio.h"

#include <math.h>
#include <sndfile.h>
#include <soxr.h>
#include <string.h>
#include "base/mem.h"

#define CHANNELS_MAX 8
#define BLOCK	     4096 /* frames at a time */

struct memory {
	const char *data;
	sf_count_t size, at;
};

static sf_count_t mem_length(void *arg)
{
	return ((struct memory *)arg)->size;
}

static sf_count_t mem_seek(sf_count_t offset, int whence, void *arg)
{
	struct memory *m = arg;
	sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? m->at : m->size;

	if (offset < -base || offset > m->size - base)
		return -1;
	return m->at = base + offset;
}

static sf_count_t mem_read(void *to, sf_count_t n, void *arg)
{
	struct memory *m = arg;
	sf_count_t left = m->size - m->at;

	n = n < left ? n : left;
	memcpy(to, m->data + m->at, (size_t)n);
	m->at += n;
	return n;
}

static sf_count_t mem_write(const void *from, sf_count_t n, void *arg)
{
	(void)from;
	(void)n;
	(void)arg;
	return 0;
}

static sf_count_t mem_tell(void *arg)
{
	return ((struct memory *)arg)->at;
}

struct converter {
	SNDFILE *file;
	SF_INFO info;
	soxr_t soxr;
	float *frames, *mono, *out;
	size_t out_frames; /* room in out */
};

static void converter_done(struct converter *c)
{
	if (c->soxr)
		soxr_delete(c->soxr);
	if (c->file)
		sf_close(c->file);
	mem_free(c->frames);
	mem_free(c->mono);
	mem_free(c->out);
}

static err_t open_file(struct converter *c, struct memory *m, struct err_detail *detail)
{
	static SF_VIRTUAL_IO io = { mem_length, mem_seek, mem_read, mem_write, mem_tell };

	c->file = sf_open_virtual(&io, SFM_READ, &c->info, m);
	if (!c->file)
		return err_set(detail, ERR_INVALID, "chunk",
			       "not a sound file that can be read (WAV, FLAC, Ogg, AIFF, AU …): %s", sf_strerror(NULL));
	if (c->info.channels < 1 || c->info.channels > CHANNELS_MAX)
		return err_set(detail, ERR_INVALID, "chunk", "%d channels; 1 to %d", c->info.channels, CHANNELS_MAX);
	if (c->info.samplerate < 1000 || c->info.samplerate > 192000)
		return err_set(detail, ERR_INVALID, "chunk", "%d Hz; 1,000 to 192,000", c->info.samplerate);
	return ERR_OK;
}

static err_t set_up(struct converter *c)
{
	soxr_error_t error = NULL;

	c->out_frames = (size_t)BLOCK * AUDIO_RATE / (size_t)c->info.samplerate + 64;
	c->frames = mem_array(BLOCK, (size_t)c->info.channels * sizeof(float));
	c->mono = mem_array(BLOCK, sizeof(float));
	c->out = mem_array(c->out_frames, sizeof(float));
	c->soxr = soxr_create(c->info.samplerate, AUDIO_RATE, 1, &error, NULL, NULL, NULL);
	return c->frames && c->mono && c->out && c->soxr && !error ? ERR_OK : ERR_EXHAUSTED;
}

static void to_mono(struct converter *c, size_t n)
{
	int channels = c->info.channels;

	for (size_t i = 0; i < n; i++) {
		float sum = 0;

		for (int ch = 0; ch < channels; ch++)
			sum += c->frames[i * (size_t)channels + (size_t)ch];
		c->mono[i] = sum / (float)channels;
	}
}

static void append(struct converter *c, struct str *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		float v = c->out[i] * 32768.0f;
		/* A file of floats may hold anything, also NaN. */
		long s = v >= 32767.0f ? 32767 : v <= -32768.0f ? -32768 : isnan(v) ? 0 : lrintf(v);
		char bytes[2] = { (char)(s & 0xff), (char)((s >> 8) & 0xff) };

		str_append_n(out, bytes, 2);
	}
}

/* n frames of c->mono; 0: the end, what is still in the filter comes out. */
static err_t resample(struct converter *c, size_t n, struct str *out, size_t max_bytes, struct err_detail *detail)
{
	size_t used = 0, done, made;

	do {
		if (soxr_process(c->soxr, n ? c->mono + used : NULL, n - used, &done, c->out, c->out_frames, &made))
			return ERR_INTERNAL;
		used += done;
		append(c, out, made);
		if (out->failed)
			return ERR_EXHAUSTED;
		if (out->len > max_bytes)
			return err_set(detail, ERR_EXHAUSTED, "chunk", "longer than %zu s", max_bytes / 2 / AUDIO_RATE);
	} while (used < n || made == c->out_frames);
	return ERR_OK;
}

static err_t convert(struct converter *c, struct str *out, size_t max_bytes, struct err_detail *detail)
{
	err_t e = set_up(c);

	while (!e) {
		sf_count_t n = sf_readf_float(c->file, c->frames, BLOCK);

		if (n <= 0)
			return resample(c, 0, out, max_bytes, detail);
		to_mono(c, (size_t)n);
		e = resample(c, (size_t)n, out, max_bytes, detail);
	}
	return e;
}

err_t audio_convert(struct str *out, const void *file, size_t size, size_t max_bytes, struct err_detail *detail)
{
	struct memory m = { .data = file, .size = (sf_count_t)size };
	struct converter c = { 0 };
	size_t before = out->len;
	err_t e = open_file(&c, &m, detail);

	if (!e)
		e = convert(&c, out, max_bytes, detail);
	if (!e && out->len == before)
		e = err_set(detail, ERR_INVALID, "chunk", "the file has no sound in it");
	converter_done(&c);
	return e;
}
