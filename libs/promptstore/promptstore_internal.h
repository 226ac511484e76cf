/*
 * promptstore_internal: the store and its running operations. An operation lives until its last outstanding request has
 * been answered; when the store goes first it is orphaned (ps NULL) and only waits for that.
 */
#ifndef PROMPTSTORE_INTERNAL_H
#define PROMPTSTORE_INTERNAL_H

#include <stdbool.h>
#include "promptstore/promptstore.h"

#define HEADER_BYTES 20
#define WINDOW	     8 /* requests out at a time, of one operation */
#define CHUNKS_MAX   (PROMPTSTORE_MAX_BYTES / PROMPTSTORE_CHUNK_BYTES)
#define KEY_MAX	     160

struct op {
	struct op *next, **at;	/* in ps->ops */
	struct promptstore *ps; /* NULL: orphaned */
	unsigned outstanding;
	err_t error;	/* the first one */
	uint32_t count; /* chunks */
	uint32_t sent;	/* requests made so far */
	char tenant[64], sha256[PROMPTSTORE_HEX];
	unsigned char *pcm;
	size_t size;
	void (*done)(err_t e, void *arg);
	void (*fetched)(err_t e, const void *pcm, size_t size, void *arg);
	void *arg;
};
struct promptstore {
	struct bus_kv *kv;
	struct op *ops;
};

err_t op_new(struct op **ret, struct promptstore *ps, const char *tenant, const char *sha256) MUST;
void op_free(struct op *op);
/* Frees it and tells the result. */
void op_finish(struct op *op);
const char *op_key(const struct op *op, uint32_t n, char buf[KEY_MAX]);
void put32(unsigned char *p, uint32_t v);
uint32_t get32(const unsigned char *p);

#endif
