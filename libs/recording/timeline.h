/*
 * timeline: frames of a segment back to two channels of samples in step (left IN, right OUT). Pure but for its memory; one
 * thread.
 *
 * A stream of packets is placed by its RTP timestamps from where its first packet arrived; when arrival and timestamps
 * drift apart by more than a second (a pause, another source) it is placed anew. What is missing is silence, what comes
 * twice or late overwrites its own place, what comes more than two seconds late is dropped. Memory does not grow with
 * the length of the recording.
 *
 *	struct timeline *t;
 *	err_t e = timeline_new(&t, sink, arg);
 *	while (segment_reader_next(r, &f) && !e)
 *		e = timeline_frame(t, &f);
 *	e = timeline_finish(t);             // pads to the end; timeline_samples(t) / 8 is the duration in ms
 */
#ifndef RECORDING_TIMELINE_H
#define RECORDING_TIMELINE_H

#include "recording/segment.h"

struct timeline;
/* n samples of each channel at 8 kHz, in order, without gaps. An error ends the work and is returned to the caller. */
typedef err_t timeline_sink_fn(const int16_t *left, const int16_t *right, size_t n, void *arg);

err_t timeline_new(struct timeline **ret, timeline_sink_fn *sink, void *arg) MUST;
void timeline_free(struct timeline **t);
/* ERR_DATA_LOSS: a time beyond 24 h. */
err_t timeline_frame(struct timeline *t, const struct segment_frame *f) MUST;
err_t timeline_finish(struct timeline *t) MUST;
uint64_t timeline_samples(const struct timeline *t);
uint64_t timeline_dropped(const struct timeline *t); /* packets too late for their place */

#endif
