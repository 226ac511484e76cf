/*
 * nonce: server nonces of digest authentication without a database: issue time and randomness signed by HMAC-SHA-256
 * with a key of the process, and a bounded memory of nonce counts against replay. One loop, time as an argument.
 *
 * A nonce is good for NONCE_LIFE_MS and for each nc once, growing. When the memory is full the oldest is forgotten and
 * every nonce not newer than it becomes stale: a replay never passes, a phone at worst is challenged once more.
 */
#ifndef SIP_NONCE_H
#define SIP_NONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define NONCE_TEXT    65
#define NONCE_LIFE_MS 300000
#define NONCE_KEY     32

enum nonce_verdict { NONCE_OK, NONCE_STALE, NONCE_BAD /* never issued here */ };

struct nonces;

/* key NULL: random (nonces of an earlier life of the process are then BAD, which phones take as a new challenge). */
err_t nonces_new(struct nonces **ret, const unsigned char key[NONCE_KEY], size_t max_used) MUST;
void nonces_free(struct nonces **n);
void nonce_issue(struct nonces *n, int64_t now_ms, char ret[NONCE_TEXT]);
/* Call only after the response proved right with NONCE_OK from nonce_peek, so that nobody can use up another's nonce. */
enum nonce_verdict nonce_use(struct nonces *n, const char *nonce, uint32_t nc, int64_t now_ms);
/* The same question without using up the nc. */
enum nonce_verdict nonce_peek(const struct nonces *n, const char *nonce, uint32_t nc, int64_t now_ms);

#endif
