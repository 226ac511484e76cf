/*
 * Watching keys: an ordered push consumer of our own (no acknowledgement, idle heart-beats, flow control). Consumer
 * sequences must come without a hole; otherwise, after a reconnect, or when the heart-beat is missing, a new consumer
 * continues behind the last revision seen, so nothing is missed and nothing comes twice.
 */
#include "origin.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS    1000000LL
#define HEARTBEAT_MS 2000
#define SILENCE_MS   (3 * HEARTBEAT_MS)
#define AGAIN_MS     250
#define ASK_MS	     100  /* at most so often */
#define PROMISE_MS   1000 /* what was to come may have been replaced before it was sent: then it is asked anew */
#define CONSUMER     64

struct bus_kv_watch {
	struct bus_kv *kv;
	bus_kv_watch_fn *fn;
	void *arg;
	struct bus_hook hook;
	struct loop_timer timer; /* silence, or another attempt */
	struct request *creating, *asking;
	struct origin origin;
	struct bus_reader *reader; /* a polled watch is one, and has nothing of what follows but fn's */
	struct bus_sub *sub;	   /* of the present consumer */
	uint64_t last_seq;	   /* revision delivered last */
	uint64_t consumer_seq;	   /* of the present consumer */
	bool synced, afresh;	   /* afresh: the bucket was made anew, its values are all news */
	bool promised;		   /* what there was at asked_ms has come when consumer_seq is promised_seq */
	uint64_t promised_seq;
	int64_t asked_ms, known_ms; /* monotonic */
	char consumer[CONSUMER];    /* the present one */
	bool *freed;		    /* set when the owner frees us inside its callback */
	size_t prefix_len;
	char filter[];
};

static void start_consumer(struct bus_kv_watch *w);

static void synced(struct bus_kv_watch *w)
{
	if (w->synced)
		return;
	w->synced = true;
	w->fn(BUS_KV_SYNCED, NULL, NULL, w->arg);
}

static void drop_consumer(struct bus_kv_watch *w)
{
	bus_request_cancel(&w->creating);
	bus_request_cancel(&w->asking);
	bus_unsubscribe(&w->sub);
	w->promised = false;
}

static void again(struct bus_kv_watch *w)
{
	drop_consumer(w);
	if (w->kv->bus->conn.state == CONN_UP)
		loop_timer_start(&w->timer, AGAIN_MS);
	else
		loop_timer_stop(&w->timer);
}

static void on_control(struct bus_kv_watch *w, const struct bus_raw *raw)
{
	uint64_t last = nats_headers_u64(raw->headers, raw->headers_size, "Nats-Last-Consumer");
	char stalled[BUS_SUBJECT_MAX];
	const char *value;
	size_t len;

	if (raw->msg.reply) { /* flow control: the answer opens the window again */
		if (bus_publish(w->kv->bus, raw->msg.reply, NULL, 0))
			again(w);
		return;
	}
	value = nats_headers_find(raw->headers, raw->headers_size, "Nats-Consumer-Stalled", &len);
	if (value && len < sizeof(stalled)) {
		memcpy(stalled, value, len);
		stalled[len] = '\0';
		if (bus_publish(w->kv->bus, stalled, NULL, 0))
			again(w);
	}
	if (last > w->consumer_seq)
		start_consumer(w);
}

static void deliver(struct bus_kv_watch *w, const struct bus_raw *raw, const struct js_meta *meta)
{
	struct bus_msg msg = raw->msg;
	bool freed = false;

	w->last_seq = meta->stream_seq;
	w->afresh = false;
	msg.subject += w->prefix_len;
	msg.reply = NULL;
	msg.seq = meta->stream_seq;
	msg.time_ms = meta->time_ms;
	msg.deliveries = 1;
	w->freed = &freed;
	w->fn(kv_is_marker(raw) ? BUS_KV_DELETE : BUS_KV_PUT, msg.subject, &msg, w->arg);
	if (freed)
		return;
	if (meta->pending == 0)
		synced(w);
	if (!freed)
		w->freed = NULL;
}

static void on_msg(const struct bus_raw *raw, void *arg)
{
	struct bus_kv_watch *w = arg;
	struct js_meta meta;

	loop_timer_start(&w->timer, SILENCE_MS);
	if (raw->status == 100) {
		on_control(w, raw);
		return;
	}
	if (raw->status != 0 || !js_meta_parse(raw->msg.reply, &meta))
		return;
	if (meta.consumer_seq != w->consumer_seq + 1) {
		start_consumer(w);
		return;
	}
	w->consumer_seq = meta.consumer_seq;
	if (meta.stream_seq > w->last_seq && strlen(raw->msg.subject) > w->prefix_len)
		deliver(w, raw, &meta);
}

static void on_created(const struct bus_raw *raw, void *arg)
{
	struct bus_kv_watch *w = arg;
	json_t *answer = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	json_int_t before, pending;

	w->creating = NULL;
	if (!answer || api_error(answer)) {
		json_decref(answer);
		again(w);
		return;
	}
	pending = json_integer_value(json_object_get(answer, "num_pending"));
	before = json_integer_value(json_object_get(json_object_get(answer, "delivered"), "consumer_seq"));
	json_decref(answer);
	origin_check(&w->origin);
	if (pending + before == 0 && w->consumer_seq == 0)
		synced(w);
}

static json_t *consumer_config(const struct bus_kv_watch *w, const char *deliver, const char *name)
{
	json_t *c =
	    json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:i, s:b, s:I}", "name", name, "deliver_subject", deliver,
		      "filter_subject", w->filter, "ack_policy", "none", "flow_control", 1, "idle_heartbeat",
		      (json_int_t)(HEARTBEAT_MS * NS_PER_MS), "inactive_threshold", (json_int_t)(10000 * NS_PER_MS),
		      "num_replicas", 1, "mem_storage", 1, "max_deliver", (json_int_t)1);

	if (c && (w->last_seq ||
		  (w->synced && !w->afresh))) { /* nothing seen and synced: the bucket was empty, so from 1 on */
		json_object_set_new(c, "deliver_policy", json_string("by_start_sequence"));
		json_object_set_new(c, "opt_start_seq", json_integer((json_int_t)w->last_seq + 1));
	} else if (c) {
		json_object_set_new(c, "deliver_policy", json_string("last_per_subject"));
	}
	return c;
}

static void start_consumer(struct bus_kv_watch *w)
{
	struct bus *bus = w->kv->bus;
	char *name = w->consumer, path[BUS_SUBJECT_MAX];
	json_t *config = NULL, *body = NULL;

	drop_consumer(w);
	/* The name is unlike any other's: the connection's id and a number. */
	(void)snprintf(name, CONSUMER, "w%.32s%llu", bus->inbox.prefix + 7, (unsigned long long)bus->next_delivery);
	(void)snprintf(path, sizeof(path), "CONSUMER.CREATE.%s.%s", w->kv->stream, name);
	w->consumer_seq = 0;
	if (!bus_subscribe_raw(&w->sub, bus, on_msg, w))
		config = consumer_config(w, w->sub->subject, name);
	body = config ? json_pack("{s:s, s:o}", "stream_name", w->kv->stream, "config", config) : NULL;
	if (!body || api_send(&w->creating, bus, path, body, on_created, w, false)) {
		w->creating = NULL;
		again(w);
	} else {
		loop_timer_start(&w->timer, SILENCE_MS);
	}
	json_decref(body);
}

static void on_replaced(void *arg)
{
	struct bus_kv_watch *w = arg;

	w->last_seq = 0;
	w->afresh = true;
	start_consumer(w);
}

static void on_timer(void *arg)
{
	struct bus_kv_watch *w = arg;

	if (w->kv->bus->conn.state == CONN_UP)
		start_consumer(w);
}

static void on_down(void *arg)
{
	again(arg);
}

static void on_up(void *arg)
{
	start_consumer(arg);
}

err_t bus_kv_watch(struct bus_kv_watch **ret, struct bus_kv *kv, const char *pattern, bus_kv_watch_fn *fn, void *arg)
{
	size_t n = strlen(kv->prefix) + strlen(pattern) + 1;
	struct bus_kv_watch *w;

	if (!bus_subject_valid(pattern, true) || n > BUS_SUBJECT_MAX / 2)
		return ERR_INVALID;
	w = mem_zalloc(sizeof(*w) + n);
	if (!w)
		return ERR_EXHAUSTED;
	*w = (struct bus_kv_watch){ .kv = kv, .fn = fn, .arg = arg, .prefix_len = strlen(kv->prefix) };
	(void)snprintf(w->filter, n, "%s%s", kv->prefix, pattern);
	w->origin = (struct origin){ .bus = kv->bus, .stream = kv->stream, .replaced = on_replaced, .arg = w };
	loop_timer_init(&w->timer, kv->bus->loop, on_timer, w);
	w->hook = (struct bus_hook){ .on_up = on_up, .on_down = on_down, .arg = w };
	bus_hook_add(kv->bus, &w->hook);
	if (kv->bus->conn.state == CONN_UP)
		start_consumer(w);
	*ret = w;
	return ERR_OK;
}

/* ---- how much is known -------------------------------------------------------------------------------------------- */

static void keep_promise(struct bus_kv_watch *w)
{
	if (!w->promised || w->consumer_seq < w->promised_seq)
		return;
	w->known_ms = w->asked_ms;
	w->promised = false;
}

/* How many messages the consumer has sent, and how many more there were for it when it was asked. */
static void on_info(const struct bus_raw *raw, void *arg)
{
	struct bus_kv_watch *w = arg;
	json_t *info = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;
	json_t *delivered = info && !api_error(info) ? json_object_get(info, "delivered") : NULL;

	w->asking = NULL;
	if (delivered) {
		w->promised_seq = (uint64_t)json_integer_value(json_object_get(delivered, "consumer_seq")) +
				  (uint64_t)json_integer_value(json_object_get(info, "num_pending"));
		w->promised = true;
		keep_promise(w);
	}
	json_decref(info);
}

static void ask(struct bus_kv_watch *w)
{
	char path[BUS_SUBJECT_MAX];

	(void)snprintf(path, sizeof(path), "CONSUMER.INFO.%s.%s", w->kv->stream, w->consumer);
	w->asked_ms = clock_mono_ms();
	w->promised = false;
	if (api_send(&w->asking, w->kv->bus, path, NULL, on_info, w, false))
		w->asking = NULL;
}

int64_t bus_kv_watch_known_ms(struct bus_kv_watch *w)
{
	bool running = !w->reader && w->sub && !w->creating && w->kv->bus->conn.state == CONN_UP;

	keep_promise(w);
	if (running && !w->asking && clock_mono_ms() - w->asked_ms >= (w->promised ? PROMISE_MS : ASK_MS))
		ask(w);
	return w->known_ms;
}

/* ---- polled: a reader of the bucket's stream ---------------------------------------------------------------------- */

static void on_polled(const struct bus_raw *raw, void *arg)
{
	struct bus_kv_watch *w = arg;
	struct bus_msg msg = raw->msg;

	if (strlen(msg.subject) <= w->prefix_len)
		return;
	msg.subject += w->prefix_len;
	w->fn(kv_is_marker(raw) ? BUS_KV_DELETE : BUS_KV_PUT, msg.subject, &msg, w->arg);
}

static void on_caught_up(void *arg)
{
	synced(arg);
}

err_t bus_kv_watch_polled(struct bus_kv_watch **ret, struct bus_kv *kv, const char *pattern, int64_t poll_ms,
			  bus_kv_watch_fn *fn, void *arg)
{
	size_t n = strlen(kv->prefix) + strlen(pattern) + 1;
	struct bus_reader_params p = { .stream = kv->stream, .poll_ms = poll_ms };
	struct bus_kv_watch *w;
	err_t e;

	if (!bus_subject_valid(pattern, true) || n > BUS_SUBJECT_MAX / 2)
		return ERR_INVALID;
	w = mem_zalloc(sizeof(*w) + n);
	if (!w)
		return ERR_EXHAUSTED;
	*w = (struct bus_kv_watch){ .kv = kv, .fn = fn, .arg = arg, .prefix_len = strlen(kv->prefix) };
	(void)snprintf(w->filter, n, "%s%s", kv->prefix, pattern);
	p.filter = w->filter;
	p.arg = w;
	e = bus_read_raw(&w->reader, kv->bus, &p, on_polled, on_caught_up);
	if (e)
		mem_free(w);
	else
		*ret = w;
	return e;
}

void bus_kv_watch_poll(struct bus_kv_watch *w, int64_t poll_ms)
{
	if (w->reader)
		bus_reader_poll(w->reader, poll_ms);
}

void bus_kv_unwatch(struct bus_kv_watch **ref)
{
	struct bus_kv_watch *w = *ref;

	if (!w)
		return;
	if (w->reader) {
		bus_reader_free(&w->reader);
		mem_free(w);
		*ref = NULL;
		return;
	}
	if (w->freed)
		*w->freed = true;
	bus_hook_remove(w->kv->bus, &w->hook);
	drop_consumer(w);
	origin_done(&w->origin);
	loop_timer_done(&w->timer);
	mem_free(w);
	*ref = NULL;
}
