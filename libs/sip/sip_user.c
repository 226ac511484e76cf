#include "sip/sip_user.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Unescapes up to the parameters; -1: bad escape, too long. */
static int unescape(char *dst, size_t size, const char *s)
{
	size_t n = 0;

	for (; *s && *s != ';'; s++) {
		int c = (unsigned char)*s;

		if (c == '%') {
			int hi = hex_value(s[1]), lo = hi < 0 ? -1 : hex_value(s[2]);

			if (lo < 0)
				return -1;
			c = hi << 4 | lo;
			s += 2;
		}
		if (c == 0 || n + 1 >= size)
			return -1;
		dst[n++] = (char)c;
	}
	dst[n] = '\0';
	return (int)n;
}

static bool only(const char *s, const char *set)
{
	return s[strspn(s, set)] == '\0';
}

static void strip_separators(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (!strchr("-.() ", *s))
			*to++ = *s;
	*to = '\0';
}

bool sip_user_normalise(char dst[SIP_USER_MAX], const char *user)
{
	int n = user ? unescape(dst, SIP_USER_MAX, user) : -1;

	if (n > 0 && (dst[0] == '+' || isdigit((unsigned char)dst[0]) || dst[0] == '(') &&
	    only(dst, "+0123456789*#-.() "))
		strip_separators(dst);
	for (int i = 0; n > 0 && dst[i]; i++)
		if ((unsigned char)dst[i] < 0x20 || dst[i] == 0x7f || strchr("<>\"@", dst[i]))
			n = -1;
	if (n <= 0 || !dst[0] || !str_utf8_valid(dst, strlen(dst))) {
		dst[0] = '\0';
		return false;
	}
	return true;
}

bool sip_user_is_number(const char *s)
{
	size_t n;

	if (*s == '+')
		s++;
	n = strlen(s);
	return n >= 1 && n <= 32 && only(s, "0123456789*#");
}

/* Cuts an incomplete UTF-8 character off the end. */
static void cut_utf8(char *s, size_t n)
{
	while (n > 0 && !str_utf8_valid(s, n))
		n--;
	s[n] = '\0';
}

void sip_name_plain(char dst[SIP_NAME_MAX], const char *display)
{
	bool quoted = display && display[0] == '"';
	size_t n = 0;

	for (const char *s = display ? display + quoted : ""; *s && n + 1 < SIP_NAME_MAX; s++) {
		if (quoted && *s == '"')
			break;
		if (quoted && *s == '\\' && !*++s)
			break;
		if ((unsigned char)*s >= 0x20 && *s != 0x7f)
			dst[n++] = *s;
	}
	cut_utf8(dst, n);
}

void sip_name_quote(char *dst, size_t size, const char *name)
{
	size_t n = 0;

	if (!name || !name[0] || size < 3) {
		dst[0] = '\0';
		return;
	}
	dst[n++] = '"';
	for (; *name && n + 3 < size; name++) {
		if (*name == '"' || *name == '\\')
			dst[n++] = '\\';
		if ((unsigned char)*name >= 0x20 && *name != 0x7f)
			dst[n++] = *name;
	}
	dst[n++] = '"';
	dst[n] = '\0';
}

bool sip_user_escape(char *dst, size_t size, const char *user)
{
	size_t n = 0;

	for (; *user; user++) {
		bool plain = isalnum((unsigned char)*user) || strchr("-_.!~*'()&=+$,", *user);

		if (n + (plain ? 1 : 3) >= size)
			return false;
		if (plain)
			dst[n++] = *user;
		else
			n += (size_t)sprintf(dst + n, "%%%02X", (unsigned char)*user);
	}
	dst[n] = '\0';
	return n > 0;
}

bool sip_header_value_ok(const char *value, size_t max)
{
	size_t n = strlen(value);

	if (n > max || !str_utf8_valid(value, n))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return true;
}

bool sip_header_name_ok(const char *name)
{
	size_t n = 0;

	for (; name[n]; n++)
		if (n >= 64 || !(isalnum((unsigned char)name[n]) || name[n] == '-'))
			return false;
	return n > 0 && isalpha((unsigned char)name[0]);
}
