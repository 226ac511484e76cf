/*
 * merge: the resource that is to be stored, from what is there, what was sent, and the update mask. Pure but for hashing.
 */
#ifndef TM_MERGE_H
#define TM_MERGE_H

#include "request.h"

struct merged {
	ProtobufCMessage *msg; /* in the job's arena; secrets hashed, name, etag and password empty */
	const char *password;  /* a new one in clear; "": none */
};
/* current NULL: creation. version becomes the agent's. */
err_t merge_resource(struct merged *ret, struct job *j, const ProtobufCMessage *current, const char *realm,
		     uint64_t version) MUST;
/* As it is answered: with name and etag, without secrets. */
ProtobufCMessage *merge_public(struct arena *a, const char *tenant, const struct kind *kind, const char *id,
			       const ProtobufCMessage *stored, uint64_t revision);
/* The mask of the request names this field; explicitly: by its name. */
bool merge_masked(const struct request *rq, const ProtobufCFieldDescriptor *f, bool *explicitly);
/* Every path is a field of the message, or "*". */
err_t merge_check_mask(const struct request *rq, struct err_detail *detail) MUST;

#endif
