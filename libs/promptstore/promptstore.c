#include "promptstore_internal.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"

err_t promptstore_new(struct promptstore **ret, struct bus *bus, struct err_detail *detail)
{
	struct promptstore *ps = mem_zalloc(sizeof(*ps));

	if (!ps)
		return ERR_EXHAUSTED;
	err_t e =
	    bus_kv_open(&ps->kv, bus, &(struct bus_kv_params){ .bucket = PROMPTSTORE_BUCKET, .history = 1 }, detail);
	if (e)
		promptstore_free(&ps);
	else
		*ret = ps;
	return e;
}

void promptstore_free(struct promptstore **ref)
{
	struct promptstore *ps = *ref;

	if (!ps)
		return;
	for (struct op *op = ps->ops, *next; op; op = next) {
		next = op->next;
		op->ps = NULL;
		op->at = NULL;
		if (!op->outstanding)
			op_free(op);
	}
	if (ps->kv)
		bus_kv_close(&ps->kv);
	mem_free(ps);
	*ref = NULL;
}

static bool is_sha256(const char *s)
{
	return strlen(s) == PROMPTSTORE_HEX - 1 && strspn(s, "0123456789abcdef") == PROMPTSTORE_HEX - 1;
}

err_t op_new(struct op **ret, struct promptstore *ps, const char *tenant, const char *sha256)
{
	if (!str_is_id(tenant) || !is_sha256(sha256))
		return ERR_INVALID;
	struct op *op = mem_zalloc(sizeof(*op));
	if (!op)
		return ERR_EXHAUSTED;
	op->ps = ps;
	(void)str_copy(op->tenant, sizeof(op->tenant), tenant);
	(void)str_copy(op->sha256, sizeof(op->sha256), sha256);
	op->at = &ps->ops;
	op->next = ps->ops;
	if (op->next)
		op->next->at = &op->next;
	ps->ops = op;
	*ret = op;
	return ERR_OK;
}

void op_free(struct op *op)
{
	if (op->at) {
		*op->at = op->next;
		if (op->next)
			op->next->at = op->at;
	}
	mem_free(op->pcm);
	mem_free(op);
}

void op_finish(struct op *op)
{
	struct op last = *op;

	op->pcm = NULL;
	op_free(op);
	if (last.ps && last.done)
		last.done(last.error, last.arg);
	if (last.ps && last.fetched)
		last.fetched(last.error, last.error ? NULL : last.pcm, last.error ? 0 : last.size, last.arg);
	mem_free(last.pcm);
}

const char *op_key(const struct op *op, uint32_t n, char buf[KEY_MAX])
{
	snprintf(buf, KEY_MAX, "%s.%s.%u", op->tenant, op->sha256, n);
	return buf;
}

void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void promptstore_hash(const void *pcm, size_t size, char hex[PROMPTSTORE_HEX])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	/* Fails only without memory; then the result is no hash at all, which nothing matches. */
	if (!EVP_Digest(pcm, size, md, &n, EVP_sha256(), NULL))
		n = 0;
	hex[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", md[i]);
}
