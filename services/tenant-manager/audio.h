/*
 * audio: any sound file that libsndfile reads becomes what the telephone plays: 8 kHz, 16 bit, mono, little-endian. Pure,
 * any thread; slow for long files.
 */
#ifndef TM_AUDIO_H
#define TM_AUDIO_H

#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

#define AUDIO_RATE 8000

/* Appends the samples to out. ERR_INVALID: no sound file, or one of no length; ERR_EXHAUSTED: the result is larger than
 * max_bytes, or no memory. */
err_t audio_convert(struct str *out, const void *file, size_t size, size_t max_bytes, struct err_detail *detail) MUST;

#endif
