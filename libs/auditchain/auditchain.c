#include "auditchain.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what is hashed ---- */

static void append_number(struct str *out, uint64_t v, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--)
		str_append_c(out, (char)(v >> (8 * i) & 0xff));
}

/* The length before the bytes: "ab" beside "c" must not be "a" beside "bc". */
static void append_part(struct str *out, const void *data, size_t size)
{
	append_number(out, size, 4);
	if (size)
		str_append_n(out, data, size);
}

static void append_text(struct str *out, const char *text)
{
	append_part(out, text, text ? strlen(text) : 0);
}

void auditchain_serialise(struct str *out, const unsigned char before[AUDITCHAIN_HASH],
			  const struct auditchain_entry *e)
{
	str_append_n(out, before, AUDITCHAIN_HASH);
	append_number(out, e->seq, 8);
	append_number(out, (uint64_t)e->time_us, 8);
	append_text(out, e->actor);
	append_text(out, e->action);
	append_text(out, e->resource);
	append_text(out, e->peer);
	append_part(out, e->before.data, e->before.size);
	append_part(out, e->after.data, e->after.size);
}

err_t auditchain_hash(unsigned char ret[AUDITCHAIN_HASH], const unsigned char before[AUDITCHAIN_HASH],
		      const struct auditchain_entry *e)
{
	struct str s = STR_INIT;

	auditchain_serialise(&s, before, e);
	bool ok = !s.failed && EVP_Digest(s.data, s.len, ret, NULL, EVP_sha256(), NULL);
	str_done(&s);
	return ok ? ERR_OK : ERR_EXHAUSTED;
}

/* ---- the chain ---- */

static void PRINTF(3, 4) broken(struct auditchain *c, uint64_t seq, const char *fmt, ...)
{
	va_list ap;

	c->bad_seq = seq;
	va_start(ap, fmt);
	(void)err_vset(&c->why, ERR_DATA_LOSS, "", fmt, ap);
	va_end(ap);
}

bool auditchain_broken(const struct auditchain *c)
{
	return c->bad_seq != 0;
}

err_t auditchain_add(struct auditchain *c, const struct auditchain_entry *e, const void *hash, size_t hash_size)
{
	unsigned char right[AUDITCHAIN_HASH];
	uint64_t next = c->entries + 1;

	if (auditchain_broken(c))
		return ERR_OK;
	if (e->seq != next) {
		broken(c, next, "entry %" PRIu64 " is missing: entry %" PRIu64 " stands in its place", next, e->seq);
		return ERR_OK;
	}
	err_t err = auditchain_hash(right, c->hash, e);
	if (err)
		return err;
	if (hash_size != AUDITCHAIN_HASH || memcmp(hash, right, AUDITCHAIN_HASH) != 0) {
		broken(c, next,
		       "entry %" PRIu64 " is not what was written: its hash does not follow from it and the "
		       "entry before",
		       next);
		return ERR_OK;
	}
	c->entries = next;
	memcpy(c->hash, right, AUDITCHAIN_HASH);
	return ERR_OK;
}

void auditchain_end(struct auditchain *c, uint64_t head_seq, const void *head_hash, size_t hash_size)
{
	uint64_t last = c->entries;

	if (auditchain_broken(c))
		return;
	if (head_seq > last)
		broken(c, last + 1, "the newest entries are missing: the head says %" PRIu64 ", the last is %" PRIu64,
		       head_seq, last);
	else if (head_seq < last)
		broken(c, head_seq + 1, "entry %" PRIu64 " stands behind the head, which says %" PRIu64, head_seq + 1,
		       head_seq);
	else if (last && (hash_size != AUDITCHAIN_HASH || memcmp(head_hash, c->hash, AUDITCHAIN_HASH) != 0))
		broken(c, last, "the head has another hash than entry %" PRIu64 ", the last", last);
}

/* ---- hexadecimal ---- */

const char *auditchain_to_hex(const unsigned char hash[AUDITCHAIN_HASH], char buf[AUDITCHAIN_HEX])
{
	for (size_t i = 0; i < AUDITCHAIN_HASH; i++)
		snprintf(buf + 2 * i, 3, "%02x", hash[i]);
	return buf;
}

static int digit(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) % 16 : -1;
}

err_t auditchain_from_hex(const char *text, unsigned char ret[AUDITCHAIN_HASH])
{
	if (strlen(text) != AUDITCHAIN_HEX - 1)
		return ERR_INVALID;
	for (size_t i = 0; i < AUDITCHAIN_HASH; i++) {
		int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVALID;
		ret[i] = (unsigned char)(high << 4 | low);
	}
	return ERR_OK;
}
