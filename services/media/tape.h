/*
 * tape: takes the packets of recorded legs from the workers' hot path to segment files. A worker copies bytes into its ring
 * and goes on; one thread of low priority drains the rings each 100 ms and writes each file every 400 ms, so that a
 * kill -9 loses less than a second. A full ring or a full disk costs recording, never the call.
 *
 *	tape_new(&tape, tapes, &info, start_us, leg);         // control thread
 *	tape_push(ring, tape, SEGMENT_IN, SEGMENT_PCMA, &packet, now_us);   // the ring's worker
 *	while (!tape_close(ring, tape, now_us)) …             // the ring's worker: later again
 *	→ on_done(leg, &done, error) on the control loop; the tape is gone
 */
#ifndef MEDIA_TAPE_H
#define MEDIA_TAPE_H

#include "loop/loop.h"
#include "recording/segment.h"
#include "rtp/rtp.h"

struct tape;
struct tapes;
struct tape_ring;

struct tapes_params {
	struct loop *control;
	const char *dir;
	unsigned rings;
	size_t ring_bytes; /* a power of two */
	/* On the control loop. on_failed at most once, before on_done. */
	void (*on_done)(void *user, const struct segment_done *done, void *arg);
	void (*on_failed)(void *user, err_t e, void *arg);
	void *arg;
};
err_t tapes_new(struct tapes **ret, const struct tapes_params *p) MUST;
/* After the workers have ended: closes what is open; no callback after it. */
void tapes_free(struct tapes **t);
struct tape_ring *tapes_ring(struct tapes *t, unsigned i);

err_t tape_new(struct tape **ret, struct tapes *t, const struct segment_info *info, int64_t start_us, void *user) MUST;
/* A tape that no worker has seen. */
void tape_drop(struct tape **tape);
/* False: the ring is full. */
bool tape_push(struct tape_ring *r, struct tape *tape, enum segment_kind kind, enum segment_codec codec,
	       const struct rtp_packet *p, int64_t now_us);
bool tape_close(struct tape_ring *r, struct tape *tape, int64_t now_us);

#endif
