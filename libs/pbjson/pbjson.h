/*
 * pbjson: protobuf-c messages as JSON and back, over their descriptors: the proto3 JSON mapping. Any thread.
 *
 * Fields are lowerCamelCase, enums their names, 64-bit integers strings, bytes base64; Timestamp, Duration, FieldMask,
 * Struct, Value, ListValue and the wrappers have their own forms; maps are objects. Fields with their default value are
 * left out. Parsing takes also the proto names, numbers for enums and 64-bit integers, and base64 of either alphabet.
 *
 *	ProtobufCMessage *msg;
 *	err_t e = pbjson_parse(&msg, &trunkline__config__v1__flow__descriptor, text, size, 0, &detail);
 *	// detail.field "steps[2].collect.maxDigits", detail.message "line …" or what would be right
 *	…
 *	protobuf_c_message_free_unpacked(msg, NULL);
 *
 * Source: https://protobuf.dev/programming-guides/json/. Not supported: Any (UNIMPLEMENTED), the json_name option
 * (protobuf-c does not keep it), proto2 groups and extensions.
 */
#ifndef PBJSON_PBJSON_H
#define PBJSON_PBJSON_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include "base/err.h"
#include "base/str.h"

#define PBJSON_BYTES_MAX  (4 << 20) /* of a text to parse */
#define PBJSON_DEPTH_MAX  64	    /* nested objects and arrays */
#define PBJSON_VALUES_MAX 131072    /* in one text: bounds the memory that few bytes can ask for */

enum pbjson_flag {
	PBJSON_IGNORE_UNKNOWN = 1, /* parse: skip unknown fields, do not refuse them */
	PBJSON_DEFAULTS = 2,	   /* print: also fields that have their default value */
	PBJSON_PRETTY = 4,	   /* print: one field a line, indented by two blanks */
	PBJSON_PROTO_NAMES = 8,	   /* print: agent_id, not agentId */
};

/* Appends the JSON of msg to out. ERR_INVALID: a string is not UTF-8, a time is out of range or it is nested too deeply
 * (detail, which may be NULL, says where); ERR_EXHAUSTED: no memory. */
err_t pbjson_print(struct str *out, const ProtobufCMessage *msg, unsigned flags, struct err_detail *detail) MUST;

/* A new message of that type; size bytes at text, no NUL needed. ERR_INVALID with the field's path in detail. */
err_t pbjson_parse(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const char *text, size_t size,
		   unsigned flags, struct err_detail *detail) MUST;

#endif
