/* Writing and deleting: chunks 1 … count-1 in a window, then chunk 0, which makes it visible (deleting: 0 first). */
#include "promptstore_internal.h"

#include <string.h>
#include "base/mem.h"
#include "base/str.h"

static void advance_put(struct op *op);

static void on_put(err_t e, uint64_t seq, void *arg)
{
	struct op *op = arg;

	(void)seq;
	op->outstanding--;
	if (e && !op->error)
		op->error = e;
	if (op->ps)
		advance_put(op);
	else if (!op->outstanding)
		op_free(op);
}

static err_t put_chunk(struct op *op, uint32_t n)
{
	size_t at = (size_t)n * PROMPTSTORE_CHUNK_BYTES;
	size_t size = op->size - at < PROMPTSTORE_CHUNK_BYTES ? op->size - at : PROMPTSTORE_CHUNK_BYTES;
	unsigned char *value = mem_alloc(HEADER_BYTES + size);
	char key[KEY_MAX];

	if (!value)
		return ERR_EXHAUSTED;
	memcpy(value, "TLP1", 4);
	put32(value + 4, op->count);
	put32(value + 8, n);
	put32(value + 12, (uint32_t)op->size);
	put32(value + 16, 0);
	memcpy(value + HEADER_BYTES, op->pcm + at, size);
	err_t e = bus_kv_put(op->ps->kv, op_key(op, n, key), value, HEADER_BYTES + size, BUS_KV_ANY, on_put, op);
	mem_free(value);
	return e;
}

static void advance_put(struct op *op)
{
	while (!op->error && op->sent < op->count && op->outstanding < WINDOW) {
		uint32_t n = (op->sent + 1) % op->count; /* 1, 2, … count-1, 0 */

		if (n == 0 && op->outstanding)
			return;
		op->outstanding++;
		op->sent++;
		err_t e = put_chunk(op, n);
		if (e) {
			op->outstanding--;
			op->error = e;
		}
	}
	if (!op->outstanding)
		op_finish(op);
}

static uint32_t count_chunks(size_t size)
{
	return (uint32_t)((size + PROMPTSTORE_CHUNK_BYTES - 1) / PROMPTSTORE_CHUNK_BYTES);
}

err_t promptstore_put(struct promptstore *ps, const char *tenant, const void *pcm, size_t size,
		      void (*fn)(err_t e, void *arg), void *arg)
{
	char hex[PROMPTSTORE_HEX];
	struct op *op;

	if (!size || size % 2)
		return ERR_INVALID;
	if (size > PROMPTSTORE_MAX_BYTES)
		return ERR_EXHAUSTED;
	promptstore_hash(pcm, size, hex);
	err_t e = op_new(&op, ps, tenant, hex);
	if (e)
		return e;
	op->pcm = mem_dup(pcm, size);
	if (!op->pcm) {
		op_free(op);
		return ERR_EXHAUSTED;
	}
	op->size = size;
	op->count = count_chunks(size);
	/* The callback must not come before this returns: so the first requests go out, and if all of them fail it is told here. */
	while (op->sent < op->count - 1 && op->outstanding < WINDOW && !op->error) {
		op->outstanding++;
		op->error = put_chunk(op, ++op->sent);
		op->outstanding -= op->error ? 1 : 0;
	}
	if (op->count == 1) {
		op->sent = op->outstanding = 1;
		op->error = put_chunk(op, 0);
		op->outstanding -= op->error ? 1 : 0;
	}
	if (!op->outstanding) {
		e = op->error;
		op_free(op);
		return e;
	}
	op->done = fn;
	op->arg = arg;
	return ERR_OK;
}

/* ---- delete ---- */

static void advance_delete(struct op *op);

static void on_deleted(err_t e, uint64_t seq, void *arg)
{
	struct op *op = arg;

	(void)seq;
	op->outstanding--;
	if (e && !op->error)
		op->error = e;
	if (op->ps)
		advance_delete(op);
	else if (!op->outstanding)
		op_free(op);
}

static void advance_delete(struct op *op)
{
	char key[KEY_MAX];

	while (!op->error && op->sent < op->count && op->outstanding < WINDOW) {
		op->outstanding++;
		err_t e = bus_kv_delete(op->ps->kv, op_key(op, op->sent++, key), BUS_KV_ANY, on_deleted, op);
		if (e) {
			op->outstanding--;
			op->error = e;
		}
	}
	if (!op->outstanding)
		op_finish(op);
}

/* Chunk 0 says how many there are. */
static void on_first(err_t e, const struct bus_msg *msg, void *arg)
{
	struct op *op = arg;
	struct promptstore_chunk c;

	op->outstanding--;
	if (!op->ps) {
		op_free(op);
		return;
	}
	if (!e)
		e = promptstore_chunk_parse(&c, msg->data, msg->size);
	if (!e)
		op->count = c.count;
	else if (e != ERR_NOT_FOUND)
		op->error = e;
	advance_delete(op);
}

err_t promptstore_delete(struct promptstore *ps, const char *tenant, const char *sha256, void (*fn)(err_t e, void *arg),
			 void *arg)
{
	char key[KEY_MAX];
	struct op *op;
	err_t e = op_new(&op, ps, tenant, sha256);

	if (e)
		return e;
	op->done = fn;
	op->arg = arg;
	op->outstanding = 1;
	e = bus_kv_get(ps->kv, op_key(op, 0, key), on_first, op);
	if (e)
		op_free(op);
	return e;
}
