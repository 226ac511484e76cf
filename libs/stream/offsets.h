/*
 * offsets: whether a consumer's records come without a hole. Pure; the fetching thread's. Kafka numbers the records of a partition
 * without gaps unless some have left it (retention, transactions); librdkafka 2.0.2 has been seen to keep records back.
 */
#ifndef STREAM_OFFSETS_H
#define STREAM_OFFSETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct offsets_partition {
	char topic[128];
	int32_t number;
	int64_t expected; /* the next one */
	int64_t gap_at;	  /* came instead of it last; -1: nothing */
	bool skipping;	  /* the rest of this batch comes again */
};
struct offsets {
	struct offsets_partition *list;
	size_t n, cap;
};

enum offsets_verdict {
	OFFSETS_TAKE,
	OFFSETS_GAP,  /* ask again from expected on; twice the same gap is one of the partition's own */
	OFFSETS_SKIP, /* behind a gap in the same batch */
};

void offsets_done(struct offsets *o);
/* Partitions are assigned anew: whatever comes first is right. */
void offsets_reset(struct offsets *o);
void offsets_begin_batch(struct offsets *o);
enum offsets_verdict offsets_see(struct offsets *o, const char *topic, int32_t partition, int64_t offset);
/* -1: nothing has come of it yet. */
int64_t offsets_expected(const struct offsets *o, const char *topic, int32_t partition);

#endif
