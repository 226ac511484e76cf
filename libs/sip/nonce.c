#include "sip/nonce.h"
#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

/* Text: 16 hex digits of issue time, 16 of randomness, 32 of the signature. */
#define TIME_DIGITS 16
#define BODY_DIGITS 32

struct used {
	uint64_t random; /* 0: free */
	int64_t issued_ms;
	uint32_t last_nc;
	uint32_t next; /* in its bucket, index + 1 */
};

struct nonces {
	unsigned char key[NONCE_KEY];
	size_t max, n_buckets, oldest, count;
	int64_t forgotten_ms; /* nonces issued up to here are stale unless remembered */
	uint32_t *buckets;
	struct used *ring;
};

err_t nonces_new(struct nonces **ret, const unsigned char key[NONCE_KEY], size_t max_used)
{
	struct nonces *n = mem_zalloc(sizeof(*n));

	if (!n)
		return ERR_EXHAUSTED;
	n->max = max_used ? max_used : 1;
	n->n_buckets = 1;
	while (n->n_buckets < n->max)
		n->n_buckets *= 2;
	n->forgotten_ms = INT64_MIN;
	n->ring = mem_array(n->max, sizeof(*n->ring));
	n->buckets = mem_array(n->n_buckets, sizeof(*n->buckets));
	if (key)
		memcpy(n->key, key, NONCE_KEY);
	if (!n->ring || !n->buckets || (!key && RAND_bytes(n->key, NONCE_KEY) != 1)) {
		nonces_free(&n);
		return ERR_EXHAUSTED;
	}
	*ret = n;
	return ERR_OK;
}

void nonces_free(struct nonces **ref)
{
	struct nonces *n = *ref;

	if (!n)
		return;
	mem_free(n->ring);
	mem_free(n->buckets);
	OPENSSL_cleanse(n->key, sizeof(n->key));
	mem_free(n);
	*ref = NULL;
}

static void sign(const struct nonces *n, const char *body, char ret[NONCE_TEXT - BODY_DIGITS])
{
	unsigned char mac[EVP_MAX_MD_SIZE] = { 0 };
	unsigned len = 0;

	HMAC(EVP_sha256(), n->key, NONCE_KEY, (const unsigned char *)body, BODY_DIGITS, mac, &len);
	for (int i = 0; i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", mac[i]);
}

void nonce_issue(struct nonces *n, int64_t now_ms, char ret[NONCE_TEXT])
{
	uint64_t random = 0;

	/* Zero marks a free place; a failing generator (never seen) leaves a nonce that is signed but not unique. */
	if (RAND_bytes((unsigned char *)&random, sizeof(random)) != 1 || random == 0)
		random = 1;
	snprintf(ret, NONCE_TEXT, "%016" PRIx64 "%016" PRIx64, (uint64_t)now_ms, random);
	sign(n, ret, ret + BODY_DIGITS);
}

static bool hex16(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (int i = 0; i < TIME_DIGITS; i++) {
		char c = s[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		v = v << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*ret = v;
	return true;
}

static struct used *find(const struct nonces *n, uint64_t random)
{
	uint32_t i = n->buckets[random & (n->n_buckets - 1)];

	while (i && n->ring[i - 1].random != random)
		i = n->ring[i - 1].next;
	return i ? &n->ring[i - 1] : NULL;
}

static enum nonce_verdict look(const struct nonces *n, const char *nonce, uint32_t nc, int64_t now_ms, uint64_t *random,
			       int64_t *issued_ms)
{
	char signature[NONCE_TEXT - BODY_DIGITS];
	const struct used *u;
	uint64_t time;

	if (strlen(nonce) != NONCE_TEXT - 1 || !hex16(nonce, &time) || !hex16(nonce + TIME_DIGITS, random))
		return NONCE_BAD;
	sign(n, nonce, signature);
	if (!str_eq_secret(signature, nonce + BODY_DIGITS))
		return NONCE_BAD;
	*issued_ms = (int64_t)time;
	if (now_ms - *issued_ms > NONCE_LIFE_MS)
		return NONCE_STALE;
	u = find(n, *random);
	if (u)
		return nc > u->last_nc ? NONCE_OK : NONCE_STALE;
	return *issued_ms > n->forgotten_ms ? NONCE_OK : NONCE_STALE;
}

enum nonce_verdict nonce_peek(const struct nonces *n, const char *nonce, uint32_t nc, int64_t now_ms)
{
	uint64_t random;
	int64_t issued_ms;

	return look(n, nonce, nc, now_ms, &random, &issued_ms);
}

static void forget_oldest(struct nonces *n)
{
	struct used *u = &n->ring[n->oldest];
	uint32_t *at = &n->buckets[u->random & (n->n_buckets - 1)];

	while (*at != n->oldest + 1)
		at = &n->ring[*at - 1].next;
	*at = u->next;
	if (u->issued_ms > n->forgotten_ms)
		n->forgotten_ms = u->issued_ms;
	u->random = 0;
	n->oldest = (n->oldest + 1) % n->max;
	n->count--;
}

static void remember(struct nonces *n, uint64_t random, int64_t issued_ms, uint32_t nc)
{
	size_t at;
	uint32_t *bucket;

	if (n->count == n->max)
		forget_oldest(n);
	at = (n->oldest + n->count++) % n->max;
	bucket = &n->buckets[random & (n->n_buckets - 1)];
	n->ring[at] = (struct used){ random, issued_ms, nc, *bucket };
	*bucket = (uint32_t)at + 1;
}

enum nonce_verdict nonce_use(struct nonces *n, const char *nonce, uint32_t nc, int64_t now_ms)
{
	uint64_t random = 0;
	int64_t issued_ms = 0;
	enum nonce_verdict v = look(n, nonce, nc, now_ms, &random, &issued_ms);
	struct used *u;

	if (v != NONCE_OK)
		return v;
	u = find(n, random);
	if (u)
		u->last_nc = nc;
	else
		remember(n, random, issued_ms, nc);
	return NONCE_OK;
}
