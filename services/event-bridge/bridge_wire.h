/*
 * bridge_wire: an event of the stream as a Kafka record: topic, key, CloudEvents 1.0 headers in binary mode (Kafka protocol
 * binding 1.0.2), value. Outside bytes: fuzzed by bridge_wire_fuzz.c.
 */
#ifndef EVENT_BRIDGE_WIRE_H
#define EVENT_BRIDGE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "stream/stream.h"

#define BRIDGE_HEADERS	   10
#define BRIDGE_DEAD_LETTER "trunkline.dead-letter.v1"

/* What the configuration says of topics: lists of words with commas. */
struct bridge_topics_wanted {
	const char *domains; /* those with a topic */
	const char *tenants; /* those with topics of their own, too; may be NULL */
	bool json;
};

struct bridge_record {
	char topic[160];
	char own_topic[160]; /* the same goes there; "": the tenant has none */
	char key[300];	   /* "<tenant>:<call or agent id>" */
	const void *value; /* the event's own bytes, or json */
	size_t size;
	int64_t time_ms;
	struct stream_header headers[BRIDGE_HEADERS];
	size_t n_headers;
	char id[160], type[96], source[200], subject[300], time[32], instance[160];
	struct str json;
};

/* One event of the message with that subject. ERR_INVALID with what is wrong in detail: then the record is a dead letter
 * with the original bytes and that reason. The record points into bytes. */
err_t bridge_record_from(struct bridge_record *r, const char *subject, const void *bytes, size_t size,
			 const struct bridge_topics_wanted *wanted, struct err_detail *detail) MUST;
/* The words of a list, one after the other: from *at on the next, of *n bytes; NULL at the end. */
const char *bridge_word(const char **at, size_t *n);
/* "trunkline.<domain>.v1", or of a tenant's own "trunkline.tenant.<tenant>.<domain>.v1". */
#define BRIDGE_TOPIC	 "trunkline.%.*s.v1"
#define BRIDGE_OWN_TOPIC "trunkline.tenant.%.*s.%.*s.v1"
void bridge_record_dead(struct bridge_record *r, const char *subject, const void *bytes, size_t size, int64_t time_ms,
			const struct err_detail *why);
void bridge_record_done(struct bridge_record *r);

#endif
