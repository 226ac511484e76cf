/* A message in one block: protobuf-c allocates the message first, then each field; here they stand one after the other. */
#include "pbcheck/pbcheck.h"

#include "base/mem.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_LEAST 1024
#define ROOM_TIMES \
	4 /* what a message takes in memory, in times of its size on the wire: pointers and zeros are longer there */
#define CHUNK 16384
#define ALIGN 16

struct chunk {
	struct chunk *next;
	size_t used, room;
	alignas(ALIGN) uint8_t bytes[];
};

struct view {
	struct chunk *last;  /* which new fields go to */
	struct chunk *first; /* whose first bytes are the message */
	bool refused;
};

static struct chunk *chunk_new(size_t room)
{
	struct chunk *c = mem_alloc(sizeof(*c) + room);

	if (c)
		*c = (struct chunk){ .room = room };
	return c;
}

static void chunks_free(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;

		mem_free(c);
		c = next;
	}
}

static void *view_alloc(void *arg, size_t size)
{
	struct view *v = arg;
	size_t n = (size + ALIGN - 1) / ALIGN * ALIGN;
	void *p;

	if (n > v->last->room - v->last->used) {
		struct chunk *more = chunk_new(n > CHUNK ? n : CHUNK);

		if (!more) {
			v->refused = true;
			return NULL;
		}
		v->last->next = more;
		v->last = more;
	}
	p = v->last->bytes + v->last->used;
	v->last->used += n;
	return p;
}

static void view_free(void *arg, void *p)
{
	(void)arg;
	(void)p; /* goes with its chunk */
}

err_t pbcheck_view(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const void *bytes, size_t size,
		   struct err_detail *detail)
{
	struct view v = { 0 };
	ProtobufCAllocator a = { view_alloc, view_free, &v };
	ProtobufCMessage *msg;
	err_t e = pbcheck(desc, bytes, size, detail);

	if (e)
		return e;
	v.first = v.last = chunk_new(desc->sizeof_message + ROOM_LEAST + ROOM_TIMES * size);
	if (!v.first)
		return err_set(detail, ERR_EXHAUSTED, "", "no memory for a %s", desc->name);
	msg = protobuf_c_message_unpack(desc, &a, size, bytes);
	if (!msg || (uint8_t *)msg != v.first->bytes) {
		chunks_free(v.first);
		return v.refused ? err_set(detail, ERR_EXHAUSTED, "", "no memory for a %s", desc->name)
				 : err_set(detail, ERR_INVALID, "", "is not a valid %s", desc->name);
	}
	*ret = msg;
	return ERR_OK;
}

void pbcheck_view_done(ProtobufCMessage *msg)
{
	if (msg)
		chunks_free((struct chunk *)((uint8_t *)msg - offsetof(struct chunk, bytes)));
}
