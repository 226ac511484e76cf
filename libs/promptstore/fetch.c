/* Reading: chunk 0 tells the size, the others follow in a window, the whole is checked against its hash. */
#include "promptstore_internal.h"

#include <string.h>
#include "base/mem.h"

err_t promptstore_chunk_parse(struct promptstore_chunk *ret, const void *value, size_t size)
{
	const unsigned char *p = value;

	if (size <= HEADER_BYTES || memcmp(p, "TLP1", 4) != 0)
		return ERR_INVALID;
	struct promptstore_chunk c = { .count = get32(p + 4),
				       .n = get32(p + 8),
				       .total_bytes = get32(p + 12) | (uint64_t)get32(p + 16) << 32,
				       .audio = p + HEADER_BYTES,
				       .audio_size = size - HEADER_BYTES };
	if (c.total_bytes > PROMPTSTORE_MAX_BYTES || c.total_bytes % 2 || c.n >= c.count)
		return ERR_INVALID;
	if (c.count != (c.total_bytes + PROMPTSTORE_CHUNK_BYTES - 1) / PROMPTSTORE_CHUNK_BYTES)
		return ERR_INVALID;
	size_t want =
	    c.n + 1 < c.count ? PROMPTSTORE_CHUNK_BYTES : (size_t)c.total_bytes - (size_t)c.n * PROMPTSTORE_CHUNK_BYTES;
	if (c.audio_size != want)
		return ERR_INVALID;
	*ret = c;
	return ERR_OK;
}

static void advance(struct op *op);

static err_t take(struct op *op, const struct bus_msg *msg)
{
	struct promptstore_chunk c;

	if (promptstore_chunk_parse(&c, msg->data, msg->size))
		return ERR_DATA_LOSS;
	if (!op->pcm) {
		if (c.n != 0)
			return ERR_DATA_LOSS;
		op->pcm = mem_alloc((size_t)c.total_bytes);
		if (!op->pcm)
			return ERR_EXHAUSTED;
		op->size = (size_t)c.total_bytes;
		op->count = c.count;
	}
	if (c.total_bytes != op->size)
		return ERR_DATA_LOSS;
	memcpy(op->pcm + (size_t)c.n * PROMPTSTORE_CHUNK_BYTES, c.audio, c.audio_size);
	return ERR_OK;
}

static void on_chunk(err_t e, const struct bus_msg *msg, void *arg)
{
	struct op *op = arg;

	op->outstanding--;
	if (!op->ps) {
		if (!op->outstanding)
			op_free(op);
		return;
	}
	if (!e && !op->error)
		e = take(op, msg);
	/* Chunk 0 was there: a missing one is damage (or a deletion that runs). */
	if (e == ERR_NOT_FOUND && op->pcm)
		e = ERR_DATA_LOSS;
	if (e && !op->error)
		op->error = e;
	advance(op);
}

static err_t request(struct op *op)
{
	char key[KEY_MAX];

	op->outstanding++;
	err_t e = bus_kv_get(op->ps->kv, op_key(op, op->sent++, key), on_chunk, op);
	op->outstanding -= e ? 1 : 0;
	return e;
}

static void advance(struct op *op)
{
	char hex[PROMPTSTORE_HEX];

	while (!op->error && op->sent < op->count && op->outstanding < WINDOW)
		op->error = request(op);
	if (op->outstanding)
		return;
	if (!op->error) {
		promptstore_hash(op->pcm, op->size, hex);
		if (strcmp(hex, op->sha256) != 0)
			op->error = ERR_DATA_LOSS;
	}
	op_finish(op);
}

err_t promptstore_fetch(struct promptstore *ps, const char *tenant, const char *sha256,
			void (*fn)(err_t e, const void *pcm, size_t size, void *arg), void *arg)
{
	struct op *op;
	err_t e = op_new(&op, ps, tenant, sha256);

	if (e)
		return e;
	op->fetched = fn;
	op->arg = arg;
	op->count = 1;
	e = request(op);
	if (e)
		op_free(op);
	return e;
}
