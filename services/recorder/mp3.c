#include "mp3.h"

#include <errno.h>
#include <lame/lame.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define RATE	8000
#define QUALITY 7
#define CHUNK	8000
#define OUT_MAX (CHUNK * 5 / 4 + 7200) /* what LAME may give for a chunk */

struct mp3_writer {
	lame_global_flags *lame;
	FILE *file;
	uint8_t out[OUT_MAX];
};

static err_t configure(lame_global_flags *l, unsigned channels, unsigned kbps)
{
	lame_set_in_samplerate(l, RATE);
	lame_set_out_samplerate(l, RATE);
	lame_set_num_channels(l, (int)channels);
	/* Not joint: what one party says must not be heard in the other's channel. */
	lame_set_mode(l, channels == 2 ? STEREO : MONO);
	lame_set_VBR(l, vbr_off);
	lame_set_brate(l, (int)kbps);
	lame_set_quality(l, QUALITY);
	lame_set_bWriteVbrTag(l, 1);
	return lame_init_params(l) < 0 ? ERR_INVALID : ERR_OK;
}

err_t mp3_writer_open(struct mp3_writer **ret, FILE *file, unsigned channels, unsigned kbps)
{
	struct mp3_writer *w = mem_zalloc(sizeof(*w));
	err_t e = ERR_EXHAUSTED;

	if (!w) {
		fclose(file);
		return e;
	}
	w->file = file;
	w->lame = lame_init();
	if (w->lame)
		e = configure(w->lame, channels, kbps);
	if (e)
		mp3_writer_free(&w);
	else
		*ret = w;
	return e;
}

void mp3_writer_free(struct mp3_writer **w)
{
	if (!*w)
		return;
	if ((*w)->lame)
		lame_close((*w)->lame);
	if ((*w)->file)
		fclose((*w)->file);
	mem_free(*w);
	*w = NULL;
}

static err_t put_bytes(struct mp3_writer *w, int n)
{
	if (n < 0)
		return ERR_INTERNAL;
	if (n && fwrite(w->out, 1, (size_t)n, w->file) != (size_t)n)
		return err_from_errno(errno ? errno : EIO);
	return ERR_OK;
}

err_t mp3_writer_put(struct mp3_writer *w, const int16_t *left, const int16_t *right, size_t n)
{
	err_t e = ERR_OK;

	while (n && !e) {
		size_t take = n < CHUNK ? n : CHUNK;

		e = put_bytes(w, lame_encode_buffer(w->lame, left, right ? right : left, (int)take, w->out, OUT_MAX));
		left += take;
		right = right ? right + take : NULL;
		n -= take;
	}
	return e;
}

/* The first frame, which LAME left empty, gets length and delays. */
static err_t put_head(struct mp3_writer *w)
{
	size_t n = lame_get_lametag_frame(w->lame, w->out, sizeof(w->out));

	if (n == 0 || n > sizeof(w->out))
		return ERR_OK;
	if (fseek(w->file, 0, SEEK_SET) || fwrite(w->out, 1, n, w->file) != n)
		return err_from_errno(errno ? errno : EIO);
	return ERR_OK;
}

/* What is no file of the system syncs itself when it is closed. */
static int sync_file(FILE *file)
{
	int fd = fileno(file);

	return fd < 0 ? 0 : fdatasync(fd);
}

err_t mp3_writer_close(struct mp3_writer **ref, uint64_t *size_bytes)
{
	struct mp3_writer *w = *ref;
	err_t e = put_bytes(w, lame_encode_flush(w->lame, w->out, OUT_MAX));
	long size = ftell(w->file);

	if (!e)
		e = put_head(w);
	if (!e && (fflush(w->file) || sync_file(w->file)))
		e = err_from_errno(errno);
	if (fclose(w->file) && !e)
		e = err_from_errno(errno);
	w->file = NULL;
	*size_bytes = size > 0 ? (uint64_t)size : 0;
	mp3_writer_free(ref);
	return e;
}

/* ---- reading ---- */
#define IN_BYTES 1024

struct mp3_reader {
	hip_t hip;
	FILE *file;
	size_t skip; /* samples of delay still to be dropped */
	int16_t left[MP3_READ_SAMPLES], right[MP3_READ_SAMPLES];
};

/* hip reports what it does not like on stderr unless told where to. */
static void quiet(const char *format, va_list ap)
{
	(void)format;
	(void)ap;
}

err_t mp3_reader_open(struct mp3_reader **ret, FILE *file)
{
	struct mp3_reader *r = mem_zalloc(sizeof(*r));
	err_t e = ERR_EXHAUSTED;

	if (!r) {
		fclose(file);
		return e;
	}
	r->file = file;
	r->hip = hip_decode_init();
	if (!r->hip) {
		mp3_reader_close(&r);
		return e;
	}
	hip_set_errorf(r->hip, quiet);
	hip_set_msgf(r->hip, quiet);
	hip_set_debugf(r->hip, quiet);
	r->skip = 576 + 529; /* LAME's delay and the decoder's own */
	*ret = r;
	return ERR_OK;
}

void mp3_reader_close(struct mp3_reader **r)
{
	if (!*r)
		return;
	if ((*r)->hip)
		hip_decode_exit((*r)->hip);
	if ((*r)->file)
		fclose((*r)->file);
	mem_free(*r);
	*r = NULL;
}

err_t mp3_reader_next(struct mp3_reader *r, int16_t *pcm, size_t *n)
{
	uint8_t in[IN_BYTES];
	int got = 0;

	*n = 0;
	while (got == 0) {
		size_t bytes = fread(in, 1, sizeof(in), r->file);

		if (bytes == 0)
			return ferror(r->file) ? ERR_DATA_LOSS : ERR_OK;
		got = hip_decode(r->hip, in, bytes, r->left, r->right);
		if (got < 0 || got > MP3_READ_SAMPLES)
			return ERR_DATA_LOSS;
		size_t skip = r->skip < (size_t)got ? r->skip : (size_t)got;

		r->skip -= skip;
		memmove(r->left, r->left + skip, ((size_t)got - skip) * 2);
		memmove(r->right, r->right + skip, ((size_t)got - skip) * 2);
		got -= (int)skip;
	}
	for (int i = 0; i < got; i++) {
		pcm[2 * i] = r->left[i];
		pcm[2 * i + 1] = r->right[i];
	}
	*n = (size_t)got;
	return ERR_OK;
}
