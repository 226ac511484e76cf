/*
 * missing: how long a recording whose segment is not there is left alone before it is looked for again. Pure.
 *
 * The segment may be a moment late, or its host may be away for minutes; and all that wait are looked for beside the new
 * recordings, by the same few slots. So: the longer it has been missing the more seldom, and all together at most
 * MISSING_A_SECOND times a second.
 */
#ifndef RECORDER_MISSING_H
#define RECORDER_MISSING_H

#include <stdint.h>

#define MISSING_A_SECOND 100

/* age_ms: since the recording stopped; lost_ms: after which it counts as lost; waiting: events not yet dealt with, ours among
 * them, -1 unknown. At least 1 s. */
int64_t missing_wait_ms(int64_t age_ms, int64_t lost_ms, int64_t waiting);

/* How long a recording is left alone whose tenant has its share of the places: half a second more with each delivery of its event, a minute
 * at most, so that a backlog of hours is not looked through all the time; spread by half of it around that by the event's number, so that
 * those which came together do not come together again. */
int64_t behind_wait_ms(unsigned deliveries, uint64_t seq);

#endif
