/*
 * pbr: the few things that protobuf-c does not do: fields by name, copies, masks. For the code that treats all kinds of
 * resources alike. Messages are in an arena: nothing is freed one by one, strings may be replaced by pointers. Pure.
 */
#ifndef TM_PBR_H
#define TM_PBR_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/err.h"

/* Reading; a field that the message does not have is empty, false, 0, NULL. */
const char *pbr_string(const ProtobufCMessage *m, const char *field);
bool pbr_bool(const ProtobufCMessage *m, const char *field);
int32_t pbr_int32(const ProtobufCMessage *m, const char *field);
int64_t pbr_int64(const ProtobufCMessage *m, const char *field);
uint64_t pbr_u64(const ProtobufCMessage *m, const char *field);
const ProtobufCMessage *pbr_message(const ProtobufCMessage *m, const char *field);

/* Writing, fields that the message has (else nothing happens). The value is not copied. */
void pbr_set_string(ProtobufCMessage *m, const char *field, const char *value);
void pbr_set_u64(ProtobufCMessage *m, const char *field, uint64_t value);
void pbr_set_bool(ProtobufCMessage *m, const char *field, bool value);
/* A repeated message field. */
void pbr_set_messages(ProtobufCMessage *m, const char *field, ProtobufCMessage **list, size_t n);

/* All in the arena. NULL: no memory (unpack: or the bytes are no such message). */
ProtobufCMessage *pbr_new(struct arena *a, const ProtobufCMessageDescriptor *desc);
ProtobufCMessage *pbr_shallow(struct arena *a, const ProtobufCMessage *m);
ProtobufCMessage *pbr_unpack(struct arena *a, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size);
void *pbr_pack(struct arena *a, const ProtobufCMessage *m, size_t *ret_size);

/* Copies one top-level field (its value, not what it points to). */
void pbr_copy_field(ProtobufCMessage *to, const ProtobufCMessage *from, const ProtobufCFieldDescriptor *f);
/* Is it set to something (proto3: not zero, not empty)? */
bool pbr_field_set(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f);

#endif
