#include "batch/batch.h"

#include "base/table.h"

#define SUBJECT_MAX 256
#define KEEP_BYTES  65536	 /* a buffer that grew beyond is given back */
#define IDLE_TURNS  10000	 /* a peer that is gone */
#define SPLIT_BYTES (256 * 1024) /* what is longer leaves at once, well below max_payload of NATS (1 MiB unless set) */

struct batch {
	UT_hash_handle hh;
	struct str data;
	unsigned idle_turns;
	char subject[SUBJECT_MAX];
};

static void drop(struct batches *b, struct batch *e)
{
	HASH_DEL(b->list, e);
	str_done(&e->data);
	mem_free(e);
}

void batches_init(struct batches *b, struct bus *bus)
{
	*b = (struct batches){ .bus = bus, .none = STR_INIT };
}

void batches_done(struct batches *b)
{
	struct batch *e, *tmp;

	HASH_ITER (hh, b->list, e, tmp)
		drop(b, e);
	str_done(&b->none);
}

static void send_now(struct batches *b, struct batch *e)
{
	b->failed += e->data.failed || bus_publish(b->bus, e->subject, e->data.data, e->data.len);
	e->idle_turns = 0;
	if (e->data.cap > KEEP_BYTES)
		str_done(&e->data);
	str_reset(&e->data);
}

struct str *batches_get(struct batches *b, const char *subject, bool *ret_fresh)
{
	struct batch *e;

	HASH_FIND_STR(b->list, subject, e);
	if (!e) {
		e = mem_zalloc(sizeof(*e));
		if (e && str_copy(e->subject, sizeof(e->subject), subject))
			HASH_ADD_STR(b->list, subject, e);
		if (!e || !TABLE_HAS(e)) {
			mem_free(e);
			str_reset(&b->none);
			*ret_fresh = false;
			return &b->none;
		}
	}
	if (e->data.len >= SPLIT_BYTES)
		send_now(b, e);
	*ret_fresh = e->data.len == 0;
	return &e->data;
}

unsigned batches_flush(struct batches *b)
{
	struct batch *e, *tmp;
	unsigned failed;

	HASH_ITER (hh, b->list, e, tmp) {
		if (!e->data.len && !e->data.failed) {
			if (++e->idle_turns > IDLE_TURNS)
				drop(b, e);
			continue;
		}
		send_now(b, e);
	}
	failed = b->failed;
	b->failed = 0;
	return failed;
}

void batches_drop(struct batches *b)
{
	for (struct batch *e = b->list; e; e = e->hh.next)
		str_reset(&e->data);
}
