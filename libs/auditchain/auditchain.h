/*
 * auditchain: the hash chain of one tenant's audit, recomputed entry by entry. Pure; any thread.
 *
 * hash(n) = SHA-256( hash(n - 1) | seq | time | actor | action | resource | peer | before | after )
 *   hash(0)            32 zero bytes
 *   seq                8 bytes, big-endian; the first entry is 1, each next one more
 *   time               8 bytes, big-endian, two's complement: microseconds since 1970-01-01 UTC
 *   the other six      each 4 bytes with its length, big-endian, then the bytes (texts in UTF-8); nothing: length 0
 *
 *	struct auditchain c = { 0 };
 *	while (… && !auditchain_add(&c, &entry, hash, sizeof(hash))) …;
 *	auditchain_end(&c, head_seq, head_hash, sizeof(head_hash));
 *	if (auditchain_broken(&c)) … c.bad_seq, c.why.message
 */
#ifndef AUDITCHAIN_AUDITCHAIN_H
#define AUDITCHAIN_AUDITCHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define AUDITCHAIN_HASH 32
#define AUDITCHAIN_HEX	(2 * AUDITCHAIN_HASH + 1)

struct auditchain_bytes {
	const void *data; /* may be NULL when size is 0 */
	size_t size;
};
struct auditchain_entry {
	uint64_t seq;
	int64_t time_us;
	const char *actor, *action, *resource, *peer;
	struct auditchain_bytes before, after; /* empty: there was none */
};

/* What has been read so far; begins as { 0 }. */
struct auditchain {
	uint64_t entries;		     /* that follow each other; also the seq of the last of them */
	unsigned char hash[AUDITCHAIN_HASH]; /* of the last of them */
	uint64_t bad_seq;		     /* first that is not as it was written, or is missing; 0: none */
	struct err_detail why;		     /* for people */
};

/* Appends what is hashed. out->failed: no memory. */
void auditchain_serialise(struct str *out, const unsigned char before[AUDITCHAIN_HASH],
			  const struct auditchain_entry *e);
/* ERR_EXHAUSTED: no memory. */
err_t auditchain_hash(unsigned char ret[AUDITCHAIN_HASH], const unsigned char before[AUDITCHAIN_HASH],
		      const struct auditchain_entry *e) MUST;

/* The next entry, oldest first, with the hash that stands beside it. What does not follow is noted in c, not an error: look
 * at auditchain_broken() and stop then. ERR_EXHAUSTED: no memory, nothing is known of this entry. */
err_t auditchain_add(struct auditchain *c, const struct auditchain_entry *e, const void *hash, size_t hash_size) MUST;
/* After the last entry: is it the one that the head names? Without any entry ever the head is seq 0. */
void auditchain_end(struct auditchain *c, uint64_t head_seq, const void *head_hash, size_t hash_size);
bool auditchain_broken(const struct auditchain *c);

const char *auditchain_to_hex(const unsigned char hash[AUDITCHAIN_HASH], char buf[AUDITCHAIN_HEX]);
/* ERR_INVALID: not 64 hexadecimal digits. */
err_t auditchain_from_hex(const char *text, unsigned char ret[AUDITCHAIN_HASH]) MUST;

#endif
