/*
 * segment: append-only file of one recording: both directions of one leg as they went over the wire.
 *
 * Layout, little-endian: header (magic "TLKSEG1\n", u32 crc32c of the rest, u16 length of the rest, i64 start, four strings
 * with a length byte), then frames (u32 crc32c of the rest, u16 payload length, u8 kind, u8 codec, u64 arrival µs since
 * start, u32 RTP timestamp, u16 sequence, u16 zero, payload). A torn or damaged tail fails its check and is cut.
 * Writers and readers are not thread-safe.
 *
 *	struct segment_writer *w;
 *	err_t e = segment_writer_open(&w, dir, &info, wall_ms, mono_us);
 *	e = segment_writer_frame(w, &frame, mono_us);    // into memory
 *	e = segment_writer_flush(w);                     // into the file: survives kill -9
 *	e = segment_writer_close(&w, mono_us, &done);
 */
#ifndef RECORDING_SEGMENT_H
#define RECORDING_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define SEGMENT_NAME	    64
#define SEGMENT_PATH	    512
#define SEGMENT_PAYLOAD_MAX 1500
#define SEGMENT_FRAME	    24 /* bytes before the payload */

enum segment_kind {
	SEGMENT_IN,
	SEGMENT_OUT,
	SEGMENT_END /* properly closed */,
	SEGMENT_RESUMED /* another writer goes on */
};
enum segment_codec { SEGMENT_PCMA, SEGMENT_PCMU };

struct segment_info {
	char tenant[SEGMENT_NAME], call_id[SEGMENT_NAME], leg_id[SEGMENT_NAME], recording_id[SEGMENT_NAME];
	int64_t start_ms; /* wall */
};

struct segment_frame {
	enum segment_kind kind;
	enum segment_codec codec;
	uint16_t seq;
	uint32_t ts;
	uint64_t arrival_us; /* since the start of the file */
	const uint8_t *payload;
	uint16_t size;
};

/* "acme/0190….seg", relative to the recordings directory; ERR_INVALID unless both are [A-Za-z0-9_-]{1,63}. */
err_t segment_path(char buf[SEGMENT_PATH], const char *tenant, const char *recording_id) MUST;

/* ---- writing ---- */
struct segment_writer;
struct segment_done {
	int64_t duration_ms;
	uint64_t size_bytes;
};
/* Creates <dir>/<tenant>/<recording_id>.seg with its directories, or goes on with an existing one of the same recording.
 * info->start_ms is the wall time now. ERR_EXISTS: somebody writes it; ERR_EXHAUSTED, ERR_DENIED …: the file system. */
err_t segment_writer_open(struct segment_writer **ret, const char *dir, const struct segment_info *info,
			  int64_t mono_us) MUST;
/* f->arrival_us is ignored: mono_us counts. Buffers; writes when 16 KiB are full. After a failed write everything is
 * dropped and every call returns the error, so the file ends with a whole frame or a torn one that the reader cuts. */
err_t segment_writer_frame(struct segment_writer *w, const struct segment_frame *f, int64_t mono_us) MUST;
err_t segment_writer_flush(struct segment_writer *w) MUST;
/* Ends the file and frees the writer, also on failure; done (may be NULL) is filled in any case. */
err_t segment_writer_close(struct segment_writer **w, int64_t mono_us, struct segment_done *done) MUST;
/* Like a crash: what was not flushed is lost. */
void segment_writer_free(struct segment_writer **w);

/* ---- reading ---- */
struct segment_reader;
/* ERR_NOT_FOUND; ERR_DATA_LOSS: not a segment file, or its header is torn. The payload of a frame lives until the next. */
err_t segment_reader_open(struct segment_reader **ret, const char *path) MUST;
void segment_reader_close(struct segment_reader **r);
const struct segment_info *segment_reader_info(const struct segment_reader *r);
/* False at the end: see the next two. */
bool segment_reader_next(struct segment_reader *r, struct segment_frame *ret);
bool segment_reader_ended(const struct segment_reader *r);	/* an END frame was the last */
uint64_t segment_reader_offset(const struct segment_reader *r); /* bytes up to the end of the last good frame */
/* Is a writer (or somebody who has locked it) alive? False also if the file is gone. */
bool segment_is_written(const char *path);
/* Keeps writers and others who lock out until the process ends or *fd is closed. ERR_EXISTS: somebody is at it. */
err_t segment_lock(int *fd, const char *path) MUST;

#endif
