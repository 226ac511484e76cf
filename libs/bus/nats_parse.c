#include "nats_parse.h"

#include <stdbool.h>
#include <string.h>

#define LINE_MAX_BYTES 8192 /* of a control line; INFO may be longer */
#define INFO_MAX_BYTES 262144

static bool parse_u64(const char *s, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (n == 0 || n > 18)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(s[i] - '0');
	}
	*ret = v;
	return true;
}

struct token {
	char *at;
	size_t len;
};

/* Up to max blank-separated tokens of a line; max + 1 when there are more. */
static size_t split(char *line, size_t len, struct token *tokens, size_t max)
{
	size_t n = 0, i = 0;

	while (i < len) {
		size_t start;

		while (i < len && (line[i] == ' ' || line[i] == '\t'))
			i++;
		start = i;
		while (i < len && line[i] != ' ' && line[i] != '\t')
			i++;
		if (i == start)
			break;
		if (n == max)
			return max + 1;
		tokens[n++] = (struct token){ line + start, i - start };
	}
	return n;
}

/* MSG <subject> <sid> [reply] <size>;  HMSG <subject> <sid> [reply] <header size> <total size> */
static ssize_t parse_msg(char *buf, size_t len, size_t line_len, bool with_headers, size_t max_bytes,
			 struct nats_frame *f)
{
	size_t verb = with_headers ? 5 : 4, numbers = with_headers ? 2 : 1, n, at = line_len + 2;
	uint64_t total, headers = 0;
	struct token t[5];

	n = split(buf + verb, line_len - verb, t, 5);
	if (n < 2 + numbers || n > 3 + numbers)
		return -1;
	if (!parse_u64(t[1].at, t[1].len, &f->sid) || !parse_u64(t[n - 1].at, t[n - 1].len, &total))
		return -1;
	if (with_headers && !parse_u64(t[n - 2].at, t[n - 2].len, &headers))
		return -1;
	if (total > max_bytes || headers > total)
		return -1;
	if (len - at < total + 2)
		return 0;
	if (buf[at + total] != '\r' || buf[at + total + 1] != '\n')
		return -1;
	t[0].at[t[0].len] = '\0';
	f->subject = t[0].at;
	f->reply = NULL;
	if (n == 3 + numbers) {
		t[2].at[t[2].len] = '\0';
		f->reply = t[2].at;
	}
	f->headers = with_headers ? buf + at : NULL;
	f->headers_size = headers;
	f->data = buf + at + headers;
	f->size = total - headers;
	f->data[f->size] = '\0';
	f->op = NATS_MSG;
	return (ssize_t)(at + total + 2);
}

static bool starts(const char *buf, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len >= n && memcmp(buf, word, n) == 0;
}

static ssize_t parse_text(char *buf, size_t line_len, size_t verb, enum nats_op op, struct nats_frame *f)
{
	buf[line_len] = '\0';
	f->op = op;
	f->text = buf + verb;
	return (ssize_t)(line_len + 2);
}

static ssize_t parse_plain(enum nats_op op, size_t line_len, struct nats_frame *f)
{
	f->op = op;
	return (ssize_t)(line_len + 2);
}

ssize_t nats_parse(char *buf, size_t len, size_t max_bytes, struct nats_frame *f)
{
	size_t limit = starts(buf, len, "INFO ") ? INFO_MAX_BYTES : LINE_MAX_BYTES;
	char *eol = memchr(buf, '\n', len < limit ? len : limit);
	size_t n;

	if (!eol)
		return len >= limit ? -1 : 0;
	n = (size_t)(eol - buf);
	if (n == 0 || buf[n - 1] != '\r')
		return -1;
	n--;
	if (starts(buf, n, "MSG "))
		return parse_msg(buf, len, n, false, max_bytes, f);
	if (starts(buf, n, "HMSG "))
		return parse_msg(buf, len, n, true, max_bytes, f);
	if (starts(buf, n, "PING"))
		return parse_plain(NATS_PING, n, f);
	if (starts(buf, n, "PONG"))
		return parse_plain(NATS_PONG, n, f);
	if (starts(buf, n, "+OK"))
		return parse_plain(NATS_OK, n, f);
	if (starts(buf, n, "INFO "))
		return parse_text(buf, n, 5, NATS_INFO, f);
	if (starts(buf, n, "-ERR"))
		return parse_text(buf, n, 4, NATS_ERR, f);
	return -1;
}

/* ---- headers ---- */

int nats_headers_status(const char *headers, size_t size)
{
	int status = 0;

	if (size < 12 || memcmp(headers, "NATS/1.0 ", 9) != 0)
		return 0;
	for (size_t i = 9; i < 12; i++) {
		if (headers[i] < '0' || headers[i] > '9')
			return 0;
		status = status * 10 + (headers[i] - '0');
	}
	return status;
}

const char *nats_headers_find(const char *headers, size_t size, const char *key, size_t *len)
{
	const char *at = headers, *end = headers + size;
	size_t key_len = strlen(key);

	while (at && at < end) {
		const char *eol = memchr(at, '\r', (size_t)(end - at));
		const char *line_end = eol ? eol : end;

		if ((size_t)(line_end - at) > key_len && at[key_len] == ':' && memcmp(at, key, key_len) == 0) {
			at += key_len + 1;
			while (at < line_end && *at == ' ')
				at++;
			*len = (size_t)(line_end - at);
			return at;
		}
		at = eol && end - eol > 2 ? eol + 2 : NULL;
	}
	return NULL;
}

uint64_t nats_headers_u64(const char *headers, size_t size, const char *key)
{
	uint64_t v = 0;
	size_t len;
	const char *value = nats_headers_find(headers, size, key, &len);

	return value && parse_u64(value, len, &v) ? v : 0;
}
