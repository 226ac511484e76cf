#include "pbjson_internal.h"
#include "base/mem.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/field_mask.pb-c.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	unsigned flags;
	struct err_detail *detail;
};

static err_t parse_message(struct parser *p, const ProtobufCMessageDescriptor *desc, const json_t *v,
			   const struct pbjson_at *at, ProtobufCMessage **ret);

static void *member(ProtobufCMessage *msg, unsigned offset)
{
	return (char *)msg + offset;
}

static err_t no_memory(struct parser *p, const struct pbjson_at *at)
{
	return pbjson_fail(p->detail, ERR_EXHAUSTED, at, "out of memory");
}

#define SHOWN_MAX 80

/* What is there, for people. */
static const char *shown(const json_t *got, char buf[SHOWN_MAX])
{
	static const char *const names[] = {
		[JSON_OBJECT] = ERR_TEXT("an object"), [JSON_ARRAY] = ERR_TEXT("an array"),
		[JSON_STRING] = ERR_TEXT("a string"),  [JSON_INTEGER] = ERR_TEXT("an integer"),
		[JSON_REAL] = ERR_TEXT("a fraction"),  [JSON_TRUE] = ERR_TEXT("true"),
		[JSON_FALSE] = ERR_TEXT("false"),      [JSON_NULL] = ERR_TEXT("null"),
	};

	if (!json_is_string(got))
		/* The null check of json_is_string is not a doubt. NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		return names[json_typeof(got)];
	snprintf(buf, SHOWN_MAX, "\"%.60s\"", json_string_value(got));
	return buf;
}

static err_t expected(struct parser *p, const struct pbjson_at *at, const char *what, const json_t *got)
{
	char buf[SHOWN_MAX];

	return pbjson_fail(p->detail, ERR_INVALID, at, "must be %s, not %s", what, shown(got, buf));
}

/* ---- scalars ---------------------------------------------------------------------------------------------------- */

/* An integer in any of its forms: 5, 5.0, 5e0, "5". */
static bool to_i64(const json_t *v, int64_t *ret)
{
	double d;

	switch (json_typeof(v)) {
	case JSON_INTEGER:
		*ret = json_integer_value(v);
		return true;
	case JSON_REAL:
		d = json_real_value(v);
		if (d != floor(d) || d < -9007199254740992.0 || d > 9007199254740992.0)
			return false;
		*ret = (int64_t)d;
		return true;
	case JSON_STRING:
		return str_to_i64(json_string_value(v), INT64_MIN, INT64_MAX, ret) == ERR_OK;
	default:
		return false;
	}
}

static bool to_u64(const json_t *v, uint64_t *ret)
{
	const char *s = json_string_value(v);
	int64_t i;
	char *end;

	if (to_i64(v, &i)) {
		*ret = (uint64_t)i;
		return i >= 0;
	}
	/* The upper half only as text. */
	if (!s || !isdigit((unsigned char)*s))
		return false;
	errno = 0;
	*ret = strtoull(s, &end, 10);
	return errno == 0 && *end == '\0';
}

static err_t parse_int(struct parser *p, const json_t *v, int64_t min, int64_t max, const struct pbjson_at *at,
		       int64_t *ret)
{
	char buf[SHOWN_MAX];

	if (to_i64(v, ret) && *ret >= min && *ret <= max)
		return ERR_OK;
	if (json_is_integer(v))
		return pbjson_fail(p->detail, ERR_INVALID, at,
				   "must be an integer from %" PRId64 " to %" PRId64 ", not %" JSON_INTEGER_FORMAT, min,
				   max, json_integer_value(v));
	return pbjson_fail(p->detail, ERR_INVALID, at, "must be an integer from %" PRId64 " to %" PRId64 ", not %s",
			   min, max, shown(v, buf));
}

static err_t parse_i32(struct parser *p, const json_t *v, const struct pbjson_at *at, int32_t *ret)
{
	int64_t i = 0;
	err_t e = parse_int(p, v, INT32_MIN, INT32_MAX, at, &i);

	*ret = (int32_t)i;
	return e;
}

static err_t parse_u32(struct parser *p, const json_t *v, const struct pbjson_at *at, uint32_t *ret)
{
	int64_t i = 0;
	err_t e = parse_int(p, v, 0, UINT32_MAX, at, &i);

	*ret = (uint32_t)i;
	return e;
}

static bool text_to_double(const char *s, double *ret)
{
	char *end;

	if (str_eq(s, "NaN") || str_eq(s, "Infinity") || str_eq(s, "-Infinity")) {
		*ret = strtod(s, NULL);
		return true;
	}
	/* strtod alone would take spaces, hexadecimal numbers and more names. */
	if (!isdigit((unsigned char)s[*s == '-']) || strspn(s, "0123456789+-.eE") != strlen(s))
		return false;
	*ret = strtod(s, &end);
	return *end == '\0' && isfinite(*ret);
}

static err_t parse_double(struct parser *p, const json_t *v, double max, const struct pbjson_at *at, double *ret)
{
	if (json_is_string(v)) {
		if (!text_to_double(json_string_value(v), ret))
			return expected(p, at, "a number", v);
	} else if (json_is_number(v)) {
		*ret = json_number_value(v);
	} else {
		return expected(p, at, "a number", v);
	}
	if (isfinite(*ret) && fabs(*ret) > max)
		return pbjson_fail(p->detail, ERR_INVALID, at, "is too large for a float");
	return ERR_OK;
}

static err_t parse_bool(struct parser *p, const json_t *v, const struct pbjson_at *at, protobuf_c_boolean *ret)
{
	if (!json_is_boolean(v))
		return expected(p, at, "true or false", v);
	*ret = json_is_true(v);
	return ERR_OK;
}

static err_t unknown_enum(struct parser *p, const ProtobufCEnumDescriptor *desc, const json_t *v,
			  const struct pbjson_at *at)
{
	struct str all = STR_INIT;
	char buf[SHOWN_MAX];
	err_t e;

	for (unsigned i = 0; i < desc->n_values; i++)
		str_printf(&all, "%s%s", i ? ", " : "", desc->values[i].name);
	e = pbjson_fail(p->detail, ERR_INVALID, at, "must be one of %s, not %s", str_text(&all), shown(v, buf));
	str_done(&all);
	return e;
}

static err_t parse_enum(struct parser *p, const ProtobufCEnumDescriptor *desc, const json_t *v,
			const struct pbjson_at *at, int32_t *ret)
{
	const ProtobufCEnumValue *known;

	if (json_is_null(v) && strcmp(desc->name, "google.protobuf.NullValue") == 0) {
		*ret = 0;
		return ERR_OK;
	}
	if (json_is_integer(v))
		return parse_i32(p, v, at, ret); /* proto3 enums are open */
	known = json_is_string(v) ? protobuf_c_enum_descriptor_get_value_by_name(desc, json_string_value(v)) : NULL;
	if (!known)
		return unknown_enum(p, desc, v, at);
	*ret = known->value;
	return ERR_OK;
}

static err_t parse_text(struct parser *p, const json_t *v, const struct pbjson_at *at, char **ret)
{
	char *copy;

	if (!json_is_string(v))
		return expected(p, at, "a string", v);
	copy = mem_strdup(json_string_value(v));
	if (!copy)
		return no_memory(p, at);
	*ret = copy;
	return ERR_OK;
}

static err_t parse_bytes(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCBinaryData *ret)
{
	uint8_t *data;
	size_t size;

	if (!json_is_string(v))
		return expected(p, at, "base64 text", v);
	data = mem_alloc(json_string_length(v) / 4 * 3 + 3);
	if (!data)
		return no_memory(p, at);
	if (!pbjson_base64_parse(json_string_value(v), data, &size)) {
		mem_free(data);
		return expected(p, at, "base64 text", v);
	}
	ret->data = data;
	ret->len = size;
	return ERR_OK;
}

/* ret: a member of the field's type, not yet set. */
static err_t parse_value(struct parser *p, const ProtobufCFieldDescriptor *f, const json_t *v,
			 const struct pbjson_at *at, void *ret)
{
	double d = 0;
	err_t e;

	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		return parse_i32(p, v, at, ret);
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return parse_u32(p, v, at, ret);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		return parse_int(p, v, INT64_MIN, INT64_MAX, at, ret);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return to_u64(v, ret) ? ERR_OK : expected(p, at, "an integer from 0 to 18446744073709551615", v);
	case PROTOBUF_C_TYPE_FLOAT:
		e = parse_double(p, v, 3.4028235677973366e38, at, &d);
		*(float *)ret = (float)d;
		return e;
	case PROTOBUF_C_TYPE_DOUBLE:
		return parse_double(p, v, HUGE_VAL, at, ret);
	case PROTOBUF_C_TYPE_BOOL:
		return parse_bool(p, v, at, ret);
	case PROTOBUF_C_TYPE_ENUM:
		return parse_enum(p, f->descriptor, v, at, ret);
	case PROTOBUF_C_TYPE_STRING:
		return parse_text(p, v, at, ret);
	case PROTOBUF_C_TYPE_BYTES:
		return parse_bytes(p, v, at, ret);
	case PROTOBUF_C_TYPE_MESSAGE:
		return parse_message(p, f->descriptor, v, at, ret);
	}
	return ERR_INTERNAL;
}

/* ---- fields ----------------------------------------------------------------------------------------------------- */

/* Whether JSON's null is a value of this field, not its absence. */
static bool null_is_value(const ProtobufCFieldDescriptor *f)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE)
		return pbjson_special_of(f->descriptor) == PBJSON_VALUE;
	return f->type == PROTOBUF_C_TYPE_ENUM &&
	       strcmp(((const ProtobufCEnumDescriptor *)f->descriptor)->name, "google.protobuf.NullValue") == 0;
}

static err_t parse_list(struct parser *p, const ProtobufCFieldDescriptor *f, const json_t *v,
			const struct pbjson_at *at, ProtobufCMessage *msg)
{
	size_t size = pbjson_size_of(f->type), *n = member(msg, f->quantifier_offset);
	char *items;

	if (!json_is_array(v))
		return expected(p, at, "an array", v);
	if (json_array_size(v) == 0)
		return ERR_OK;
	items = mem_array(json_array_size(v), size);
	if (!items)
		return no_memory(p, at);
	*(void **)member(msg, f->offset) = items;
	while (*n < json_array_size(v)) {
		struct pbjson_at here = { at, NULL, *n, at->depth + 1 };
		const json_t *item = json_array_get(v, *n);
		err_t e;

		if (json_is_null(item) && !null_is_value(f))
			return pbjson_fail(p->detail, ERR_INVALID, &here, "null is not allowed in an array");
		e = parse_value(p, f, item, &here, items + *n * size);
		if (e)
			return e;
		++*n;
	}
	return ERR_OK;
}

/* A map's key is always text in JSON. */
static err_t parse_key(struct parser *p, const ProtobufCFieldDescriptor *f, const char *key, const struct pbjson_at *at,
		       void *ret)
{
	json_t *text;
	err_t e;

	if (f->type == PROTOBUF_C_TYPE_BOOL) {
		*(protobuf_c_boolean *)ret = str_eq(key, "true");
		if (str_eq(key, "true") || str_eq(key, "false"))
			return ERR_OK;
		return pbjson_fail(p->detail, ERR_INVALID, at, "the key must be true or false");
	}
	text = json_string(key);
	if (!text)
		return no_memory(p, at);
	e = parse_value(p, f, text, at, ret);
	json_decref(text);
	return e;
}

static err_t parse_entry(struct parser *p, const ProtobufCMessageDescriptor *desc, const char *key, const json_t *v,
			 const struct pbjson_at *at, ProtobufCMessage **ret)
{
	const ProtobufCFieldDescriptor *of_value = &desc->fields[1];
	ProtobufCMessage *entry = mem_zalloc(desc->sizeof_message);
	err_t e;

	if (!entry)
		return no_memory(p, at);
	desc->message_init(entry);
	if (json_is_null(v) && !null_is_value(of_value))
		e = pbjson_fail(p->detail, ERR_INVALID, at, "null is not allowed in a map");
	else
		e = parse_key(p, &desc->fields[0], key, at, member(entry, desc->fields[0].offset));
	if (!e)
		e = parse_value(p, of_value, v, at, member(entry, of_value->offset));
	if (e)
		protobuf_c_message_free_unpacked(entry, NULL);
	else
		*ret = entry;
	return e;
}

static err_t parse_map(struct parser *p, const ProtobufCFieldDescriptor *f, const json_t *v, const struct pbjson_at *at,
		       ProtobufCMessage *msg)
{
	size_t *n = member(msg, f->quantifier_offset);
	ProtobufCMessage **entries;
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return expected(p, at, "an object", v);
	if (json_object_size(v) == 0)
		return ERR_OK;
	entries = mem_array(json_object_size(v), sizeof(*entries));
	if (!entries)
		return no_memory(p, at);
	*(void **)member(msg, f->offset) = entries;
	json_object_foreach((json_t *)v, key, value)
	{
		struct pbjson_at here = { at, key, 0, at->depth + 1 };
		err_t e = parse_entry(p, f->descriptor, key, value, &here, &entries[*n]);

		if (e)
			return e;
		++*n;
	}
	return ERR_OK;
}

static err_t parse_field(struct parser *p, const ProtobufCFieldDescriptor *f, const json_t *v,
			 const struct pbjson_at *at, ProtobufCMessage *msg)
{
	bool one_of = f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
	uint32_t *which = member(msg, f->quantifier_offset);
	err_t e;

	if (json_is_null(v) && !null_is_value(f))
		return ERR_OK;
	if (pbjson_is_map(msg->descriptor, f))
		return parse_map(p, f, v, at, msg);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return parse_list(p, f, v, at, msg);
	if (one_of && *which)
		return pbjson_fail(p->detail, ERR_INVALID, at, "another field of the same choice is set already");
	e = parse_value(p, f, v, at, member(msg, f->offset));
	if (!e && one_of)
		*which = f->id;
	else if (!e && f->label == PROTOBUF_C_LABEL_OPTIONAL && f->quantifier_offset)
		*(protobuf_c_boolean *)which = 1;
	return e;
}

static err_t unknown_field(struct parser *p, const ProtobufCMessageDescriptor *desc, const struct pbjson_at *at)
{
	struct str known = STR_INIT;
	err_t e;

	for (unsigned i = 0; i < desc->n_fields; i++) {
		char camel[128];

		pbjson_camel(desc->fields[i].name, camel, sizeof(camel));
		str_printf(&known, "%s%s", i ? ", " : "", camel);
	}
	e = pbjson_fail(p->detail, ERR_INVALID, at, "unknown field; %s has %s", desc->short_name,
			desc->n_fields ? str_text(&known) : "none");
	str_done(&known);
	return e;
}

static err_t parse_plain(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	uint64_t seen[8] = { 0 };
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return expected(p, at, "an object", v);
	json_object_foreach((json_t *)v, key, value)
	{
		struct pbjson_at here = { at, key, 0, at->depth + 1 };
		const ProtobufCFieldDescriptor *f = pbjson_field(desc, key);
		size_t i;
		err_t e;

		if (!f && (p->flags & PBJSON_IGNORE_UNKNOWN))
			continue;
		if (!f)
			return unknown_field(p, desc, &here);
		i = (size_t)(f - desc->fields);
		if (i >= sizeof(seen) * 8)
			return pbjson_fail(p->detail, ERR_UNIMPLEMENTED, &here, "messages of more than 512 fields");
		if (seen[i / 64] & (1ull << i % 64))
			return pbjson_fail(p->detail, ERR_INVALID, &here, "is given twice, by both of its names");
		seen[i / 64] |= 1ull << i % 64;
		e = parse_field(p, f, value, &here, msg);
		if (e)
			return e;
	}
	return ERR_OK;
}

/* ---- messages with a form of their own -------------------------------------------------------------------------- */

static err_t parse_timestamp(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	Google__Protobuf__Timestamp *t = (Google__Protobuf__Timestamp *)msg;

	if (json_is_string(v) && pbjson_timestamp_parse(json_string_value(v), &t->seconds, &t->nanos))
		return ERR_OK;
	return expected(p, at, "a time like \"2026-11-23T18:07:05.123Z\" (RFC 3339)", v);
}

static err_t parse_duration(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	Google__Protobuf__Duration *d = (Google__Protobuf__Duration *)msg;

	if (json_is_string(v) && pbjson_duration_parse(json_string_value(v), &d->seconds, &d->nanos))
		return ERR_OK;
	return expected(p, at, "a duration like \"1.500s\"", v);
}

/* One path of n bytes from lowerCamelCase to proto names. */
static char *snake(const char *path, size_t n)
{
	struct str s = STR_INIT;

	for (size_t i = 0; i < n; i++) {
		if (isupper((unsigned char)path[i]))
			str_append_c(&s, '_');
		str_append_c(&s, (char)tolower((unsigned char)path[i]));
	}
	if (s.failed)
		str_done(&s);
	return s.data;
}

static err_t parse_field_mask(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	Google__Protobuf__FieldMask *m = (Google__Protobuf__FieldMask *)msg;
	const char *text = json_string_value(v);
	size_t n = 1;

	if (!text || strchr(text, '_'))
		return expected(p, at, "paths like \"displayName,queue.skills\"", v);
	if (!*text)
		return ERR_OK;
	for (const char *c = text; *c; c++)
		n += *c == ',';
	m->paths = mem_array(n, sizeof(*m->paths));
	if (!m->paths)
		return no_memory(p, at);
	while (m->n_paths < n) {
		size_t len = strcspn(text, ",");

		if (len == 0)
			return expected(p, at, "paths like \"displayName,queue.skills\"", v);
		m->paths[m->n_paths] = snake(text, len);
		if (!m->paths[m->n_paths])
			return no_memory(p, at);
		m->n_paths++;
		text += len + 1;
	}
	return ERR_OK;
}

/* google.protobuf.Value: the field of its oneof that fits what is there. */
static err_t parse_any_value(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "struct_value",	 [JSON_ARRAY] = "list_value",  [JSON_STRING] = "string_value",
		[JSON_INTEGER] = "number_value", [JSON_REAL] = "number_value", [JSON_TRUE] = "bool_value",
		[JSON_FALSE] = "bool_value",	 [JSON_NULL] = "null_value",
	};

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as above */
	return parse_field(p, pbjson_field(msg->descriptor, names[json_typeof(v)]), v, at, msg);
}

static err_t fill(struct parser *p, const json_t *v, const struct pbjson_at *at, ProtobufCMessage *msg)
{
	const ProtobufCFieldDescriptor *first = msg->descriptor->fields;

	switch (pbjson_special_of(msg->descriptor)) {
	case PBJSON_TIMESTAMP:
		return parse_timestamp(p, v, at, msg);
	case PBJSON_DURATION:
		return parse_duration(p, v, at, msg);
	case PBJSON_FIELD_MASK:
		return parse_field_mask(p, v, at, msg);
	case PBJSON_WRAPPER:
		return parse_value(p, first, v, at, member(msg, first->offset));
	case PBJSON_STRUCT:
		return parse_map(p, first, v, at, msg);
	case PBJSON_LIST:
		return parse_list(p, first, v, at, msg);
	case PBJSON_VALUE:
		return parse_any_value(p, v, at, msg);
	case PBJSON_ANY:
		return pbjson_fail(p->detail, ERR_UNIMPLEMENTED, at, "google.protobuf.Any has no JSON form here");
	case PBJSON_PLAIN:
		break;
	}
	return parse_plain(p, v, at, msg);
}

static err_t parse_message(struct parser *p, const ProtobufCMessageDescriptor *desc, const json_t *v,
			   const struct pbjson_at *at, ProtobufCMessage **ret)
{
	ProtobufCMessage *msg = mem_zalloc(desc->sizeof_message);
	err_t e;

	if (!msg)
		return no_memory(p, at);
	desc->message_init(msg);
	e = fill(p, v, at, msg);
	if (e)
		protobuf_c_message_free_unpacked(msg, NULL);
	else
		*ret = msg;
	return e;
}

/* ---- the text --------------------------------------------------------------------------------------------------- */

/* Depth and number of values, before a tree is built from them. Whether it is JSON at all is not our business here. */
static err_t check_shape(const char *text, size_t size, struct err_detail *detail)
{
	size_t values = 1;
	int depth = 0;
	bool in_text = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (c == '"')
			in_text = !in_text;
		else if (in_text)
			i += c == '\\';
		else if (c == '{' || c == '[')
			depth++, values++;
		else if (c == '}' || c == ']')
			depth--;
		else if (c == ',')
			values++;
		if (depth > PBJSON_DEPTH_MAX)
			return err_set(detail, ERR_INVALID, "", "nested deeper than %d", PBJSON_DEPTH_MAX);
		if (values > PBJSON_VALUES_MAX)
			return err_set(detail, ERR_INVALID, "", "more than %d values", PBJSON_VALUES_MAX);
	}
	return ERR_OK;
}

static err_t load(json_t **ret, const char *text, size_t size, struct err_detail *detail)
{
	json_error_t error;
	err_t e;

	if (size > PBJSON_BYTES_MAX)
		return err_set(detail, ERR_INVALID, "", "longer than %d bytes", PBJSON_BYTES_MAX);
	e = check_shape(text, size, detail);
	if (e)
		return e;
	*ret = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (*ret)
		return ERR_OK;
	if (json_error_code(&error) == json_error_out_of_memory)
		return err_set(detail, ERR_EXHAUSTED, "", "out of memory");
	return err_set(detail, ERR_INVALID, "", "line %d, column %d: %s", error.line, error.column, error.text);
}

err_t pbjson_parse(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const char *text, size_t size,
		   unsigned flags, struct err_detail *detail)
{
	struct parser p = { flags, detail };
	struct pbjson_at root = { NULL, "", 0, 0 };
	json_t *tree = NULL;
	err_t e = load(&tree, text, size, detail);

	if (!e)
		e = parse_message(&p, desc, tree, &root, ret);
	json_decref(tree);
	return e;
}
