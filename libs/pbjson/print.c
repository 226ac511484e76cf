#include "pbjson_internal.h"
#include "base/mem.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct printer {
	struct str *out;
	unsigned flags;
	struct err_detail *detail;
};

static err_t print_message(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at);

static const void *member(const ProtobufCMessage *msg, unsigned offset)
{
	return (const char *)msg + offset;
}

/* ---- texts ------------------------------------------------------------------------------------------------------ */

static void append_escaped(struct str *out, unsigned char c)
{
	static const char short_form[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r' };

	if (c == '"' || c == '\\')
		str_printf(out, "\\%c", c);
	else if (c < sizeof(short_form) && short_form[c])
		str_printf(out, "\\%c", short_form[c]);
	else
		str_printf(out, "\\u%04x", c);
}

static err_t print_text(struct printer *p, const char *s, const struct pbjson_at *at)
{
	if (!s)
		s = "";
	if (!str_utf8_valid(s, strlen(s)))
		return pbjson_fail(p->detail, ERR_INVALID, at, "is not valid UTF-8");
	str_append_c(p->out, '"');
	while (*s) {
		size_t n = 0;

		while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\' && s[n] != 0x7f)
			n++;
		str_append_n(p->out, s, n);
		s += n;
		if (*s)
			append_escaped(p->out, (unsigned char)*s++);
	}
	str_append_c(p->out, '"');
	return ERR_OK;
}

static void new_line(struct printer *p, int depth)
{
	if (p->flags & PBJSON_PRETTY)
		str_printf(p->out, "\n%*s", depth * 2, "");
}

/* Between two members of an object or array, and before the first. */
static void separate(struct printer *p, bool *first, int depth)
{
	if (!*first)
		str_append_c(p->out, ',');
	*first = false;
	new_line(p, depth);
}

static void close_with(struct printer *p, char c, bool empty, int depth)
{
	if (!empty)
		new_line(p, depth);
	str_append_c(p->out, c);
}

static void print_colon(struct printer *p)
{
	str_append(p->out, p->flags & PBJSON_PRETTY ? ": " : ":");
}

/* ---- values ----------------------------------------------------------------------------------------------------- */

static err_t print_number(struct printer *p, double v, bool is_float)
{
	char buf[PBJSON_SCALAR_TEXT];

	if (isnan(v)) {
		str_append(p->out, "\"NaN\"");
	} else if (isinf(v)) {
		str_append(p->out, v < 0 ? "\"-Infinity\"" : "\"Infinity\"");
	} else {
		pbjson_double_text(v, is_float, buf);
		str_append(p->out, buf);
	}
	return ERR_OK;
}

static err_t print_enum(struct printer *p, const ProtobufCEnumDescriptor *desc, int32_t v)
{
	const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(desc, v);

	if (strcmp(desc->name, "google.protobuf.NullValue") == 0)
		str_append(p->out, "null");
	else if (known)
		str_printf(p->out, "\"%s\"", known->name);
	else
		str_printf(p->out, "%" PRId32, v);
	return ERR_OK;
}

static err_t print_bytes(struct printer *p, const ProtobufCBinaryData *b)
{
	str_append_c(p->out, '"');
	pbjson_base64_append(p->out, b->data, b->len);
	str_append_c(p->out, '"');
	return ERR_OK;
}

static err_t print_value(struct printer *p, const ProtobufCFieldDescriptor *f, const void *v,
			 const struct pbjson_at *at)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		str_printf(p->out, "%" PRId32, *(const int32_t *)v);
		return ERR_OK;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		str_printf(p->out, "%" PRIu32, *(const uint32_t *)v);
		return ERR_OK;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		str_printf(p->out, "\"%" PRId64 "\"", *(const int64_t *)v);
		return ERR_OK;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		str_printf(p->out, "\"%" PRIu64 "\"", *(const uint64_t *)v);
		return ERR_OK;
	case PROTOBUF_C_TYPE_FLOAT:
		return print_number(p, (double)*(const float *)v, true);
	case PROTOBUF_C_TYPE_DOUBLE:
		return print_number(p, *(const double *)v, false);
	case PROTOBUF_C_TYPE_BOOL:
		str_append(p->out, *(const protobuf_c_boolean *)v ? "true" : "false");
		return ERR_OK;
	case PROTOBUF_C_TYPE_ENUM:
		return print_enum(p, f->descriptor, *(const int32_t *)v);
	case PROTOBUF_C_TYPE_STRING:
		return print_text(p, *(char *const *)v, at);
	case PROTOBUF_C_TYPE_BYTES:
		return print_bytes(p, v);
	case PROTOBUF_C_TYPE_MESSAGE:
		return print_message(p, *(ProtobufCMessage *const *)v, at);
	}
	return ERR_INTERNAL;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

static err_t print_list(struct printer *p, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *msg,
			const struct pbjson_at *at)
{
	size_t n = *(const size_t *)member(msg, f->quantifier_offset);
	const char *items = *(const char *const *)member(msg, f->offset);
	bool first = true;

	str_append_c(p->out, '[');
	for (size_t i = 0; i < n; i++) {
		struct pbjson_at here = { at, NULL, i, at->depth + 1 };
		err_t e;

		separate(p, &first, here.depth);
		e = print_value(p, f, items + i * pbjson_size_of(f->type), &here);
		if (e)
			return e;
	}
	close_with(p, ']', first, at->depth);
	return ERR_OK;
}

/* Keys of every type are texts. */
static err_t print_key(struct printer *p, const ProtobufCFieldDescriptor *f, const void *v, const struct pbjson_at *at)
{
	bool quote = f->type == PROTOBUF_C_TYPE_BOOL || (pbjson_size_of(f->type) == 4);
	err_t e;

	if (quote)
		str_append_c(p->out, '"');
	e = print_value(p, f, v, at);
	if (quote)
		str_append_c(p->out, '"');
	return e;
}

/* A map's entry without a value has an empty one, whatever that looks like. */
static err_t print_empty(struct printer *p, const ProtobufCMessageDescriptor *desc, const struct pbjson_at *at)
{
	ProtobufCMessage *empty = mem_zalloc(desc->sizeof_message);
	err_t e;

	if (!empty)
		return pbjson_fail(p->detail, ERR_EXHAUSTED, at, "out of memory");
	desc->message_init(empty);
	e = print_message(p, empty, at);
	mem_free(empty);
	return e;
}

static err_t print_map(struct printer *p, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *msg,
		       const struct pbjson_at *at)
{
	const ProtobufCMessageDescriptor *entry = f->descriptor;
	size_t n = *(const size_t *)member(msg, f->quantifier_offset);
	ProtobufCMessage *const *entries = *(ProtobufCMessage * *const *)member(msg, f->offset);
	bool first = true;

	str_append_c(p->out, '{');
	for (size_t i = 0; i < n; i++) {
		struct pbjson_at here = { at, NULL, i, at->depth + 1 };
		const void *value = member(entries[i], entry->fields[1].offset);
		err_t e;

		separate(p, &first, here.depth);
		e = print_key(p, &entry->fields[0], member(entries[i], entry->fields[0].offset), &here);
		print_colon(p);
		if (!e && entry->fields[1].type == PROTOBUF_C_TYPE_MESSAGE && !*(void *const *)value)
			e = print_empty(p, entry->fields[1].descriptor, &here);
		else if (!e)
			e = print_value(p, &entry->fields[1], value, &here);
		if (e)
			return e;
	}
	close_with(p, '}', first, at->depth);
	return ERR_OK;
}

static bool is_zero(const ProtobufCFieldDescriptor *f, const void *v)
{
	static const char zeros[8];

	switch (f->type) {
	case PROTOBUF_C_TYPE_STRING:
		return str_empty(*(char *const *)v);
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)v)->len == 0;
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(void *const *)v == NULL;
	default:
		return memcmp(v, zeros, pbjson_size_of(f->type)) == 0;
	}
}

/* Whether a field is there to be printed at all. */
static bool is_present(const struct printer *p, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *msg)
{
	const void *v = member(msg, f->offset);

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)member(msg, f->quantifier_offset) == f->id &&
		       (f->type != PROTOBUF_C_TYPE_MESSAGE || *(void *const *)v);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return (p->flags & PBJSON_DEFAULTS) || *(const size_t *)member(msg, f->quantifier_offset) > 0;
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *)v != NULL;
	return (p->flags & PBJSON_DEFAULTS) || !is_zero(f, v);
}

static err_t print_field(struct printer *p, const ProtobufCFieldDescriptor *f, const ProtobufCMessage *msg,
			 const struct pbjson_at *at)
{
	if (pbjson_is_map(msg->descriptor, f))
		return print_map(p, f, msg, at);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return print_list(p, f, msg, at);
	return print_value(p, f, member(msg, f->offset), at);
}

static err_t print_plain(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	bool first = true;

	str_append_c(p->out, '{');
	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		struct pbjson_at here = { at, f->name, 0, at->depth + 1 };
		char camel[128];
		err_t e;

		if (!is_present(p, f, msg))
			continue;
		separate(p, &first, here.depth);
		pbjson_camel(f->name, camel, sizeof(camel));
		str_printf(p->out, "\"%s\"", p->flags & PBJSON_PROTO_NAMES ? f->name : camel);
		print_colon(p);
		e = print_field(p, f, msg, &here);
		if (e)
			return e;
	}
	close_with(p, '}', first, at->depth);
	return ERR_OK;
}

/* ---- messages with a form of their own -------------------------------------------------------------------------- */

static err_t print_timestamp(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	const Google__Protobuf__Timestamp *t = (const void *)msg;
	char buf[PBJSON_SCALAR_TEXT];

	if (!pbjson_timestamp_text(t->seconds, t->nanos, buf))
		return pbjson_fail(p->detail, ERR_INVALID, at, "is a time outside of the years 1 to 9999");
	str_printf(p->out, "\"%s\"", buf);
	return ERR_OK;
}

static err_t print_duration(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	const Google__Protobuf__Duration *d = (const void *)msg;
	char buf[PBJSON_SCALAR_TEXT];

	if (!pbjson_duration_text(d->seconds, d->nanos, buf))
		return pbjson_fail(p->detail, ERR_INVALID, at, "is a duration beyond 10,000 years, or of mixed signs");
	str_printf(p->out, "\"%s\"", buf);
	return ERR_OK;
}

static err_t print_field_mask(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	const Google__Protobuf__FieldMask *m = (const void *)msg;
	struct str joined = STR_INIT;
	err_t e;

	for (size_t i = 0; i < m->n_paths; i++) {
		char camel[256];

		if (strlen(m->paths[i]) >= sizeof(camel)) {
			str_done(&joined);
			return pbjson_fail(p->detail, ERR_INVALID, at, "a path is longer than %zu", sizeof(camel) - 1);
		}
		pbjson_camel(m->paths[i], camel, sizeof(camel));
		str_printf(&joined, "%s%s", i ? "," : "", camel);
	}
	e = joined.failed ? ERR_EXHAUSTED : print_text(p, str_text(&joined), at);
	str_done(&joined);
	return e;
}

/* google.protobuf.Value: the value of its oneof; nothing set counts as null. */
static err_t print_any_value(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	const Google__Protobuf__Value *v = (const void *)msg;

	for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];

		if ((uint32_t)v->kind_case == f->id && is_present(p, f, msg)) {
			if (f->type == PROTOBUF_C_TYPE_DOUBLE && !isfinite(v->number_value))
				return pbjson_fail(p->detail, ERR_INVALID, at, "is not a finite number");
			return print_value(p, f, member(msg, f->offset), at);
		}
	}
	str_append(p->out, "null");
	return ERR_OK;
}

static err_t print_message(struct printer *p, const ProtobufCMessage *msg, const struct pbjson_at *at)
{
	if (at->depth >= PBJSON_DEPTH_MAX)
		return pbjson_fail(p->detail, ERR_INVALID, at, "is nested deeper than %d", PBJSON_DEPTH_MAX);
	switch (pbjson_special_of(msg->descriptor)) {
	case PBJSON_TIMESTAMP:
		return print_timestamp(p, msg, at);
	case PBJSON_DURATION:
		return print_duration(p, msg, at);
	case PBJSON_FIELD_MASK:
		return print_field_mask(p, msg, at);
	case PBJSON_WRAPPER:
		return print_value(p, &msg->descriptor->fields[0], member(msg, msg->descriptor->fields[0].offset), at);
	case PBJSON_STRUCT:
		return print_map(p, &msg->descriptor->fields[0], msg, at);
	case PBJSON_LIST:
		return print_list(p, &msg->descriptor->fields[0], msg, at);
	case PBJSON_VALUE:
		return print_any_value(p, msg, at);
	case PBJSON_ANY:
		return pbjson_fail(p->detail, ERR_UNIMPLEMENTED, at, "google.protobuf.Any has no JSON form here");
	case PBJSON_PLAIN:
		break;
	}
	return print_plain(p, msg, at);
}

err_t pbjson_print(struct str *out, const ProtobufCMessage *msg, unsigned flags, struct err_detail *detail)
{
	struct printer p = { out, flags, detail };
	struct pbjson_at root = { NULL, "", 0, 0 };
	err_t e = print_message(&p, msg, &root);

	if (!e && out->failed)
		e = err_set(detail, ERR_EXHAUSTED, "", "out of memory");
	return e;
}
