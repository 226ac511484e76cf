#include "rpc_internal.h"

#include <string.h>
#include "pbcheck/pbwire.h"

#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"

/*
 * google.rpc.Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 * google.protobuf.Any  { string type_url = 1; bytes value = 2; }
 * google.rpc.BadRequest { repeated FieldViolation { string field = 1; string description = 2; } = 1; }
 * Three flat messages: written and read by hand rather than carrying google/rpc into the tree.
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

void rpc_status_encode(struct str *out, err_t code, const struct err_detail *detail)
{
	struct str violation = STR_INIT, bad = STR_INIT, any = STR_INIT;

	put_varint(out, 1 << 3 | PBWIRE_VARINT);
	put_varint(out, (uint64_t)code);
	put_text(out, 2, detail->message);
	if (*detail->field) {
		put_text(&violation, 1, detail->field);
		put_text(&violation, 2, detail->message);
		put_bytes(&bad, 1, str_text(&violation), violation.len);
		put_text(&any, 1, BAD_REQUEST);
		put_bytes(&any, 2, str_text(&bad), bad.len);
		put_bytes(out, 3, str_text(&any), any.len);
	}
	out->failed = out->failed || violation.failed || bad.failed || any.failed;
	str_done(&violation);
	str_done(&bad);
	str_done(&any);
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

void rpc_status_decode(const void *bytes, size_t size, struct err_detail *detail)
{
	struct pbwire_field any = find(bytes, size, 3);
	struct pbwire_field url = find(any.data, any.size, 1);
	struct pbwire_field bad, violation;

	if (url.size != sizeof(BAD_REQUEST) - 1 || memcmp(url.data, BAD_REQUEST, url.size) != 0)
		return;
	bad = find(any.data, any.size, 2);
	violation = find(bad.data, bad.size, 1);
	copy(detail->field, sizeof(detail->field), find(violation.data, violation.size, 1));
	copy(detail->message, sizeof(detail->message), find(violation.data, violation.size, 2));
}

err_t rpc_status_code(grpc_status_code code)
{
	return (int)code >= ERR_OK && (int)code <= ERR_UNAUTHENTICATED ? (err_t)code : ERR_UNKNOWN;
}
