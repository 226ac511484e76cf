/* "tls://user:password@host:4222,nats://[::1]:4222" */
#include "conn.h"

#include "base/mem.h"

#include <string.h>

static bool take(char *dst, size_t size, const char *from, size_t n)
{
	if (n >= size)
		return false;
	memcpy(dst, from, n);
	dst[n] = '\0';
	return true;
}

static bool parse_userinfo(struct nats_url *u, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);

	if (!colon)
		return take(u->user, sizeof(u->user), s, n);
	return take(u->user, sizeof(u->user), s, (size_t)(colon - s)) &&
	       take(u->password, sizeof(u->password), colon + 1, n - (size_t)(colon - s) - 1);
}

static bool parse_host(struct nats_url *u, const char *s, size_t n)
{
	const char *end = s + n, *colon = NULL;

	if (n > 0 && s[0] == '[') {
		const char *bracket = memchr(s, ']', n);

		if (!bracket || !take(u->host, sizeof(u->host), s + 1, (size_t)(bracket - s) - 1))
			return false;
		if (bracket + 1 < end && bracket[1] == ':')
			colon = bracket + 1;
	} else {
		colon = memchr(s, ':', n);
		if (!take(u->host, sizeof(u->host), s, colon ? (size_t)(colon - s) : n))
			return false;
	}
	if (!colon)
		return take(u->port, sizeof(u->port), "4222", 4) && u->host[0];
	return take(u->port, sizeof(u->port), colon + 1, (size_t)(end - colon) - 1) && u->host[0] && u->port[0] &&
	       strspn(u->port, "0123456789") == strlen(u->port);
}

static bool parse_one(struct nats_url *u, const char *s, size_t n)
{
	const char *at;

	if (n > 6 && memcmp(s, "tls://", 6) == 0)
		u->tls = true, s += 6, n -= 6;
	else if (n > 7 && memcmp(s, "nats://", 7) == 0)
		s += 7, n -= 7;
	at = memchr(s, '@', n);
	if (at) {
		if (!parse_userinfo(u, s, (size_t)(at - s)))
			return false;
		n -= (size_t)(at - s) + 1;
		s = at + 1;
	}
	return parse_host(u, s, n);
}

err_t nats_urls_parse(const char *text, struct nats_url **ret, size_t *n, struct err_detail *detail)
{
	size_t count = 1, len, i = 0;
	struct nats_url *urls;

	for (const char *c = text; c && *c; c++)
		count += *c == ',';
	urls = mem_array(count, sizeof(*urls));
	if (!urls)
		return ERR_EXHAUSTED;
	for (const char *s = text ? text : ""; i < count; s += len + (s[len] == ','), i++) {
		len = strcspn(s, ",");
		if (!parse_one(&urls[i], s, len)) {
			mem_free(urls);
			return err_set(detail, ERR_INVALID, "nats.url",
				       "must be nats://host:port or tls://host:port, several with commas");
		}
	}
	*ret = urls;
	*n = count;
	return ERR_OK;
}
