#include "pace/pace_book.h"

void pace_book_init(struct pace_book *b, struct bus_kv *kv, const char *key, pace_word_fn *fn, void *arg)
{
	*b = (struct pace_book){ .kv = kv, .fn = fn, .arg = arg };
	(void)str_copy(b->key, sizeof(b->key), key);
}

bool pace_book_waits(const struct pace_book *b)
{
	return b->pace.writing || b->reading;
}

void pace_book_told(struct pace_book *b, const struct bus_msg *msg)
{
	struct bucket book;
	struct err_detail bad;

	if (pace_from_pb(&book, msg->data, msg->size, &bad)) {
		b->fn(0, &bad, b->arg);
		return;
	}
	pace_read(&b->pace, &book, msg->seq);
	b->fn(0, NULL, b->arg);
}

static void on_read(err_t e, const struct bus_msg *msg, void *arg)
{
	static const struct bucket none;
	struct pace_book *b = arg;

	b->reading = false;
	if (!e) {
		if (b->pace.stale)
			b->pace.revision = 0; /* also of a KV that was lost and begins anew */
		pace_book_told(b, msg);
	} else if (e == ERR_NOT_FOUND) {
		pace_read(&b->pace, &none, 0);
		b->fn(0, NULL, b->arg);
	}
}

void pace_book_ask(struct pace_book *b)
{
	if (!b->reading)
		b->reading = bus_kv_get(b->kv, b->key, on_read, b) == ERR_OK;
}

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct pace_book *b = arg;

	b->fn(pace_written(&b->pace, !e, seq), NULL, b->arg);
}

void pace_book_write(struct pace_book *b)
{
	struct str out = STR_INIT;

	pace_to_pb(&out, &b->pace.next);
	if (out.failed || bus_kv_put(b->kv, b->key, out.data, out.len, b->pace.expected, on_written, b))
		(void)pace_written(&b->pace, false, 0);
	str_done(&out);
}
