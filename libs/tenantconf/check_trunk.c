#include "check_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include "base/str.h"
#include "tenant_internal.h"

#define ADDRESSES_MAX 256

bool check_parse_prefix(const char *text, struct tenant_prefix *ret)
{
	char host[64];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	int64_t bits;
	struct in_addr v4;

	if (n >= sizeof(host))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*ret = (struct tenant_prefix){ .bits = 128 };
	bool is_v4 = inet_pton(AF_INET, host, &v4) == 1;
	if (is_v4) {
		ret->addr.s6_addr[10] = ret->addr.s6_addr[11] = 0xff;
		memcpy(&ret->addr.s6_addr[12], &v4, 4);
	} else if (inet_pton(AF_INET6, host, &ret->addr) != 1) {
		return false;
	}
	if (slash) {
		if (str_to_i64(slash + 1, 0, is_v4 ? 32 : 128, &bits))
			return false;
		ret->bits = (unsigned)bits + (is_v4 ? 96 : 0);
	}
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = ret->bits > i * 8 ? ret->bits - i * 8 : 0;

		if (keep < 8)
			ret->addr.s6_addr[i] &= (unsigned char)(0xff00 >> keep);
	}
	return true;
}

/* Half the Internet is not a trunk; nor is an IPv6 prefix that holds all of IPv4 as mapped addresses. */
static bool too_wide(const struct tenant_prefix *p)
{
	static const struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (p->bits >= 96 && memcmp(&p->addr, &mapped, 12) == 0)
		return p->bits < 96 + 8;
	return p->bits < 16 || (p->bits < 96 && tenant_prefix_matches(p, &mapped));
}

static err_t check_addresses(const Trunkline__Config__V1__Trunk *t, struct err_detail *d)
{
	struct tenant_prefix p;

	if (t->n_addresses > ADDRESSES_MAX)
		return err_set(d, ERR_INVALID, "addresses", "%zu of them; at most %d", t->n_addresses, ADDRESSES_MAX);
	for (size_t i = 0; i < t->n_addresses; i++) {
		if (!check_parse_prefix(t->addresses[i], &p))
			return check_bad(d, "an IPv4 or IPv6 address or prefix such as 192.0.2.0/24", "addresses[%zu]",
					 i);
		if (too_wide(&p))
			return check_bad(d, "too wide: a prefix of at least /8 (IPv4) or /16 (IPv6)", "addresses[%zu]",
					 i);
	}
	return ERR_OK;
}

static bool username_ok(const char *u)
{
	size_t n = strlen(u);

	return n <= 64 && strspn(u, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'+") == n;
}

static err_t check_digest(const Trunkline__Config__V1__Trunk *t, struct err_detail *d)
{
	if (str_empty(t->username)) {
		if (!str_empty(t->ha1_md5) || !str_empty(t->ha1_sha256))
			return err_set(d, ERR_INVALID, "username", "missing: there is a password");
		return ERR_OK;
	}
	if (!username_ok(t->username))
		return err_set(d, ERR_INVALID, "username", "at most 64 letters, digits and -_.!~*'+");
	if (strlen(t->ha1_md5) != 32 || strspn(t->ha1_md5, "0123456789abcdef") != 32)
		return err_set(d, ERR_INVALID, "ha1_md5", "not 32 hex digits in lower case");
	if (strlen(t->ha1_sha256) != 64 || strspn(t->ha1_sha256, "0123456789abcdef") != 64)
		return err_set(d, ERR_INVALID, "ha1_sha256", "not 64 hex digits in lower case");
	return ERR_OK;
}

/* host[:port], [v6][:port] */
static bool host_ok(const char *text)
{
	char host[256];
	struct in6_addr v6;
	int64_t port;
	const char *end = text[0] == '[' ? strchr(text, ']') : strchr(text, ':');
	size_t n = end ? (size_t)(end - text) : strlen(text);

	if (n >= sizeof(host) || (text[0] == '[' && !end))
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	if (text[0] == '[') {
		end++;
		if (inet_pton(AF_INET6, host + 1, &v6) != 1 || (*end && *end != ':'))
			return false;
	} else if (check_domain(host, "host", NULL)) {
		return false;
	}
	return !end || !*end || !str_to_i64(end + 1, 1, 65535, &port);
}

err_t check_trunk(const Trunkline__Config__V1__Trunk *t, struct err_detail *d)
{
	err_t e = check_id(t->id, "id", d);

	if (!e)
		e = check_display_name(t->display_name, "display_name", d);
	if (!e)
		e = check_addresses(t, d);
	if (!e && !t->n_addresses && str_empty(t->username))
		e = err_set(d, ERR_INVALID, "addresses", "a trunk has addresses, or a username, or both");
	if (!e)
		e = check_digest(t, d);
	if (!e && !str_empty(t->host) && !host_ok(t->host))
		e = err_set(d, ERR_INVALID, "host", "'%.70s' is not host or host:port", t->host);
	if (!e && t->max_calls > 1000000)
		e = err_set(d, ERR_INVALID, "max_calls", "%u is more than 1,000,000", t->max_calls);
	return e;
}
