/*
 * encode: one segment file → stereo and mono MP3 in their place, encrypted or not. Blocking; any thread.
 *
 * Both files are written beside their final names and renamed when they are whole, so whoever finds a file finds all of
 * it; doing it again gives the same. The segment stays: who deletes it has recorded the result first.
 */
#ifndef RECORDER_ENCODE_H
#define RECORDER_ENCODE_H

#include <stdbool.h>
#include "audiofile.h"
#include "recording/segment.h"

#define ENCODE_PATH AUDIOFILE_PATH

struct encode_params {
	const char *dir;
	const char *tenant, *recording_id;
	unsigned stereo_kbps, mono_kbps;
	const struct audiofile_key *key; /* NULL: the files stay in clear */
};
struct encode_result {
	struct segment_info info;
	bool complete;		/* the file was ended properly */
	uint64_t samples;	/* at 8 kHz */
	uint64_t dropped;	/* packets that came too late for their place */
	char path[ENCODE_PATH]; /* below dir, without .mp3 and .mono.mp3 */
	uint64_t stereo_bytes, mono_bytes;
	/* ERR_OK: the segment is still locked, the caller's to close when the index knows the files; so no other recorder makes them
	 * anew meanwhile, under another key. Else -1. */
	int lock;
};

/* ERR_NOT_FOUND: no segment; ERR_EXISTS: it is being written, or made by another; ERR_DATA_LOSS: it is none
 * (renamed to .seg.bad); else the file system. */
err_t encode_segment(const struct encode_params *p, struct encode_result *ret) MUST;

/* "acme/2026/11/23/<id>", below the recordings directory. */
void encode_path(char buf[ENCODE_PATH], const char *tenant, const char *recording_id, int64_t started_ms);

#endif
