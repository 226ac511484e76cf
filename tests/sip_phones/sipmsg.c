#include "sipmsg.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool view_eq(struct view v, const char *text)
{
	return v.n == strlen(text) && memcmp(v.at, text, v.n) == 0;
}

static bool starts(struct view line, const char *name)
{
	size_t n = strlen(name);

	return line.n > n && strncasecmp(line.at, name, n) == 0;
}

static struct view value_of(struct view line, size_t skip)
{
	while (skip < line.n && line.at[skip] == ' ')
		skip++;
	return (struct view){ line.at + skip, line.n - skip };
}

static void first_line(struct sipmsg *m, struct view line)
{
	const char *sp = memchr(line.at, ' ', line.n), *end = line.at + line.n, *user, *at;

	m->is_request = !starts(line, "SIP/2.0 ");
	if (!sp)
		return;
	if (!m->is_request)
		m->status = line.n >= 11 ? (unsigned)atoi(sp + 1) : 0;
	m->method = (struct view){ line.at, (size_t)(sp - line.at) };
	user = memchr(sp, ':', (size_t)(end - sp));
	at = user ? memchr(user, '@', (size_t)(end - user)) : NULL;
	if (at)
		m->uri_user = (struct view){ user + 1, (size_t)(at - user - 1) };
}

static void header(struct sipmsg *m, struct view line)
{
	if (starts(line, "Via:") && m->n_via < 8) {
		m->via[m->n_via++] = line;
	} else if (starts(line, "Record-Route:") && m->n_route < 4) {
		m->route[m->n_route++] = line;
	} else if (starts(line, "From:")) {
		m->from = line;
	} else if (starts(line, "To:")) {
		m->to = line;
		m->to_tagged = memmem(line.at, line.n, ";tag=", 5) != NULL;
	} else if (starts(line, "Call-ID:")) {
		m->call_id = value_of(line, 8);
	} else if (starts(line, "CSeq:")) {
		m->cseq = line;
	} else if (starts(line, "Contact:")) {
		m->contact = line;
	} else if (starts(line, "Retry-After:")) {
		m->retry_after_s = (unsigned)atoi(value_of(line, 12).at);
	}
}

bool sipmsg_parse(struct sipmsg *m, const char *buf, size_t n)
{
	const char *at = buf, *end = buf + n;
	bool first = true;

	memset(m, 0, sizeof(*m));
	while (at < end) {
		const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
		struct view line = { at, (size_t)((eol ? eol : end) - at) };

		if (!line.n) {
			m->body = (struct view){ at + 2, (size_t)(end - at) - 2 };
			break;
		}
		if (first)
			first_line(m, line);
		else
			header(m, line);
		first = false;
		at = eol ? eol + 2 : end;
	}
	return m->method.n && m->n_via && m->from.n && m->to.n && m->call_id.n && m->cseq.n;
}

struct out {
	char *at;
	size_t size, n;
};

__attribute__((format(printf, 2, 3))) static void put(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->at + (o->n < o->size ? o->n : o->size), o->n < o->size ? o->size - o->n : 0, fmt, ap);
	va_end(ap);
	o->n += n > 0 ? (size_t)n : 0;
}

#define V(v) (int)(v).n, (v).at

size_t sipmsg_response(char *out, size_t size, const struct sipmsg *m, const char *status, const char *tag,
		       const char *contact, const char *body)
{
	struct out o = { out, size, 0 };

	put(&o, "SIP/2.0 %s\r\n", status);
	for (unsigned i = 0; i < m->n_via; i++)
		put(&o, "%.*s\r\n", V(m->via[i]));
	for (unsigned i = 0; i < m->n_route; i++)
		put(&o, "%.*s\r\n", V(m->route[i]));
	put(&o, "%.*s\r\n%.*s%s%s\r\n", V(m->from), V(m->to), m->to_tagged ? "" : ";tag=", m->to_tagged ? "" : tag);
	put(&o, "Call-ID: %.*s\r\n%.*s\r\n", V(m->call_id), V(m->cseq));
	if (contact)
		put(&o, "Contact: <%s>\r\n", contact);
	if (body)
		put(&o, "Content-Type: application/sdp\r\n");
	put(&o, "Content-Length: %zu\r\n\r\n%s", body ? strlen(body) : 0, body ? body : "");
	return o.n < size ? o.n : 0;
}
