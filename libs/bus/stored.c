/*
 * The last message of a subject. One server: by DIRECT.GET, which gives it as it is. With replicas any of them answers
 * that, also one that has not got the newest write yet; so the leader is asked, by STREAM.MSG.GET, whose JSON becomes the same form.
 */
#include "bus_internal.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define ERR_NO_MESSAGE 10037

static err_t direct(struct request **ret, struct bus *bus, const char *stream, const char *subject, size_t len,
		    bus_raw_fn *fn, void *arg, bool own_arg)
{
	char path[BUS_SUBJECT_MAX * 2];
	int n = snprintf(path, sizeof(path), "DIRECT.GET.%s.%.*s", stream, (int)len, subject);

	if (n < 0 || (size_t)n >= BUS_SUBJECT_MAX - 16)
		return ERR_INVALID;
	return api_send(ret, bus, path, NULL, fn, arg, own_arg);
}

err_t api_last(struct request **ret, struct bus *bus, const char *stream, const char *subject, size_t subject_len,
	       bus_raw_fn *fn, void *arg, bool own_arg)
{
	char path[BUS_SUBJECT_MAX];
	struct request *r = NULL;
	json_t *body;
	err_t e;

	if (bus->replicas <= 1)
		return direct(ret, bus, stream, subject, subject_len, fn, arg, own_arg);
	(void)snprintf(path, sizeof(path), "STREAM.MSG.GET.%s", stream);
	body = json_pack("{s:s%}", "last_by_subj", subject, subject_len);
	if (!body)
		return ERR_EXHAUSTED;
	e = api_send(&r, bus, path, body, fn, arg, own_arg);
	json_decref(body);
	if (e)
		return e;
	r->stored = true;
	if (ret)
		*ret = r;
	return ERR_OK;
}

/* Appends what the text (NULL: nothing) says in base 64; false when it is none. */
static bool append_base64(struct str *out, const char *text)
{
	size_t n = text ? strlen(text) : 0, pad = 0;
	unsigned char *bytes;
	int got = 0;

	if (n == 0)
		return true;
	while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
		pad++;
	bytes = n % 4 == 0 ? mem_alloc(n) : NULL;
	if (bytes)
		got = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)n);
	if (got > (int)pad)
		str_append_n(out, bytes, (size_t)got - pad);
	mem_free(bytes);
	return got > 0;
}

/* "NATS/1.0", what DIRECT.GET adds, and the message's own headers but for their first line. */
static bool append_headers(struct str *out, const json_t *m)
{
	struct str own = STR_INIT;
	const char *line;
	bool ok = append_base64(&own, json_string_value(json_object_get(m, "hdrs")));

	str_printf(out, "NATS/1.0\r\nNats-Subject: %s\r\nNats-Sequence: %lld\r\nNats-Time-Stamp: %s\r\n",
		   json_string_value(json_object_get(m, "subject")), json_integer_value(json_object_get(m, "seq")),
		   json_string_value(json_object_get(m, "time")));
	line = own.len ? memmem(own.data, own.len, "\r\n", 2) : NULL;
	if (line)
		str_append_n(out, line + 2, own.len - (size_t)(line + 2 - own.data));
	else
		str_append(out, "\r\n");
	ok = ok && !own.failed;
	str_done(&own);
	return ok;
}

static bool complete(const json_t *m)
{
	return json_is_string(json_object_get(m, "subject")) && json_is_integer(json_object_get(m, "seq")) &&
	       json_is_string(json_object_get(m, "time"));
}

void stored_decode(const struct bus_raw *answer, struct bus_raw *ret, char **block)
{
	json_t *j = answer->msg.size ? json_loadb(answer->msg.data, answer->msg.size, 0, NULL) : NULL;
	const json_t *m = json_object_get(j, "message");
	struct str all = STR_INIT;
	size_t headers_size;
	bool ok;

	*ret = (struct bus_raw){ .status = answer->status ? answer->status : 503 };
	*block = NULL;
	if (answer->status == 0 && j && api_error(j) == ERR_NO_MESSAGE)
		ret->status = 404;
	if (answer->status || !complete(m)) {
		json_decref(j);
		return;
	}
	ok = append_headers(&all, m);
	headers_size = all.len;
	ok = ok && append_base64(&all, json_string_value(json_object_get(m, "data")));
	str_append_n(&all, "", 1); /* as of the parser: a NUL follows */
	json_decref(j);
	if (!ok || all.failed) {
		str_done(&all);
		return;
	}
	*block = all.data;
	*ret = (struct bus_raw){ .msg = { .data = all.data + headers_size, .size = all.len - 1 - headers_size },
				 .headers = all.data,
				 .headers_size = headers_size };
}
