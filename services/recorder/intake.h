/*
 * intake: from the fact that a recording has stopped to a file that can be played: segment → MP3 → index → RecordingStored →
 * segment deleted → event acknowledged. Any step may fail or the process die: then it is done again, and done again
 * gives the same. Segments without an event (media and call-control died) are found by walking the directory. Loop thread.
 *
 *	struct intake *in;
 *	err_t e = intake_new(&in, recorder, &detail);   // consumes from now on
 */
#ifndef RECORDER_INTAKE_H
#define RECORDER_INTAKE_H

#include "recorder.h"

err_t intake_new(struct intake **ret, struct recorder *r, struct err_detail *detail) MUST;
/* After pool_free() and before db_free(), events_free(): what is under way is forgotten; its events come again. */
void intake_free(struct intake **in);
/* Takes nothing new; the work that is under way goes on. */
void intake_stop(struct intake *in);
size_t intake_jobs(const struct intake *in);

#endif
