/*
 * media_wire: protobuf of trunkline.media.v1 ↔ plain structs. Everything from outside is checked here.
 *
 *	err_t e = commands_from_pb(bytes, size, on_command, on_bad, self, &detail);
 *	event_to_pb(&ev, "media-1", &batch);     // appends to a MediaEvents message
 */
#ifndef MEDIA_WIRE_H
#define MEDIA_WIRE_H

#include "base/str.h"
#include "command.h"

/* Calls on_command for each command in order; one that does not validate goes to on_bad with what is right in it (ids are
 * empty if they are wrong themselves), the others are executed. ERR_INVALID: the batch as a whole is unusable. */
err_t commands_from_pb(const void *bytes, size_t size, void (*on_command)(const struct command *c, void *arg),
		       void (*on_bad)(const struct command *c, const struct err_detail *d, void *arg), void *arg,
		       struct err_detail *detail) MUST;
void event_to_pb(const struct event *ev, const char *instance, struct str *batch);
void heartbeat_to_pb(const char *instance, const char *pool, unsigned load, unsigned capacity, bool draining,
		     uint64_t incarnation, struct str *out);

#endif
