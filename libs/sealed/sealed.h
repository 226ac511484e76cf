/*
 * sealed: single texts of a tenant encrypted for a column of a database (GT-16), and found again without being opened. Pure but for
 * random numbers and sealed_master_read(); any thread: keys do not change once they have been added.
 *
 * An envelope is text, so that it stands in the column of the text itself, and a version of a service that does not know it takes no harm:
 *
 *	sealed:VERSION:INDEX:PAYLOAD     VERSION of the tenant's key, decimal; INDEX blind index in base64, empty for a column
 *	                                 that nobody looks up; PAYLOAD base64 of nonce (12), AES-256-GCM ciphertext, tag (16)
 *
 * The tag covers tenant, version, column ("table.column") and row: an envelope of another tenant, column or row does not open.
 * INDEX is HMAC-SHA-256 of the normalised text, cut to 128 bits. It shows which rows of a column are equal, and nothing to who lacks the
 * key; so a column of few possible values (keyed digits) has none.
 *
 * Keys: a tenant has one key of 32 random bytes a version; what is used is derived from it by HKDF-SHA-256 (RFC 5869), label
 * "trunkline/seal/COLUMN" and "trunkline/index/COLUMN": another purpose takes another label. Where it is kept and travels it is wrapped by the
 * platform's master key (AES-256-GCM, bound to tenant and version); destroying the wrapped key makes every envelope unreadable.
 *
 *	struct sealed_keys *k;
 *	err_t e = sealed_keys_new(&k, "acme", columns, 2);
 *	e = sealed_keys_add(k, 1, key);
 *	e = sealed_seal(k, CALLER, call_id, text, strlen(text), &out);   // appends "sealed:1:…:…"
 *	e = sealed_open(k, CALLER, call_id, str_text(&out), &clear);
 */
#ifndef SEALED_SEALED_H
#define SEALED_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

#define SEALED_MARK	    "sealed:"
#define SEALED_KEY	    32 /* bytes, of tenants and of the platform */
#define SEALED_WRAPPED	    60 /* nonce, key, tag */
#define SEALED_TEXT_MAX	    1024
#define SEALED_VERSIONS_MAX 4  /* of a tenant's key at the same time */
#define SEALED_PREFIX	    48 /* "sealed:4294967295:" and 24 of base64 and ':' and NUL */

struct sealed_column {
	const char *name; /* "rec.recording.caller": never changed, or nothing opens any more */
	bool looked_up;	  /* has a blind index */
};

struct sealed_keys;
/* At most 4 columns, which are copied; their names live as long as the keys. */
err_t sealed_keys_new(struct sealed_keys **ret, const char *tenant, const struct sealed_column *columns,
		      size_t n_columns) MUST;
void sealed_keys_free(struct sealed_keys **k);
/* The highest version seals. ERR_EXISTS: it is there; ERR_RANGE: version 0, or more than SEALED_VERSIONS_MAX. */
err_t sealed_keys_add(struct sealed_keys *k, uint32_t version, const uint8_t key[SEALED_KEY]) MUST;

/* The one that seals; 0: no key was added. */
uint32_t sealed_newest(const struct sealed_keys *k);
/* Appends the envelope. ERR_INVALID: longer than SEALED_TEXT_MAX; ERR_PRECONDITION: no key was added. */
err_t sealed_seal(const struct sealed_keys *k, size_t column, const char *row, const char *text, size_t n,
		  struct str *out) MUST;
/* Appends the text. ERR_INVALID: no envelope; ERR_NOT_FOUND: no key of its version; ERR_DATA_LOSS: of another tenant, column, row
 * or key, or changed. */
err_t sealed_open(const struct sealed_keys *k, size_t column, const char *row, const char *envelope,
		  struct str *out) MUST;
/* What the envelopes of an equal text begin with, one for each version; at most SEALED_VERSIONS_MAX. *ret_n 0: no key, or the column has no
 * index. */
err_t sealed_find(const struct sealed_keys *k, size_t column, const char *text, char prefix[][SEALED_PREFIX],
		  size_t *ret_n) MUST;

/* Begins like an envelope: no text that comes from outside may stand in a column of envelopes then. */
bool sealed_is(const char *text, size_t n);

/* The parts of an envelope, within its text. ERR_INVALID: it is none. */
struct sealed_parts {
	uint32_t version;
	const char *index, *payload;
	size_t index_size, payload_size; /* of base64 */
};
err_t sealed_parse(struct sealed_parts *ret, const char *envelope, size_t n) MUST;

/* As equal texts are found: a telephone number without '+', spaces and "-().", else ASCII letters in lower case. out: n + 1 bytes. */
void sealed_normalise(const char *text, size_t n, char *out);

/* ---- the tenant's key under the platform's ---- */
err_t sealed_key_make(uint8_t ret[SEALED_KEY]) MUST;
err_t sealed_wrap(const uint8_t master[SEALED_KEY], const char *tenant, uint32_t version, const uint8_t key[SEALED_KEY],
		  uint8_t ret[SEALED_WRAPPED]) MUST;
/* ERR_DATA_LOSS: another master key, tenant or version, or changed. */
err_t sealed_unwrap(const uint8_t master[SEALED_KEY], const char *tenant, uint32_t version, const uint8_t *wrapped,
		    size_t size, uint8_t ret[SEALED_KEY]) MUST;
/* A file of 64 hex digits that nobody but its owner and group may read; detail.field is `field`. */
err_t sealed_master_read(uint8_t ret[SEALED_KEY], const char *file, const char *field, struct err_detail *detail) MUST;

#endif
