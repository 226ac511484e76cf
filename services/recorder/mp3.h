/*
 * mp3: LAME as a writer and a reader of streams at 8 kHz. One object, one thread.
 *
 *	struct mp3_writer *w;
 *	err_t e = mp3_writer_open(&w, file, 2, 32);
 *	e = mp3_writer_put(w, left, right, n);       // right is not looked at for one channel
 *	e = mp3_writer_close(&w, &size);             // the head tells players the exact length
 */
#ifndef RECORDER_MP3_H
#define RECORDER_MP3_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

struct mp3_writer;
/* Takes the stream, also on failure; of it, only the head is gone back to. */
err_t mp3_writer_open(struct mp3_writer **ret, FILE *file, unsigned channels, unsigned kbps) MUST;
err_t mp3_writer_put(struct mp3_writer *w, const int16_t *left, const int16_t *right, size_t n) MUST;
/* Writes the rest and the head, syncs the file, closes and frees, also on failure. */
err_t mp3_writer_close(struct mp3_writer **w, uint64_t *size_bytes) MUST;
/* Gives up: the file stays as it is. */
void mp3_writer_free(struct mp3_writer **w);

/* Stereo back to samples, without the encoder's delay. */
#define MP3_READ_SAMPLES (1152 * 32)
struct mp3_reader;
/* Takes the stream, also on failure. */
err_t mp3_reader_open(struct mp3_reader **ret, FILE *file) MUST;
void mp3_reader_close(struct mp3_reader **r);
/* The next samples, interleaved left and right, at most MP3_READ_SAMPLES frames; *n 0: the end. */
err_t mp3_reader_next(struct mp3_reader *r, int16_t *pcm, size_t *n) MUST;

#endif
