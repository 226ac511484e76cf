#include "pbjson_internal.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append_path(struct str *s, const struct pbjson_at *at)
{
	if (!at)
		return;
	append_path(s, at->up);
	if (!at->name)
		str_printf(s, "[%zu]", at->index);
	else if (*at->name)
		str_printf(s, "%s%s", s->len ? "." : "", at->name);
}

err_t pbjson_fail(struct err_detail *detail, err_t e, const struct pbjson_at *at, const char *fmt, ...)
{
	struct str path = STR_INIT;
	const char *shown;
	va_list ap;

	if (!detail)
		return e;
	append_path(&path, at);
	shown = str_text(&path);
	/* The end of a path says more than its beginning. */
	if (path.len >= sizeof(detail->field))
		shown += path.len - sizeof(detail->field) + 1;
	va_start(ap, fmt);
	(void)err_vset(detail, e, shown, fmt, ap);
	va_end(ap);
	str_done(&path);
	return e;
}

void pbjson_camel(const char *name, char *buf, size_t size)
{
	size_t n = 0;
	bool upper = false;

	for (; *name && n + 1 < size; name++) {
		if (*name == '_') {
			upper = true;
			continue;
		}
		buf[n++] = upper ? (char)toupper((unsigned char)*name) : *name;
		upper = false;
	}
	buf[n] = '\0';
}

bool pbjson_name_is(const char *name, const char *given)
{
	char camel[128];

	if (strcmp(name, given) == 0)
		return true;
	pbjson_camel(name, camel, sizeof(camel));
	return strcmp(camel, given) == 0;
}

bool pbjson_is_map(const ProtobufCMessageDescriptor *of, const ProtobufCFieldDescriptor *f)
{
	const ProtobufCMessageDescriptor *entry = f->descriptor;
	size_t len = strlen(of->name);
	char camel[128];
	const char *rest;

	if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE || entry->n_fields != 2 ||
	    strcmp(entry->fields[0].name, "key") || strcmp(entry->fields[1].name, "value"))
		return false;
	/* PARENT.FieldNameEntry */
	if (strncmp(entry->name, of->name, len) || entry->name[len] != '.')
		return false;
	rest = entry->name + len + 1;
	pbjson_camel(f->name, camel, sizeof(camel));
	camel[0] = (char)toupper((unsigned char)camel[0]);
	len = strlen(camel);
	return strncmp(rest, camel, len) == 0 && strcmp(rest + len, "Entry") == 0;
}

const ProtobufCFieldDescriptor *pbjson_field(const ProtobufCMessageDescriptor *desc, const char *name)
{
	for (unsigned i = 0; i < desc->n_fields; i++)
		if (pbjson_name_is(desc->fields[i].name, name))
			return &desc->fields[i];
	return NULL;
}

size_t pbjson_size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	default:
		return 4;
	}
}

enum pbjson_special pbjson_special_of(const ProtobufCMessageDescriptor *desc)
{
	static const char prefix[] = "google.protobuf.";
	static const struct {
		const char *name;
		enum pbjson_special special;
	} rows[] = {
		{ "Timestamp", PBJSON_TIMESTAMP },  { "Duration", PBJSON_DURATION },
		{ "FieldMask", PBJSON_FIELD_MASK }, { "DoubleValue", PBJSON_WRAPPER },
		{ "FloatValue", PBJSON_WRAPPER },   { "Int64Value", PBJSON_WRAPPER },
		{ "UInt64Value", PBJSON_WRAPPER },  { "Int32Value", PBJSON_WRAPPER },
		{ "UInt32Value", PBJSON_WRAPPER },  { "BoolValue", PBJSON_WRAPPER },
		{ "StringValue", PBJSON_WRAPPER },  { "BytesValue", PBJSON_WRAPPER },
		{ "Struct", PBJSON_STRUCT },	    { "Value", PBJSON_VALUE },
		{ "ListValue", PBJSON_LIST },	    { "Any", PBJSON_ANY },
	};

	if (strncmp(desc->name, prefix, sizeof(prefix) - 1) != 0)
		return PBJSON_PLAIN;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(desc->name + sizeof(prefix) - 1, rows[i].name) == 0)
			return rows[i].special;
	return PBJSON_PLAIN;
}
