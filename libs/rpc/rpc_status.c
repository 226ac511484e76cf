#include "rpc_internal.h"

#include <string.h>
#include "pbcheck/pbwire.h"

#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"
#define RETRY_INFO  "type.googleapis.com/google.rpc.RetryInfo"
#define LOCALIZED   "type.googleapis.com/google.rpc.LocalizedMessage"
#define RETRY_MAX_S (365 * 86400)

/*
 * google.rpc.Status    { int32 code = 1; string message = 2; repeated Any details = 3; }
 * google.protobuf.Any  { string type_url = 1; bytes value = 2; }
 * google.rpc.BadRequest { repeated FieldViolation { string field = 1; string description = 2; LocalizedMessage localized_message = 4; } = 1; }
 * google.rpc.RetryInfo { google.protobuf.Duration { int64 seconds = 1; int32 nanos = 2; } retry_delay = 1; }
 * google.rpc.LocalizedMessage { string locale = 1; string message = 2; }
 * Six flat messages: written and read by hand rather than carrying google/rpc into the tree.
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

static void put_message(struct str *out, unsigned id, const struct str *inner)
{
	put_bytes(out, id, str_text(inner), inner->len);
	out->failed = out->failed || inner->failed;
}

static void put_detail(struct str *out, const char *type, const struct str *msg)
{
	struct str any = STR_INIT;

	put_text(&any, 1, type);
	put_message(&any, 2, msg);
	put_message(out, 3, &any);
	str_done(&any);
}

/* What a code means, for people: where nothing more is said. */
static const char *meaning(err_t code)
{
	static const char *const meanings[] = {
		[ERR_CANCELLED] = ERR_TEXT("was cancelled"),
		[ERR_INVALID] = ERR_TEXT("something in the request is not right"),
		[ERR_TIMEOUT] = ERR_TEXT("took too long; try again"),
		[ERR_NOT_FOUND] = ERR_TEXT("there is no such thing"),
		[ERR_EXISTS] = ERR_TEXT("is there already"),
		[ERR_DENIED] = ERR_TEXT("you may not do this"),
		[ERR_EXHAUSTED] = ERR_TEXT("too much at once; try again later"),
		[ERR_PRECONDITION] = ERR_TEXT("is not possible in the present state"),
		[ERR_ABORTED] = ERR_TEXT("others changed the same at the same time; try again"),
		[ERR_RANGE] = ERR_TEXT("is out of range"),
		[ERR_UNIMPLEMENTED] = ERR_TEXT("is not built yet"),
		[ERR_UNAVAILABLE] = ERR_TEXT("the service is away; try again"),
		[ERR_DATA_LOSS] = ERR_TEXT("data was lost"),
		[ERR_UNAUTHENTICATED] = ERR_TEXT("sign in first"),
	};
	const char *text = (size_t)code < ARRAY_SIZE(meanings) ? meanings[code] : NULL;

	return text ? text : ERR_TEXT("internal error");
}

static void put_localized(struct str *out, const char *field, const char *message, enum text_language l)
{
	put_text(out, 1, text_tag(l));
	put_varint(out, 2 << 3 | PBWIRE_LEN);
	put_varint(out, strlen(message) + (*field ? strlen(field) + 2 : 0));
	str_printf(out, "%s%s%s", field, *field ? ": " : "", message);
}

/* Without a message of its own nothing is violated. */
static void put_violation(struct str *out, const struct err_detail *detail, const char *message, enum text_language l)
{
	struct str localized = STR_INIT, violation = STR_INIT, msg = STR_INIT;

	put_text(&violation, 1, detail->field);
	put_text(&violation, 2, detail->message);
	put_localized(&localized, "", message, l);
	put_message(&violation, 4, &localized);
	put_message(&msg, 1, &violation);
	put_detail(out, BAD_REQUEST, &msg);
	str_done(&localized);
	str_done(&violation);
	str_done(&msg);
}

static void put_retry(struct str *out, int64_t retry_ms)
{
	struct str delay = STR_INIT, msg = STR_INIT;

	put_number(&delay, 1, (uint64_t)retry_ms / 1000);
	put_number(&delay, 2, (uint64_t)retry_ms % 1000 * 1000000);
	put_message(&msg, 1, &delay);
	put_detail(out, RETRY_INFO, &msg);
	str_done(&delay);
	str_done(&msg);
}

void rpc_status_encode(struct str *out, err_t code, const struct err_detail *detail, enum text_language l)
{
	bool said = detail && *detail->message;
	struct str text = STR_INIT, localized = STR_INIT;

	if (said)
		l = text_detail(&text, l, detail);
	else
		str_append(&text, text_get(l, meaning(code)));
	put_number(out, 1, (uint64_t)code);
	put_text(out, 2, said ? detail->message : err_name(code));
	if (said && *detail->field)
		put_violation(out, detail, str_text(&text), l);
	if (said && detail->retry_ms > 0)
		put_retry(out, detail->retry_ms);
	put_localized(&localized, said ? detail->field : "", str_text(&text), l);
	put_detail(out, LOCALIZED, &localized);
	out->failed = out->failed || text.failed;
	str_done(&text);
	str_done(&localized);
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

static void decode_violation(struct pbwire_field violation, struct err_detail *detail)
{
	struct pbwire_field localized = find(violation.data, violation.size, 4);
	struct pbwire_field message = find(localized.data, localized.size, 2);

	copy(detail->field, sizeof(detail->field), find(violation.data, violation.size, 1));
	copy(detail->message, sizeof(detail->message),
	     message.size ? message : find(violation.data, violation.size, 2));
}

static void decode_detail(const void *any, size_t size, struct err_detail *detail)
{
	struct pbwire_field url = find(any, size, 1), msg = find(any, size, 2);
	struct pbwire_field inner = find(msg.data, msg.size, 1);

	if (is_type(url, BAD_REQUEST)) {
		decode_violation(inner, detail);
	} else if (is_type(url, LOCALIZED) && !*detail->field && find(msg.data, msg.size, 2).size) {
		copy(detail->message, sizeof(detail->message), find(msg.data, msg.size, 2));
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

	detail->format = NULL; /* the message is not made here */
	while (pbwire_next(&w, &f))
		if (f.id == 3 && f.type == PBWIRE_LEN)
			decode_detail(f.data, f.size, detail);
	/* Of strangers, and perhaps cut in a character. */
	str_utf8_clean(detail->field);
	str_utf8_clean(detail->message);
}

err_t rpc_status_code(grpc_status_code code)
{
	return (int)code >= ERR_OK && (int)code <= ERR_UNAUTHENTICATED ? (err_t)code : ERR_UNKNOWN;
}
