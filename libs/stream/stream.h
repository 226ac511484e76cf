/*
 * stream: Kafka producer and consumer (librdkafka) that hand over to the owner's loop.
 *
 * Producer: acks=all, idempotent; the delivery report comes on the loop. Consumer: manual offsets: the owner stores them
 * (in the database transaction of its aggregates) and says where to start on assignment.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "loop/loop.h"

struct stream_header {
	const char *name;
	const char *value;
};

struct stream_producer;
struct stream_producer_params {
	struct loop *loop;
	const char *brokers; /* "127.0.0.1:9092" */
	const char *client_id;
	const char *const *options; /* librdkafka "key=value", NULL-terminated; may be NULL */
	size_t max_queued;	    /* 0: 100,000 */
};
typedef void stream_delivered_fn(err_t e, void *arg);
err_t stream_producer_new(struct stream_producer **ret, const struct stream_producer_params *p,
			  struct err_detail *detail) MUST;
void stream_producer_free(struct stream_producer **p); /* flushes up to 5 s */
/* Without flushing: what is not delivered ends with ERR_CANCELLED (though it may still arrive). */
void stream_producer_drop(struct stream_producer **p);
/* Copies. ERR_EXHAUSTED: queue full, try after deliveries. fn once, on the loop: ERR_OK when all in-sync replicas have it.
 * Messages are tried for ever and stay in order; fn fails only for what can never be written (ERR_INVALID, ERR_DENIED),
 * when the session broke (ERR_ABORTED: make a new producer) or at stream_producer_free (ERR_CANCELLED). */
err_t stream_produce(struct stream_producer *p, const char *topic, const void *key, size_t key_size, const void *value,
		     size_t size, const struct stream_header *headers, size_t n_headers, int64_t time_ms,
		     stream_delivered_fn *fn, void *arg) MUST;
/* All brokers were lost since the last question. They may be back: the producer goes on by itself. */
bool stream_producer_lost(struct stream_producer *p);
/* Creates topics that do not exist; blocking. */
err_t stream_ensure_topics(const char *brokers, const char *const *topics, int partitions, int replication,
			   struct err_detail *detail) MUST;

#define STREAM_OFFSET_UNKNOWN (-2)

struct stream_consumer;
struct stream_record {
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t time_ms;
	const void *key;
	size_t key_size;
	const void *value;
	size_t size;
};
struct stream_consumer_params {
	struct loop *loop;
	const char *brokers;
	const char *group;
	/* Unique in the group and kept through restarts (Kafka's static membership, KIP-345): who comes back under it within the
	 * session time-out (10 s) has its partitions again at once; one that runs still under it is fenced. NULL: none. */
	const char *instance;
	const char *const *topics; /* NULL-terminated */
	const char *const *options;
	size_t batch;	   /* records per callback (0: 1,000) */
	int64_t gather_ms; /* a batch that is not full waits so long for more (0: 200) */
	/* Start offset of a partition just assigned: next offset to read, -1 for the beginning, STREAM_OFFSET_UNKNOWN when it
	 * cannot be said now (asked again each 0.5 s). Called on the consumer's thread; may block (reads the database). */
	int64_t (*start_offset)(const char *topic, int32_t partition, void *arg);
	/* A batch, on the loop; the next one comes after stream_consumer_next(). Valid until then. */
	void (*on_batch)(const struct stream_record *records, size_t n, void *arg);
	void *arg;
};
/* The first batch comes by itself. */
err_t stream_consumer_new(struct stream_consumer **ret, const struct stream_consumer_params *p,
			  struct err_detail *detail) MUST;
void stream_consumer_next(struct stream_consumer *c);
/* Not from within start_offset; a batch on its way is dropped. */
void stream_consumer_free(struct stream_consumer **c);
int64_t stream_consumer_lag(const struct stream_consumer *c); /* records; -1 unknown */

enum stream_consumer_state {
	STREAM_JOINING, /* the group has given no partitions yet, or took them back */
	STREAM_READING, /* partitions are assigned and positioned */
	STREAM_CUT_OFF, /* it was in the group, but no broker answers now */
	STREAM_FENCED,	/* another process runs under our instance; nothing comes any more: only a restart helps */
};
enum stream_consumer_state stream_consumer_state(const struct stream_consumer *c);
int stream_consumer_partitions(const struct stream_consumer *c); /* assigned now */

#endif
