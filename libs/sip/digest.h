/*
 * digest: HTTP digest authentication for SIP: RFC 2617/7616/8760, algorithms MD5 and SHA-256, qop "auth". Pure.
 *
 * Secrets never are passwords but HA1 = H(user:realm:password), as they stand in the tenant's configuration. Checking
 * takes the same time for a wrong response and for a user who does not exist (ha1 NULL): no enumeration.
 *
 *	struct digest_params p;
 *	err_t e = digest_parse(&p, au->au_params);         // of Authorization
 *	if (!e && nonce_check(…, p.nonce, p.nc_value, now_ms) == NONCE_OK && digest_verify(&p, ha1, "REGISTER")) …
 */
#ifndef SIP_DIGEST_H
#define SIP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"

enum digest_algorithm { DIGEST_MD5, DIGEST_SHA256 };
#define DIGEST_HEX   65 /* longest hex text with its NUL */
#define DIGEST_VALUE 256

/* Parameters of a Digest credential or challenge; absent ones are "". */
struct digest_params {
	char username[DIGEST_VALUE], realm[DIGEST_VALUE], nonce[DIGEST_VALUE], uri[DIGEST_VALUE], cnonce[DIGEST_VALUE];
	char opaque[DIGEST_VALUE];
	char response[DIGEST_HEX], qop[64], nc[16], stale[16];
	enum digest_algorithm algorithm;
	uint32_t nc_value;
};

/* params: NULL-terminated "name=value" with quoted or bare values, as a parser of Authorization leaves them.
 * ERR_INVALID: a parameter twice, unbalanced quotes, control characters, too long, bad nc; ERR_UNIMPLEMENTED: an
 * algorithm that is not ours. Unknown parameters are ignored. */
err_t digest_parse(struct digest_params *ret, const char *const *params) MUST;

/* Text of a challenge after "Digest ": realm, nonce, algorithm, qop="auth", and stale=true if so. */
void digest_challenge(struct str *out, enum digest_algorithm algorithm, const char *realm, const char *nonce,
		      bool stale);

/* Is the response right for the HA1? ha1 NULL or "": false, in the same time. Requires qop=auth with cnonce and nc. */
bool digest_verify(const struct digest_params *p, const char *ha1, const char *method);

/* Client: "Digest username=…" in answer to a parsed challenge. cnonce: fresh random text; nc: 1 for a new nonce.
 * A challenge without qop is answered by the old rule (RFC 2069). */
void digest_answer(struct str *out, const struct digest_params *challenge, const char *username, const char *ha1,
		   const char *method, const char *uri, const char *cnonce, uint32_t nc);

/* H(username:realm:password) in lower-case hex. */
void digest_ha1(enum digest_algorithm algorithm, const char *username, const char *realm, const char *password,
		char ret[DIGEST_HEX]);
const char *digest_algorithm_name(enum digest_algorithm a); /* "MD5", "SHA-256" */

#endif
