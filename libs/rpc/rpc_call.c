/*
 * One call at the server. Its operations in gRPC are counted in `pending`; the call goes when the handler has finished
 * it, nothing is pending and its status is on the wire (or the peer is gone, so that no status can be).
 */
#include "rpc_internal.h"

#include <limits.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "metrics/metrics.h"

static struct metric request_seconds =
    METRIC_HISTOGRAM("trunkline_rpc_request_seconds", "unary requests: from their headers to their answer");

struct rpc_out {
	struct rpc_out *next;
	grpc_byte_buffer *buffer;
	size_t size;
};

static void advance(struct rpc_call *c);

/* ---- life ---- */
static void out_free(struct rpc_out **o)
{
	if (!*o)
		return;
	grpc_byte_buffer_destroy((*o)->buffer);
	mem_free(*o);
	*o = NULL;
}

static void drop_queue(struct rpc_call *c)
{
	while (c->out) {
		struct rpc_out *o = c->out;

		c->out = o->next;
		out_free(&o);
	}
	c->out_tail = &c->out;
	c->out_count = 0;
	c->out_bytes = 0;
}

static void unlink_call(struct rpc_call *c)
{
	struct rpc_server *s = c->server;

	if (!s)
		return;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	if (c->waiting)
		s->n_slots--;
	else
		s->n_calls--;
}

static void release_grpc(struct rpc_call *c)
{
	grpc_metadata_array_destroy(&c->metadata);
	grpc_metadata_array_init(&c->metadata);
	grpc_call_details_destroy(&c->details);
	grpc_call_details_init(&c->details);
	if (c->grpc)
		grpc_call_unref(c->grpc);
	c->grpc = NULL;
}

static void call_free(struct rpc_call *c)
{
	struct rpc_server *s = c->server;

	unlink_call(c);
	loop_timer_done(&c->request_wait);
	drop_queue(c);
	out_free(&c->in_flight);
	if (c->incoming)
		grpc_byte_buffer_destroy(c->incoming);
	if (c->request)
		protobuf_c_message_free_unpacked(c->request, NULL);
	if (c->user && c->user_free)
		c->user_free(c->user);
	release_grpc(c);
	str_done(&c->status_message);
	str_done(&c->status_details);
	mem_free(c->watch_service);
	arena_done(&c->arena);
	mem_free(c);
	if (s)
		rpc_server_call_gone(s);
}

static void maybe_free(struct rpc_call *c)
{
	if (c->finished && !c->pending && !c->busy && (c->status_sent || c->cancelled || !c->server))
		call_free(c);
}

void rpc_call_orphan(struct rpc_call *c)
{
	struct rpc_server *s = c->server;

	unlink_call(c);
	loop_timer_done(&c->request_wait);
	c->server = NULL;
	c->cancelled = true;
	drop_queue(c);
	release_grpc(c);
	rpc_server_call_gone(s);
}

/* ---- operations ---- */
static void start(struct rpc_call *c, struct rpc_op *op, void (*fn)(void *arg, bool ok), const grpc_op *ops, size_t n)
{
	op->fn = fn;
	op->arg = c;
	c->pending++;
	rpc_given(op);
	if (grpc_call_start_batch(c->grpc, ops, n, op, NULL) == GRPC_CALL_OK)
		return;
	op->ok = false;
	rpc_poll_push(&c->server->poll, op);
}

static grpc_op op_metadata(void)
{
	return rpc_grpc_op(GRPC_OP_SEND_INITIAL_METADATA);
}

static grpc_op op_message(const struct rpc_out *o)
{
	grpc_op op = rpc_grpc_op(GRPC_OP_SEND_MESSAGE);

	op.data.send_message.send_message = o->buffer;
	return op;
}

/* ---- sending: one message at a time, the status with the last ---- */
static void on_sent(void *arg, bool ok)
{
	struct rpc_call *c = arg;
	bool drained = ok && !c->out && !c->finished && !c->cancelled;

	c->pending--;
	c->sending = false;
	out_free(&c->in_flight);
	c->busy++;
	if (drained && c->drained_fn)
		c->drained_fn(c, c->drained_arg);
	c->busy--;
	advance(c);
}

static size_t add_message(struct rpc_call *c, grpc_op *ops)
{
	struct rpc_out *o = c->out;

	if (!o)
		return 0;
	c->out = o->next;
	if (!c->out)
		c->out_tail = &c->out;
	c->out_count--;
	c->out_bytes -= o->size;
	c->in_flight = o;
	*ops = op_message(o);
	return 1;
}

static size_t add_status(struct rpc_call *c, grpc_op *ops, grpc_slice *message, grpc_metadata *trailer)
{
	*ops = rpc_grpc_op(GRPC_OP_SEND_STATUS_FROM_SERVER);
	*message = grpc_slice_from_static_buffer(str_text(&c->status_message), c->status_message.len);
	ops->data.send_status_from_server.status = (grpc_status_code)c->status;
	ops->data.send_status_from_server.status_details = message;
	if (c->status_details.len) {
		trailer->key = grpc_slice_from_static_string(RPC_DETAILS_KEY);
		trailer->value = grpc_slice_from_copied_buffer(c->status_details.data, c->status_details.len);
		ops->data.send_status_from_server.trailing_metadata = trailer;
		ops->data.send_status_from_server.trailing_metadata_count = 1;
	}
	c->status_sent = true;
	return 1;
}

static void measure(const struct rpc_call *c)
{
	if (c->method && c->method->kind == RPC_UNARY && !c->method->builtin)
		metric_observe_us(&request_seconds, clock_mono_us() - c->began_us);
}

static void send_next(struct rpc_call *c)
{
	bool last = c->finished && (!c->out || !c->out->next);
	grpc_metadata trailer = { 0 };
	grpc_slice message;
	grpc_op ops[3];
	size_t n = 0;

	if (!c->metadata_sent)
		ops[n++] = op_metadata();
	c->metadata_sent = true;
	n += add_message(c, &ops[n]);
	if (last) {
		measure(c);
		n += add_status(c, &ops[n], &message, &trailer);
	}
	c->sending = true;
	start(c, &c->op_send, on_sent, ops, n);
	if (last && c->status_details.len)
		grpc_slice_unref(trailer.value);
}

static void advance(struct rpc_call *c)
{
	if (c->cancelled)
		drop_queue(c);
	else if (!c->sending && !c->status_sent && (c->out || c->finished))
		send_next(c);
	maybe_free(c);
}

err_t rpc_send(struct rpc_call *c, const ProtobufCMessage *message)
{
	struct rpc_out *o;

	if (c->cancelled)
		return ERR_CANCELLED;
	if (c->out_count && (c->out_count >= RPC_SEND_MAX_MESSAGES || c->out_bytes >= RPC_SEND_MAX_BYTES))
		return ERR_EXHAUSTED;
	o = mem_zalloc(sizeof(*o));
	if (!o)
		return ERR_EXHAUSTED;
	o->buffer = rpc_buffer_pack(message);
	o->size = grpc_byte_buffer_length(o->buffer);
	*c->out_tail = o;
	c->out_tail = &o->next;
	c->out_count++;
	c->out_bytes += o->size;
	c->busy++;
	if (!c->sending)
		advance(c);
	c->busy--;
	return ERR_OK;
}

size_t rpc_send_pending(const struct rpc_call *c)
{
	return c->out_count + (c->in_flight ? 1 : 0);
}

void rpc_on_drained(struct rpc_call *c, void (*fn)(struct rpc_call *call, void *arg), void *arg)
{
	c->drained_fn = fn;
	c->drained_arg = arg;
}

static void finish(struct rpc_call *c)
{
	c->finished = true;
	c->cancel_fn = NULL;
	advance(c);
}

void rpc_finish(struct rpc_call *c)
{
	finish(c);
}

/* A reply and its status leave together, in one batch. */
void rpc_reply(struct rpc_call *c, const ProtobufCMessage *response)
{
	bool sending = c->sending;

	c->sending = true; /* holds the message back until finish() */
	if (!c->cancelled && rpc_send(c, response)) {
		c->status = ERR_EXHAUSTED;
		str_append(&c->status_message, "too much is queued");
	}
	c->sending = sending;
	finish(c);
}

/* The first one stays: what a stream was refused with, not that its handler gave it up. */
static void set_status(struct rpc_call *c, err_t code, const struct err_detail *detail)
{
	if (c->cancelled || c->status)
		return;
	c->status = code ? code : ERR_INTERNAL;
	if (detail && *detail->field)
		str_printf(&c->status_message, "%s: %s", detail->field, detail->message);
	else
		str_append(&c->status_message, detail && *detail->message ? detail->message : err_name(code));
	rpc_status_encode(&c->status_details, c->status, detail, rpc_language(c));
	if (c->status_details.failed)
		str_done(&c->status_details);
}

void rpc_fail(struct rpc_call *c, err_t code, const struct err_detail *detail)
{
	set_status(c, code, detail);
	finish(c);
}

/* ---- cancellation ---- */
static void tell_cancelled(struct rpc_call *c)
{
	void (*fn)(struct rpc_call * call, void *arg) = c->cancel_fn;

	c->cancel_fn = NULL;
	if (fn && !c->finished)
		fn(c, c->cancel_arg);
}

static void on_closed(void *arg, bool ok)
{
	struct rpc_call *c = arg;

	(void)ok;
	c->pending--;
	c->busy++;
	if (c->close_cancelled) {
		c->cancelled = true;
		tell_cancelled(c);
		if (!c->dispatched)
			c->finished = true; /* no handler knows of it */
	}
	c->busy--;
	advance(c);
}

static void on_late_cancel(void *arg, bool ok)
{
	struct rpc_call *c = arg;

	(void)ok;
	c->pending--;
	c->busy++;
	tell_cancelled(c);
	c->busy--;
	maybe_free(c);
}

void rpc_on_cancel(struct rpc_call *c, void (*fn)(struct rpc_call *call, void *arg), void *arg)
{
	c->cancel_fn = fn;
	c->cancel_arg = arg;
	if (!fn || !c->cancelled || !c->server || c->op_cancel.fn)
		return;
	c->op_cancel.fn = on_late_cancel;
	c->op_cancel.arg = c;
	c->pending++;
	rpc_poll_push(&c->server->poll, &c->op_cancel);
}

bool rpc_cancelled(const struct rpc_call *c)
{
	return c->cancelled;
}

/* ---- receiving ---- */
static bool streams_in(const struct rpc_call *c)
{
	return c->method->kind == RPC_CLIENT_STREAM || c->method->kind == RPC_BIDI_STREAM;
}

static void fail_text(struct rpc_call *c, err_t code, const char *text)
{
	struct err_detail detail;

	rpc_fail(c, err_set(&detail, code, "", "%s", text), &detail);
}

err_t rpc_recheck(struct rpc_call *c, struct err_detail *detail)
{
	const struct rpc_server *s = c->server;

	if (!s || !s->params.recheck || c->method->builtin)
		return ERR_OK;
	return s->params.recheck(c, detail, s->params.arg);
}

/* A handler that keeps something for the stream lets go of it, and finishes the call. */
static void refuse(struct rpc_call *c, err_t e, const struct err_detail *detail)
{
	c->read_all = true;
	set_status(c, e, detail);
	if (c->cancel_fn)
		tell_cancelled(c);
	else
		finish(c);
}

static void dispatch(struct rpc_call *c, const ProtobufCMessage *req)
{
	struct err_detail detail = { 0 };
	err_t e = rpc_recheck(c, &detail);

	if (e) {
		refuse(c, e, &detail);
		return;
	}
	c->dispatched = true;
	c->method->fn(c, req, c->method->arg);
}

static void got_message(struct rpc_call *c)
{
	grpc_byte_buffer *buffer = c->incoming;
	struct err_detail detail = { 0 };
	ProtobufCMessage *msg;
	err_t e;

	c->incoming = NULL;
	e = rpc_buffer_unpack(&msg, c->method->input, buffer, &detail);
	if (e) {
		rpc_fail(c, e, &detail);
		return;
	}
	if (!streams_in(c)) {
		c->request = msg;
		dispatch(c, msg);
		return;
	}
	dispatch(c, msg);
	protobuf_c_message_free_unpacked(msg, NULL);
}

static void read_next(struct rpc_call *c);

static void on_received(void *arg, bool ok)
{
	struct rpc_call *c = arg;

	c->pending--;
	c->reading = false;
	loop_timer_stop(&c->request_wait);
	c->busy++;
	if (c->finished || c->cancelled) {
		/* nobody waits for it any more */
	} else if (ok && c->incoming) {
		got_message(c);
		if (streams_in(c))
			read_next(c);
	} else if (!ok || grpc_call_failed_before_recv_message(c->grpc)) {
		/* Broken or over-long: on_closed follows and tells the handler. */
	} else if (streams_in(c)) {
		c->read_all = true;
		dispatch(c, NULL);
	} else {
		fail_text(c, ERR_INVALID, "the request message is missing");
	}
	c->busy--;
	maybe_free(c);
}

static void read_next(struct rpc_call *c)
{
	grpc_op op = rpc_grpc_op(GRPC_OP_RECV_MESSAGE);

	if (c->finished || c->cancelled || c->paused || c->reading || c->read_all)
		return;
	c->reading = true;
	op.data.recv_message.recv_message = &c->incoming;
	start(c, &c->op_recv, on_received, &op, 1);
}

void rpc_pause(struct rpc_call *c)
{
	c->paused = true;
}

void rpc_resume(struct rpc_call *c)
{
	c->paused = false;
	read_next(c);
}

/* ---- a new call ---- */
void rpc_call_metrics_register(void)
{
	metrics_register(&request_seconds);
}

static bool admitted(struct rpc_call *c)
{
	struct rpc_server *s = c->server;
	struct err_detail detail = { 0 };
	err_t e;

	if (!c->path || !c->method) {
		fail_text(c, c->path ? ERR_UNIMPLEMENTED : ERR_EXHAUSTED, c->path ? "no such method" : "out of memory");
		return false;
	}
	if (c->method->builtin)
		return true;
	if (s->n_calls > RPC_MAX_CALLS) {
		fail_text(c, ERR_EXHAUSTED, "too many calls");
		return false;
	}
	e = s->params.authorize ? s->params.authorize(c, c->path, &detail, s->params.arg) : ERR_OK;
	if (e)
		rpc_fail(c, e, &detail);
	return !e;
}

static void on_nothing_came(void *arg)
{
	struct rpc_call *c = arg;

	if (c->paused) { /* whoever holds it ends it */
		loop_timer_start(&c->request_wait, 1000);
		return;
	}
	c->busy++;
	if (!c->finished && !c->cancelled)
		fail_text(c, ERR_TIMEOUT, "the request message did not come in time after its headers");
	c->busy--;
	maybe_free(c);
}

static void await_request(struct rpc_call *c)
{
	int64_t wait_ms = c->server->params.request_wait_ms;

	loop_timer_start(&c->request_wait, wait_ms ? wait_ms : RPC_REQUEST_WAIT_MS);
	read_next(c);
}

static void on_new(void *arg, bool ok)
{
	struct rpc_call *c = arg;
	struct rpc_server *s = c->server;
	grpc_op op = rpc_grpc_op(GRPC_OP_RECV_CLOSE_ON_SERVER);

	c->pending--;
	if (!ok) {
		call_free(c);
		return;
	}
	c->waiting = false;
	c->began_us = clock_mono_us();
	s->n_slots--;
	s->n_calls++;
	rpc_server_accept(s);
	c->busy++;
	op.data.recv_close_on_server.cancelled = &c->close_cancelled;
	start(c, &c->op_close, on_closed, &op, 1);
	c->path = arena_strndup(&c->arena, (const char *)GRPC_SLICE_START_PTR(c->details.method),
				GRPC_SLICE_LENGTH(c->details.method));
	c->method = c->path ? rpc_server_find(s, c->path) : NULL;
	if (admitted(c))
		await_request(c);
	c->busy--;
	maybe_free(c);
}

err_t rpc_call_listen(struct rpc_server *s)
{
	struct rpc_call *c = mem_zalloc(sizeof(*c));

	if (!c)
		return ERR_EXHAUSTED;
	c->server = s;
	c->waiting = true;
	c->out_tail = &c->out;
	loop_timer_init(&c->request_wait, s->params.loop, on_nothing_came, c);
	arena_init(&c->arena, 512);
	grpc_call_details_init(&c->details);
	grpc_metadata_array_init(&c->metadata);
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	s->n_slots++;
	c->op_new.fn = on_new;
	c->op_new.arg = c;
	c->pending = 1;
	rpc_given(&c->op_new);
	if (grpc_server_request_call(s->grpc, &c->grpc, &c->details, &c->metadata, s->poll.cq, s->poll.cq,
				     &c->op_new) == GRPC_CALL_OK)
		return ERR_OK;
	call_free(c);
	return ERR_INTERNAL;
}

/* ---- what a handler asks ---- */
const char *rpc_metadata(const struct rpc_call *call, const char *key)
{
	struct rpc_call *c = (struct rpc_call *)call; /* only its arena changes */

	for (size_t i = 0; i < c->metadata.count; i++) {
		const grpc_metadata *m = &c->metadata.metadata[i];
		const char *value = (const char *)GRPC_SLICE_START_PTR(m->value);
		size_t n = GRPC_SLICE_LENGTH(m->value);

		if (grpc_slice_str_cmp(m->key, key) == 0)
			return memchr(value, '\0', n) ? NULL : arena_strndup(&c->arena, value, n);
	}
	return NULL;
}

const char *rpc_peer(const struct rpc_call *call)
{
	struct rpc_call *c = (struct rpc_call *)call;
	char *peer = c->grpc ? grpc_call_get_peer(c->grpc) : NULL;
	const char *copy = arena_strdup(&c->arena, peer ? peer : "unknown");

	gpr_free(peer);
	return copy ? copy : "unknown";
}

const char *rpc_peer_identity(const struct rpc_call *call)
{
	struct rpc_call *c = (struct rpc_call *)call;
	struct str s = STR_INIT;
	const char *copy = NULL;

	if (c->grpc && rpc_creds_identity(c->grpc, &s))
		copy = arena_strdup(&c->arena, str_text(&s));
	str_done(&s);
	return copy;
}

const char *rpc_method(const struct rpc_call *c)
{
	return c->path;
}

int64_t rpc_deadline_ms(const struct rpc_call *c)
{
	gpr_timespec left;

	if (gpr_time_cmp(c->details.deadline, gpr_inf_future(c->details.deadline.clock_type)) == 0)
		return INT64_MAX;
	left = gpr_time_sub(c->details.deadline, gpr_now(c->details.deadline.clock_type));
	return gpr_time_to_millis(left);
}

void rpc_call_set_user(struct rpc_call *c, void *user, void (*free_fn)(void *user))
{
	if (c->user && c->user_free)
		c->user_free(c->user);
	c->user = user;
	c->user_free = free_fn;
}

void *rpc_call_user(const struct rpc_call *c)
{
	return c->user;
}

void rpc_call_set_languages(struct rpc_call *c, const char *of_user, const char *of_tenant)
{
	if ((str_empty(of_user) || !text_language_of(of_user, &c->language)) && !str_empty(of_tenant))
		(void)!text_language_of(of_tenant, &c->language);
}

enum text_language rpc_language(const struct rpc_call *c)
{
	return text_accept(rpc_metadata(c, "accept-language"), c->language);
}
