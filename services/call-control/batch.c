#include "batch.h"

#include "base/mem.h"

#define KEEP_BYTES 65536 /* a buffer that grew beyond is given back */

void batches_init(struct batches *b, struct bus *bus)
{
	b->bus = bus;
	b->list = NULL;
	b->none = (struct str)STR_INIT;
}

void batches_done(struct batches *b)
{
	struct batch *e, *tmp;

	HASH_ITER (hh, b->list, e, tmp) {
		HASH_DEL(b->list, e);
		str_done(&e->data);
		mem_free(e);
	}
	str_done(&b->none);
}

struct str *batches_get(struct batches *b, const char *subject, bool *ret_fresh)
{
	struct batch *e;

	HASH_FIND_STR(b->list, subject, e);
	if (!e) {
		e = mem_zalloc(sizeof(*e));
		if (!e) {
			str_reset(&b->none);
			*ret_fresh = false;
			return &b->none;
		}
		str_copy(e->subject, sizeof(e->subject), subject);
		HASH_ADD_STR(b->list, subject, e);
	}
	*ret_fresh = e->data.len == 0;
	return &e->data;
}

unsigned batches_flush(struct batches *b)
{
	struct batch *e, *tmp;
	unsigned failed = 0;

	HASH_ITER (hh, b->list, e, tmp) {
		if (e->data.len) {
			if (e->data.failed || bus_publish(b->bus, e->subject, e->data.data, e->data.len))
				failed++;
			e->idle_turns = 0;
			if (e->data.cap > KEEP_BYTES)
				str_done(&e->data);
			str_reset(&e->data);
		} else if (++e->idle_turns > 10000) {
			HASH_DEL(b->list, e); /* a peer that is gone */
			str_done(&e->data);
			mem_free(e);
		}
	}
	return failed;
}
