/*
 * sip_user: who calls whom: telephone numbers and display names out of URIs, and texts safe to put into headers. Pure.
 */
#ifndef SIP_SIP_USER_H
#define SIP_SIP_USER_H

#include <stdbool.h>
#include <stddef.h>

#define SIP_USER_MAX 64	 /* with its NUL */
#define SIP_NAME_MAX 128 /* with its NUL */

/* The user part of a sip:, sips: or tel: URI, unescaped, without parameters (";phone-context=…") and, if what remains is
 * a telephone number, without visual separators ("+1-212-555 (0123)" → "+12125550123"). false: empty, too long, or a
 * character that has no business in a caller's or called party's name (control, '<', '>', '"', '@', non-UTF-8). */
bool sip_user_normalise(char dst[SIP_USER_MAX], const char *user);
/* [+]?[0-9*#]{1,32} */
bool sip_user_is_number(const char *s);
/* Display name of an address (with or without its quotes) as plain UTF-8; what is not printable is left out, cut at a
 * character. Always terminated. */
void sip_name_plain(char dst[SIP_NAME_MAX], const char *display);
/* "name" with quotes and backslashes escaped, for a name-addr; "" if name is empty. size ≥ 2·strlen + 3. */
void sip_name_quote(char *dst, size_t size, const char *name);
/* User part escaped for a URI (RFC 3261 user: unreserved and a few); false if it did not fit. */
bool sip_user_escape(char *dst, size_t size, const char *user);
/* Fit as the value of a header: no CR, LF, NUL or other control, valid UTF-8, at most max bytes. */
bool sip_header_value_ok(const char *value, size_t max);
/* [A-Za-z][A-Za-z0-9-]{0,63} */
bool sip_header_name_ok(const char *name);

#endif
