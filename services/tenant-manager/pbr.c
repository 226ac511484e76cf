#include "pbr.h"

#include <string.h>
#include "base/mem.h"

static const ProtobufCFieldDescriptor *find(const ProtobufCMessage *m, const char *name, ProtobufCType type)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);

	return f && f->type == type ? f : NULL;
}

static void *member(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	return (char *)m + f->offset;
}

const char *pbr_string(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_STRING);
	const char *s = f ? *(char **)member(m, f) : NULL;

	return s ? s : "";
}

bool pbr_bool(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_BOOL);

	return f && *(protobuf_c_boolean *)member(m, f);
}

int32_t pbr_int32(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_INT32);

	return f ? *(int32_t *)member(m, f) : 0;
}

int64_t pbr_int64(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_INT64);

	return f ? *(int64_t *)member(m, f) : 0;
}

uint64_t pbr_u64(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_UINT64);

	return f ? *(uint64_t *)member(m, f) : 0;
}

const ProtobufCMessage *pbr_message(const ProtobufCMessage *m, const char *field)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_MESSAGE);

	return f && f->label != PROTOBUF_C_LABEL_REPEATED ? *(ProtobufCMessage **)member(m, f) : NULL;
}

void pbr_set_string(ProtobufCMessage *m, const char *field, const char *value)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_STRING);

	if (f)
		*(char **)member(m, f) = (char *)value;
}

void pbr_set_u64(ProtobufCMessage *m, const char *field, uint64_t value)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_UINT64);

	if (f)
		*(uint64_t *)member(m, f) = value;
}

void pbr_set_bool(ProtobufCMessage *m, const char *field, bool value)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_BOOL);

	if (f)
		*(protobuf_c_boolean *)member(m, f) = value;
}

void pbr_set_messages(ProtobufCMessage *m, const char *field, ProtobufCMessage **list, size_t n)
{
	const ProtobufCFieldDescriptor *f = find(m, field, PROTOBUF_C_TYPE_MESSAGE);

	if (!f || f->label != PROTOBUF_C_LABEL_REPEATED)
		return;
	*(ProtobufCMessage ***)member(m, f) = list;
	*(size_t *)(void *)((char *)m + f->quantifier_offset) = n;
}

ProtobufCMessage *pbr_new(struct arena *a, const ProtobufCMessageDescriptor *desc)
{
	ProtobufCMessage *m = arena_alloc(a, desc->sizeof_message);

	if (m)
		protobuf_c_message_init(desc, m);
	return m;
}

ProtobufCMessage *pbr_shallow(struct arena *a, const ProtobufCMessage *m)
{
	return arena_dup(a, m, m->descriptor->sizeof_message);
}

static void *from_arena(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void keep(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

ProtobufCMessage *pbr_unpack(struct arena *a, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size)
{
	ProtobufCAllocator allocator = { .alloc = from_arena, .free = keep, .allocator_data = a };

	return protobuf_c_message_unpack(desc, &allocator, size, bytes);
}

void *pbr_pack(struct arena *a, const ProtobufCMessage *m, size_t *ret_size)
{
	size_t size = protobuf_c_message_get_packed_size(m);
	void *bytes = arena_alloc(a, size + 1);

	if (bytes)
		*ret_size = protobuf_c_message_pack(m, bytes);
	return bytes;
}

static size_t value_size(ProtobufCType type)
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

void pbr_copy_field(ProtobufCMessage *to, const ProtobufCMessage *from, const ProtobufCFieldDescriptor *f)
{
	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		memcpy(member(to, f), member(from, f), sizeof(void *));
		memcpy((char *)to + f->quantifier_offset, (const char *)from + f->quantifier_offset, sizeof(size_t));
	} else {
		memcpy(member(to, f), member(from, f), value_size(f->type));
	}
}

bool pbr_field_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	static const char zero[sizeof(ProtobufCBinaryData)];

	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return *(size_t *)(void *)((char *)m + f->quantifier_offset) > 0;
	if (f->type == PROTOBUF_C_TYPE_STRING) {
		const char *s = *(char **)member(m, f);

		return s && *s;
	}
	if (f->type == PROTOBUF_C_TYPE_BYTES)
		return ((ProtobufCBinaryData *)member(m, f))->len > 0;
	return memcmp(member(m, f), zero, value_size(f->type)) != 0;
}
