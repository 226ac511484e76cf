#include "rpc_internal.h"

#include <string.h>
#include "pbcheck/pbwire.h"

#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"
#define RETRY_INFO  "type.googleapis.com/google.rpc.RetryInfo"
#define RETRY_MAX_S (365 * 86400)

/*
 * google.rpc.Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 * google.protobuf.Any  { string type_url = 1; bytes value = 2; }
 * google.rpc.BadRequest { repeated FieldViolation { string field = 1; string description = 2; } = 1; }
 * google.rpc.RetryInfo { google.protobuf.Duration { int64 seconds = 1; int32 nanos = 2; } retry_delay = 1; }
 * Five flat messages: written and read by hand rather than carrying google/rpc into the tree.
 */
static void put_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_append_c(out, (char)(v | 0x80));
	str_append_c(out, (char)v);
}

static void put_bytes(struct str *out, unsigned id, const void *bytes, size_t size)
{
	put_varint(out, id << 3 | PBWIRE_LEN);
	put_varint(out, size);
	str_append_n(out, bytes, size);
}

static void put_text(struct str *out, unsigned id, const char *text)
{
	put_bytes(out, id, text, strlen(text));
}

static void put_number(struct str *out, unsigned id, uint64_t v)
{
	put_varint(out, id << 3 | PBWIRE_VARINT);
	put_varint(out, v);
}

/* One of the details: an Any with a message of one field that is a message. */
static void put_detail(struct str *out, const char *type, const struct str *inner)
{
	struct str msg = STR_INIT, any = STR_INIT;

	put_bytes(&msg, 1, str_text(inner), inner->len);
	put_text(&any, 1, type);
	put_bytes(&any, 2, str_text(&msg), msg.len);
	put_bytes(out, 3, str_text(&any), any.len);
	out->failed = out->failed || inner->failed || msg.failed || any.failed;
	str_done(&msg);
	str_done(&any);
}

void rpc_status_encode(struct str *out, err_t code, const struct err_detail *detail)
{
	struct str violation = STR_INIT, delay = STR_INIT;

	put_number(out, 1, (uint64_t)code);
	put_text(out, 2, detail->message);
	if (*detail->field) {
		put_text(&violation, 1, detail->field);
		put_text(&violation, 2, detail->message);
		put_detail(out, BAD_REQUEST, &violation);
	}
	if (detail->retry_ms > 0) {
		put_number(&delay, 1, (uint64_t)detail->retry_ms / 1000);
		put_number(&delay, 2, (uint64_t)detail->retry_ms % 1000 * 1000000);
		put_detail(out, RETRY_INFO, &delay);
	}
	str_done(&violation);
	str_done(&delay);
}

static struct pbwire_field find(const void *bytes, size_t size, uint32_t id)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (pbwire_next(&w, &f))
		if (f.id == id && f.type == PBWIRE_LEN)
			return f;
	return (struct pbwire_field){ 0 };
}

static void copy(char *dst, size_t size, struct pbwire_field f)
{
	size_t n = f.size < size ? f.size : size - 1;

	if (n)
		memcpy(dst, f.data, n);
	dst[n] = '\0';
}

static bool is_type(struct pbwire_field url, const char *type)
{
	return url.size == strlen(type) && memcmp(url.data, type, url.size) == 0;
}

static uint64_t find_number(const void *bytes, size_t size, uint32_t id)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (pbwire_next(&w, &f))
		if (f.id == id && f.type == PBWIRE_VARINT)
			return f.number;
	return 0;
}

static void decode_detail(const void *any, size_t size, struct err_detail *detail)
{
	struct pbwire_field url = find(any, size, 1), msg = find(any, size, 2);
	struct pbwire_field inner = find(msg.data, msg.size, 1);

	if (is_type(url, BAD_REQUEST)) {
		copy(detail->field, sizeof(detail->field), find(inner.data, inner.size, 1));
		copy(detail->message, sizeof(detail->message), find(inner.data, inner.size, 2));
	} else if (is_type(url, RETRY_INFO)) {
		uint64_t s = find_number(inner.data, inner.size, 1), ns = find_number(inner.data, inner.size, 2);

		if (s < RETRY_MAX_S && ns < 1000000000)
			detail->retry_ms = (int64_t)(s * 1000 + ns / 1000000);
	}
}

void rpc_status_decode(const void *bytes, size_t size, struct err_detail *detail)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (pbwire_next(&w, &f))
		if (f.id == 3 && f.type == PBWIRE_LEN)
			decode_detail(f.data, f.size, detail);
}

err_t rpc_status_code(grpc_status_code code)
{
	return (int)code >= ERR_OK && (int)code <= ERR_UNAUTHENTICATED ? (err_t)code : ERR_UNKNOWN;
}
