/* docs: the comments of proto/, compiled in with the descriptors: what --help says of an option. */
#ifndef TRUNKLINE_DOCS_H
#define TRUNKLINE_DOCS_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/* The comment beside or above the field, on one line, cut to size; "" if there is none; returns buf. */
const char *docs_field(const ProtobufCMessageDescriptor *message, const char *field, char *buf, size_t size);
const char *docs_method(const ProtobufCServiceDescriptor *service, const char *method, char *buf, size_t size);

#endif
