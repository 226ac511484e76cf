/*
 * Reading a stream in its order, without state at the server: an unacknowledged pull consumer of our own, begun again
 * behind the last message whenever the connection or the consumer is lost.
 */
#include "origin.h"
#include "pull.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000LL
#define AGAIN_MS  250
#define INFO_MS	  2000

struct bus_reader {
	struct bus *bus;
	struct pull pull;
	struct bus_hook hook;
	struct loop_timer again, info;
	struct request *creating, *asking;
	struct origin origin;
	uint64_t next_seq, consumer_seq;
	size_t window, busy;
	int64_t behind;
	bus_msg_fn *fn;
	bus_raw_fn *raw_fn; /* instead of fn, with headers; the message is released at once */
	void (*caught_up)(void *arg);
	void *arg;
	bool *freed;
	char stream[64], consumer[64], filter[200];
};

static void start(void *arg);

static void want(struct bus_reader *r)
{
	if (!r->creating && r->busy < r->window)
		pull_want(&r->pull, r->window - r->busy, r->window);
}

static void begin_again(void *arg)
{
	struct bus_reader *r = arg;

	bus_request_cancel(&r->creating);
	pull_stop(&r->pull);
	if (r->bus->conn.state == CONN_UP)
		loop_timer_start(&r->again, AGAIN_MS);
	else
		loop_timer_stop(&r->again);
}

static void on_msg(const struct bus_raw *raw, void *arg)
{
	struct bus_reader *r = arg;
	struct bus_msg msg = raw->msg;
	struct js_meta meta;
	bool freed = false;

	if (!js_meta_parse(msg.reply, &meta))
		return;
	if (meta.consumer_seq != r->consumer_seq + 1) {
		begin_again(r);
		return;
	}
	r->consumer_seq = meta.consumer_seq;
	r->next_seq = meta.stream_seq + 1;
	r->behind = (int64_t)meta.pending;
	r->busy++;
	msg.reply = NULL;
	msg.seq = meta.stream_seq;
	msg.time_ms = meta.time_ms;
	msg.deliveries = 1;
	r->freed = &freed;
	if (r->raw_fn) {
		r->busy--;
		r->raw_fn(&(struct bus_raw){ msg, raw->headers, raw->headers_size, raw->status }, r->arg);
		if (!freed && meta.pending == 0)
			r->caught_up(r->arg);
	} else {
		r->fn(&msg, r->arg);
	}
	if (freed)
		return;
	r->freed = NULL;
	want(r);
}

static void on_more(void *arg)
{
	want(arg);
}

static void on_created(const struct bus_raw *raw, void *arg)
{
	struct bus_reader *r = arg;
	json_t *answer = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	bool ok = answer && !api_error(answer);

	r->creating = NULL;
	if (ok)
		r->behind = (int64_t)json_integer_value(json_object_get(answer, "num_pending"));
	json_decref(answer);
	if (!ok || pull_start(&r->pull)) {
		begin_again(r);
		return;
	}
	origin_check(&r->origin);
	want(r);
	if (r->behind == 0 && r->caught_up)
		r->caught_up(r->arg); /* last: the owner may free us */
}

static void on_replaced(void *arg)
{
	struct bus_reader *r = arg;

	r->next_seq = 0;
	begin_again(r);
}

static json_t *create_body(const struct bus_reader *r)
{
	json_t *config = json_pack("{s:s, s:s, s:s, s:I, s:i, s:b}", "name", r->consumer, "ack_policy", "none",
				   "deliver_policy", r->next_seq ? "by_start_sequence" : "all", "inactive_threshold",
				   (json_int_t)(60000 * NS_PER_MS), "num_replicas", 1, "mem_storage", 1);

	if (config && r->next_seq)
		json_object_set_new(config, "opt_start_seq", json_integer((json_int_t)r->next_seq));
	if (config && r->filter[0])
		json_object_set_new(config, "filter_subject", json_string(r->filter));
	return config ? json_pack("{s:s, s:o}", "stream_name", r->stream, "config", config) : NULL;
}

static void start(void *arg)
{
	struct bus_reader *r = arg;
	char path[BUS_SUBJECT_MAX];
	json_t *body;

	bus_request_cancel(&r->creating);
	pull_stop(&r->pull);
	if (r->bus->conn.state != CONN_UP)
		return;
	r->consumer_seq = 0;
	(void)snprintf(r->consumer, sizeof(r->consumer), "r%.32s%llu", r->bus->inbox.prefix + 7,
		       (unsigned long long)++r->bus->next_delivery);
	(void)snprintf(path, sizeof(path), "CONSUMER.CREATE.%s.%s", r->stream, r->consumer);
	body = create_body(r);
	if (!body || api_send(&r->creating, r->bus, path, body, on_created, r, false)) {
		r->creating = NULL;
		begin_again(r);
	}
	json_decref(body);
}

/* ---- lag: what deliveries say of it is old when the window is full ----------------------------------------------- */

static void on_info(const struct bus_raw *raw, void *arg)
{
	struct bus_reader *r = arg;
	json_t *info = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;

	r->asking = NULL;
	if (info && !api_error(info))
		r->behind = (int64_t)json_integer_value(json_object_get(info, "num_pending"));
	json_decref(info);
	loop_timer_start(&r->info, INFO_MS);
}

static void ask_info(void *arg)
{
	struct bus_reader *r = arg;
	char path[BUS_SUBJECT_MAX];

	(void)snprintf(path, sizeof(path), "CONSUMER.INFO.%s.%s", r->stream, r->consumer);
	if (r->creating || r->bus->conn.state != CONN_UP || api_send(&r->asking, r->bus, path, NULL, on_info, r, false))
		loop_timer_start(&r->info, INFO_MS);
}

void bus_reader_release(struct bus_reader *r, size_t n)
{
	r->busy = n < r->busy ? r->busy - n : 0;
	want(r);
}

int64_t bus_reader_lag(const struct bus_reader *r)
{
	return r->bus->conn.state == CONN_UP && r->behind >= 0 ? r->behind + (int64_t)r->busy : -1;
}

void bus_reader_poll(struct bus_reader *r, int64_t poll_ms)
{
	if (r->pull.poll_ms == poll_ms)
		return;
	r->pull.poll_ms = poll_ms;
	r->pull.empty = r->pull.resting = false;
	r->pull.got = 0;
	loop_timer_stop(&r->pull.poll);
	want(r);
}

err_t bus_read(struct bus_reader **ret, struct bus *bus, const struct bus_reader_params *p)
{
	return bus_read_raw(ret, bus, p, NULL, NULL);
}

err_t bus_read_raw(struct bus_reader **ret, struct bus *bus, const struct bus_reader_params *p, bus_raw_fn *raw_fn,
		   void (*caught_up)(void *arg))
{
	struct bus_reader *r;

	if (str_empty(p->stream) || strlen(p->stream) >= sizeof(r->stream) ||
	    (p->filter && strlen(p->filter) >= sizeof(r->filter)))
		return ERR_INVALID;
	r = mem_zalloc(sizeof(*r));
	if (!r)
		return ERR_EXHAUSTED;
	r->bus = bus;
	r->fn = p->fn;
	r->raw_fn = raw_fn;
	r->caught_up = caught_up;
	r->arg = p->arg;
	r->behind = -1;
	r->next_seq = p->start_seq;
	r->window = p->window ? p->window : 1024;
	(void)str_copy(r->stream, sizeof(r->stream), p->stream);
	(void)str_copy(r->filter, sizeof(r->filter), p->filter ? p->filter : "");
	r->pull = (struct pull){ .stream = r->stream,
				 .consumer = r->consumer,
				 .fn = on_msg,
				 .more = on_more,
				 .lost = begin_again,
				 .arg = r };
	pull_init(&r->pull, bus);
	r->pull.poll_ms = p->poll_ms;
	r->origin = (struct origin){ .bus = bus, .stream = r->stream, .replaced = on_replaced, .arg = r };
	loop_timer_init(&r->again, bus->loop, start, r);
	loop_timer_init(&r->info, bus->loop, ask_info, r);
	loop_timer_start(&r->info, INFO_MS);
	r->hook = (struct bus_hook){ .on_up = start, .on_down = begin_again, .arg = r };
	bus_hook_add(bus, &r->hook);
	start(r);
	*ret = r;
	return ERR_OK;
}

void bus_reader_free(struct bus_reader **ref)
{
	struct bus_reader *r = *ref;

	if (!r)
		return;
	if (r->freed)
		*r->freed = true;
	bus_hook_remove(r->bus, &r->hook);
	bus_request_cancel(&r->creating);
	bus_request_cancel(&r->asking);
	origin_done(&r->origin);
	pull_done(&r->pull);
	loop_timer_done(&r->again);
	loop_timer_done(&r->info);
	mem_free(r);
	*ref = NULL;
}
