/*
 * pbcheck: looks at protobuf bytes from outside before protobuf-c unpacks them. Any thread.
 *
 * protobuf-c accepts invalid UTF-8, cuts strings at NUL, recurses without bound and keeps every unknown field: so each
 * of these is refused here, with the path of the field. After it every string of the unpacked message is valid UTF-8
 * and is the whole string that was sent.
 *
 *	ProtobufCMessage *msg;
 *	err_t e = pbcheck_unpack(&msg, &x__descriptor, bytes, size, &detail);
 */
#ifndef PBCHECK_PBCHECK_H
#define PBCHECK_PBCHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include "base/err.h"

#define PBCHECK_DEPTH_MAX  32	  /* nested messages */
#define PBCHECK_FIELDS_MAX 131072 /* of all nested messages together: bounds the memory that few bytes can ask for */

err_t pbcheck(const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size, struct err_detail *detail) MUST;
/* Checks and unpacks; *ret is freed by protobuf_c_message_free_unpacked(*ret, NULL). ERR_INVALID or ERR_EXHAUSTED. */
err_t pbcheck_unpack(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size,
		     struct err_detail *detail) MUST;

/*
 * The same for a message that is looked at and let go: it stands in one block of memory (a second where the sizes surprise), which is a third of the
 * time of a block per field. Nothing of it may be changed, kept or freed singly; pbcheck_view_done() ends it, nothing else does (NULL: no effect).
 */
err_t pbcheck_view(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size,
		   struct err_detail *detail) MUST;
void pbcheck_view_done(ProtobufCMessage *msg);

#endif
