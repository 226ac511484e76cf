/* Durable pull consumer with explicit acknowledgement; several instances may share it. */
#include "pull.h"

#include "base/str.h"
#include "base/table.h"

#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000LL
#define AGAIN_MS  250
#define INFO_MS	  2000

struct unacked {
	UT_hash_handle hh;
	uint64_t seq;
	char reply[];
};

struct bus_consumer {
	struct bus *bus;
	struct pull pull;
	struct bus_hook hook;
	struct loop_timer again, info;
	struct request *asking;
	struct unacked *unacked; /* by seq */
	size_t window;
	int64_t lag;
	bus_msg_fn *fn;
	void *arg;
	bool *freed;
	char stream[64], durable[64];
};

static void want(struct bus_consumer *c)
{
	size_t busy = HASH_COUNT(c->unacked);

	if (busy < c->window)
		pull_want(&c->pull, c->window - busy, c->window);
}

static void forget(struct bus_consumer *c, struct unacked *u)
{
	HASH_DEL(c->unacked, u);
	mem_free(u);
}

/* false: the owner still works on it (its answer will go to the newest delivery), or out of memory: then the server
 * delivers it again. */
static bool remember(struct bus_consumer *c, uint64_t seq, const char *reply)
{
	struct unacked *u;
	bool known;

	HASH_FIND(hh, c->unacked, &seq, sizeof(seq), u);
	known = u != NULL;
	if (u)
		forget(c, u);
	u = mem_alloc(sizeof(*u) + strlen(reply) + 1);
	if (!u)
		return false;
	u->seq = seq;
	strcpy(u->reply, reply);
	HASH_ADD(hh, c->unacked, seq, sizeof(u->seq), u);
	if (TABLE_HAS(u))
		return !known;
	mem_free(u);
	return false;
}

static void on_msg(const struct bus_raw *raw, void *arg)
{
	struct bus_consumer *c = arg;
	struct bus_msg msg = raw->msg;
	struct js_meta meta;
	bool freed = false;

	if (!js_meta_parse(msg.reply, &meta) || !remember(c, meta.stream_seq, msg.reply))
		return;
	msg.reply = NULL;
	msg.seq = meta.stream_seq;
	msg.time_ms = meta.time_ms;
	msg.deliveries = (unsigned)meta.deliveries;
	c->lag = (int64_t)(meta.pending + HASH_COUNT(c->unacked));
	c->freed = &freed;
	c->fn(&msg, c->arg);
	if (freed)
		return;
	c->freed = NULL;
	want(c);
}

static void on_more(void *arg)
{
	want(arg);
}

static void restart(void *arg)
{
	struct bus_consumer *c = arg;

	if (c->bus->conn.state != CONN_UP)
		return;
	if (pull_start(&c->pull))
		loop_timer_start(&c->again, AGAIN_MS);
	else
		want(c);
}

static void on_lost(void *arg)
{
	struct bus_consumer *c = arg;

	pull_stop(&c->pull);
	loop_timer_start(&c->again, AGAIN_MS);
}

static void on_up(void *arg)
{
	restart(arg);
}

static void on_down(void *arg)
{
	struct bus_consumer *c = arg;

	pull_stop(&c->pull);
	loop_timer_stop(&c->again);
}

/* ---- lag ------------------------------------------------------------------------------------------------------------ */

static void on_info(const struct bus_raw *raw, void *arg)
{
	struct bus_consumer *c = arg;
	json_t *info = raw && raw->msg.size ? json_loadb(raw->msg.data, raw->msg.size, 0, NULL) : NULL;

	c->asking = NULL;
	if (info && !api_error(info))
		c->lag = (int64_t)(json_integer_value(json_object_get(info, "num_pending")) +
				   json_integer_value(json_object_get(info, "num_ack_pending")));
	json_decref(info);
	loop_timer_start(&c->info, INFO_MS);
}

static void ask_info(void *arg)
{
	struct bus_consumer *c = arg;
	char path[BUS_SUBJECT_MAX];

	(void)snprintf(path, sizeof(path), "CONSUMER.INFO.%s.%s", c->stream, c->durable);
	if (c->bus->conn.state != CONN_UP || api_send(&c->asking, c->bus, path, NULL, on_info, c, false))
		loop_timer_start(&c->info, INFO_MS);
}

int64_t bus_consumer_lag(const struct bus_consumer *c)
{
	return c->bus->conn.state == CONN_UP ? c->lag : -1;
}

/* ---- what the owner does --------------------------------------------------------------------------------------- */

static err_t answer(struct bus_consumer *c, uint64_t seq, const char *text)
{
	struct unacked *u;
	err_t e;

	HASH_FIND(hh, c->unacked, &seq, sizeof(seq), u);
	if (!u)
		return ERR_NOT_FOUND;
	e = bus_publish(c->bus, u->reply, text, strlen(text));
	if (e)
		return e;
	forget(c, u);
	want(c);
	return ERR_OK;
}

err_t bus_ack(struct bus_consumer *c, uint64_t seq)
{
	return answer(c, seq, "+ACK");
}

err_t bus_nak(struct bus_consumer *c, uint64_t seq, int64_t delay_ms)
{
	char text[64];

	if (delay_ms <= 0)
		return answer(c, seq, "-NAK");
	(void)snprintf(text, sizeof(text), "-NAK {\"delay\":%lld}", (long long)(delay_ms * NS_PER_MS));
	return answer(c, seq, text);
}

static err_t ensure(struct bus_consumer *c, const struct bus_consumer_params *p, struct err_detail *detail)
{
	int64_t ack_wait = p->ack_wait_ms ? p->ack_wait_ms : 30000;
	json_t *config, *body, *answered = NULL;
	char path[BUS_SUBJECT_MAX];
	int err_code = 0;
	err_t e;

	config = json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:s*}", "durable_name", c->durable, "deliver_policy", "all",
			   "ack_policy", "explicit", "ack_wait", (json_int_t)(ack_wait * NS_PER_MS), "max_ack_pending",
			   -1, "max_deliver", -1, "filter_subject", p->filter);
	body = config ? json_pack("{s:s, s:o}", "stream_name", c->stream, "config", config) : NULL;
	if (!body)
		return ERR_EXHAUSTED;
	(void)snprintf(path, sizeof(path), "CONSUMER.DURABLE.CREATE.%s.%s", c->stream, c->durable);
	e = api_call(c->bus, path, body, &answered, &err_code, detail);
	json_decref(body);
	json_decref(answered);
	if (!e && err_code)
		e = ERR_PRECONDITION;
	return e;
}

static bool token_ok(const char *s, size_t size)
{
	return !str_empty(s) && strlen(s) < size && !strpbrk(s, ". *>/\\\r\n\t");
}

err_t bus_consume(struct bus_consumer **ret, struct bus *bus, const struct bus_consumer_params *p,
		  struct err_detail *detail)
{
	struct bus_consumer *c;
	err_t e;

	if (!token_ok(p->stream, sizeof(c->stream)) || !token_ok(p->durable, sizeof(c->durable)))
		return err_set(detail, ERR_INVALID, "durable",
			       "stream and durable must be one token of at most 63 characters");
	c = mem_zalloc(sizeof(*c));
	if (!c)
		return ERR_EXHAUSTED;
	c->bus = bus;
	c->fn = p->fn;
	c->arg = p->arg;
	c->lag = -1;
	c->window = p->max_unacked > 0 ? (size_t)p->max_unacked : 1024;
	(void)str_copy(c->stream, sizeof(c->stream), p->stream);
	(void)str_copy(c->durable, sizeof(c->durable), p->durable);
	c->pull = (struct pull){
		.stream = c->stream, .consumer = c->durable, .fn = on_msg, .more = on_more, .lost = on_lost, .arg = c
	};
	pull_init(&c->pull, bus);
	loop_timer_init(&c->again, bus->loop, restart, c);
	loop_timer_init(&c->info, bus->loop, ask_info, c);
	c->hook = (struct bus_hook){ .on_up = on_up, .on_down = on_down, .arg = c };
	bus_hook_add(bus, &c->hook);
	e = ensure(c, p, detail);
	e = e ? e : pull_start(&c->pull);
	if (e) {
		bus_consumer_free(&c);
		return e;
	}
	want(c);
	ask_info(c);
	*ret = c;
	return ERR_OK;
}

void bus_consumer_free(struct bus_consumer **ref)
{
	struct bus_consumer *c = *ref;
	struct unacked *u, *next;

	if (!c)
		return;
	if (c->freed)
		*c->freed = true;
	bus_hook_remove(c->bus, &c->hook);
	bus_request_cancel(&c->asking);
	pull_done(&c->pull);
	loop_timer_done(&c->again);
	loop_timer_done(&c->info);
	HASH_ITER (hh, c->unacked, u, next)
		forget(c, u);
	mem_free(c);
	*ref = NULL;
}
