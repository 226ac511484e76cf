/* The blocking client: every operation is waited for on the client's own completion queue. One thread. */
#include "rpc_internal.h"

#include <string.h>
#include "base/mem.h"

struct rpc_client {
	grpc_channel *channel;
	grpc_completion_queue *cq;
	char *authorization, *language;
	int64_t timeout_ms;
};

struct wait {
	bool done, ok;
};

/* One call in progress. */
struct client_call {
	struct rpc_client *client;
	const ProtobufCMethodDescriptor *method;
	grpc_call *grpc;
	grpc_metadata metadata[2];
	grpc_metadata_array headers, trailers;
	grpc_status_code status;
	grpc_slice status_text;
	grpc_byte_buffer *incoming;
	struct wait started, got_headers, got_status;
};

static void await(struct rpc_client *c, struct wait *w)
{
	while (!w->done) {
		grpc_event ev = grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		struct wait *which = ev.tag;

		if (ev.type != GRPC_OP_COMPLETE)
			continue;
		which->done = true;
		which->ok = ev.success != 0;
	}
}

static void start(struct client_call *cc, struct wait *w, const grpc_op *ops, size_t n)
{
	*w = (struct wait){ false, false };
	rpc_given(w);
	if (grpc_call_start_batch(cc->grpc, ops, n, w, NULL) != GRPC_CALL_OK)
		w->done = true;
}

/* ---- one call ---- */
static grpc_op op_metadata(struct client_call *cc)
{
	grpc_op op = rpc_grpc_op(GRPC_OP_SEND_INITIAL_METADATA);

	const char *const pairs[][2] = { { "authorization", cc->client->authorization },
					 { "accept-language", cc->client->language } };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		if (!pairs[i][1])
			continue;
		cc->metadata[n].key = grpc_slice_from_static_string(pairs[i][0]);
		cc->metadata[n++].value = grpc_slice_from_static_string(pairs[i][1]);
	}
	op.data.send_initial_metadata.metadata = cc->metadata;
	op.data.send_initial_metadata.count = n;
	return op;
}

static void ask_results(struct client_call *cc)
{
	grpc_op headers = rpc_grpc_op(GRPC_OP_RECV_INITIAL_METADATA);
	grpc_op status = rpc_grpc_op(GRPC_OP_RECV_STATUS_ON_CLIENT);

	headers.data.recv_initial_metadata.recv_initial_metadata = &cc->headers;
	start(cc, &cc->got_headers, &headers, 1);
	status.data.recv_status_on_client.trailing_metadata = &cc->trailers;
	status.data.recv_status_on_client.status = &cc->status;
	status.data.recv_status_on_client.status_details = &cc->status_text;
	start(cc, &cc->got_status, &status, 1);
}

static gpr_timespec deadline(int64_t timeout_ms)
{
	if (timeout_ms <= 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static err_t call_open(struct client_call *cc, struct rpc_client *c, const ProtobufCServiceDescriptor *service,
		       const char *name, int64_t timeout_ms)
{
	const ProtobufCMethodDescriptor *md = protobuf_c_service_descriptor_get_method_by_name(service, name);
	struct str path = STR_INIT;
	grpc_slice slice;

	if (!md)
		return ERR_UNIMPLEMENTED;
	*cc = (struct client_call){ .client = c, .method = md };
	str_printf(&path, "/%s/%s", service->name, name);
	if (path.failed)
		return ERR_EXHAUSTED;
	grpc_metadata_array_init(&cc->headers);
	grpc_metadata_array_init(&cc->trailers);
	cc->status_text = grpc_empty_slice();
	slice = grpc_slice_from_copied_buffer(path.data, path.len);
	str_done(&path);
	cc->grpc = grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->cq, slice, NULL,
					    deadline(timeout_ms), NULL);
	grpc_slice_unref(slice);
	return cc->grpc ? ERR_OK : ERR_INTERNAL;
}

static void read_details(struct client_call *cc, struct err_detail *detail)
{
	err_set(detail, ERR_OK, "", "%.*s", (int)GRPC_SLICE_LENGTH(cc->status_text),
		(const char *)GRPC_SLICE_START_PTR(cc->status_text));
	for (size_t i = 0; i < cc->trailers.count; i++) {
		const grpc_metadata *m = &cc->trailers.metadata[i];

		if (grpc_slice_str_cmp(m->key, RPC_DETAILS_KEY) == 0)
			rpc_status_decode(GRPC_SLICE_START_PTR(m->value), GRPC_SLICE_LENGTH(m->value), detail);
	}
}

/* Waits for the status, frees everything and says how the call ended. */
static err_t call_close(struct client_call *cc, struct err_detail *detail)
{
	err_t e;

	await(cc->client, &cc->started);
	await(cc->client, &cc->got_headers);
	await(cc->client, &cc->got_status);
	e = rpc_status_code(cc->status);
	if (e && detail)
		read_details(cc, detail);
	grpc_slice_unref(cc->status_text);
	grpc_metadata_array_destroy(&cc->headers);
	grpc_metadata_array_destroy(&cc->trailers);
	if (cc->incoming)
		grpc_byte_buffer_destroy(cc->incoming);
	grpc_call_unref(cc->grpc);
	return e;
}

/* The metadata and, in the same batch, the only request message; its buffer is the caller's until the end. */
static void send_request(struct client_call *cc, grpc_byte_buffer *buffer)
{
	grpc_op ops[3] = { op_metadata(cc), rpc_grpc_op(GRPC_OP_SEND_MESSAGE),
			   rpc_grpc_op(GRPC_OP_SEND_CLOSE_FROM_CLIENT) };

	ops[1].data.send_message.send_message = buffer;
	start(cc, &cc->started, ops, 3);
	ask_results(cc);
}

/* false: no message any more. */
static bool receive(struct client_call *cc)
{
	grpc_op op = rpc_grpc_op(GRPC_OP_RECV_MESSAGE);
	struct wait w;

	op.data.recv_message.recv_message = &cc->incoming;
	start(cc, &w, &op, 1);
	await(cc->client, &w);
	return w.ok && cc->incoming;
}

static err_t take(struct client_call *cc, ProtobufCMessage **ret, struct err_detail *detail)
{
	grpc_byte_buffer *buffer = cc->incoming;

	cc->incoming = NULL;
	return rpc_buffer_unpack(ret, cc->method->output, buffer, detail);
}

/* The single response of a unary or client-streaming call, then the status. */
static err_t finish_single(struct client_call *cc, ProtobufCMessage **ret, struct err_detail *detail)
{
	ProtobufCMessage *msg = NULL;
	struct err_detail broken = { 0 };
	err_t e = ERR_OK, status;

	if (receive(cc))
		e = take(cc, &msg, &broken);
	status = call_close(cc, detail);
	if (!status && e)
		status = err_set(detail, ERR_DATA_LOSS, broken.field, "the response %s", broken.message);
	else if (!status && !msg)
		status = err_set(detail, ERR_DATA_LOSS, "", "the response is missing");
	if (!status)
		*ret = msg;
	else if (msg)
		protobuf_c_message_free_unpacked(msg, NULL);
	return status;
}

err_t rpc_client_call(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
		      const ProtobufCMessage *req, ProtobufCMessage **ret, struct err_detail *detail)
{
	struct client_call cc;
	grpc_byte_buffer *buffer;
	err_t e = call_open(&cc, c, service, method, c->timeout_ms);

	if (e)
		return err_set(detail, e, "", "no such method: %s", method);
	buffer = rpc_buffer_pack(req);
	send_request(&cc, buffer);
	e = finish_single(&cc, ret, detail);
	grpc_byte_buffer_destroy(buffer);
	return e;
}

/* ---- server streaming ---- */
static err_t each_message(struct client_call *cc, bool (*fn)(const ProtobufCMessage *msg, void *arg), void *arg,
			  bool *enough, struct err_detail *detail)
{
	while (!*enough && receive(cc)) {
		ProtobufCMessage *msg;
		err_t e = take(cc, &msg, detail);

		if (e)
			return e;
		*enough = !fn(msg, arg);
		protobuf_c_message_free_unpacked(msg, NULL);
	}
	return ERR_OK;
}

err_t rpc_client_stream(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
			const ProtobufCMessage *req, int64_t timeout_ms,
			bool (*fn)(const ProtobufCMessage *msg, void *arg), void *arg, struct err_detail *detail)
{
	struct client_call cc;
	grpc_byte_buffer *buffer;
	bool enough = false;
	err_t e = call_open(&cc, c, service, method, timeout_ms), status;

	if (e)
		return err_set(detail, e, "", "no such method: %s", method);
	buffer = rpc_buffer_pack(req);
	send_request(&cc, buffer);
	e = each_message(&cc, fn, arg, &enough, detail);
	if (e || enough)
		grpc_call_cancel(cc.grpc, NULL);
	status = call_close(&cc, e || enough ? NULL : detail);
	grpc_byte_buffer_destroy(buffer);
	if (e)
		return ERR_DATA_LOSS;
	return enough ? ERR_OK : status;
}

/* ---- client streaming ---- */
static bool send_one(struct client_call *cc, const ProtobufCMessage *msg)
{
	grpc_byte_buffer *buffer = rpc_buffer_pack(msg);
	grpc_op op = rpc_grpc_op(GRPC_OP_SEND_MESSAGE);
	struct wait w;

	op.data.send_message.send_message = buffer;
	start(cc, &w, &op, 1);
	await(cc->client, &w);
	grpc_byte_buffer_destroy(buffer);
	return w.ok;
}

static err_t send_all(struct client_call *cc, err_t (*next)(const ProtobufCMessage **msg, void *arg), void *arg)
{
	grpc_op close = rpc_grpc_op(GRPC_OP_SEND_CLOSE_FROM_CLIENT);
	const ProtobufCMessage *msg;
	struct wait w;
	err_t e;

	for (;;) {
		e = next(&msg, arg);
		if (e)
			return e;
		if (!msg)
			break;
		if (!send_one(cc, msg))
			return ERR_OK; /* refused: the status says why */
	}
	start(cc, &w, &close, 1);
	await(cc->client, &w);
	return ERR_OK;
}

err_t rpc_client_upload(struct rpc_client *c, const ProtobufCServiceDescriptor *service, const char *method,
			err_t (*next)(const ProtobufCMessage **msg, void *arg), void *arg, ProtobufCMessage **ret,
			struct err_detail *detail)
{
	struct client_call cc;
	grpc_op op;
	err_t e = call_open(&cc, c, service, method, 0);

	if (e)
		return err_set(detail, e, "", "no such method: %s", method);
	op = op_metadata(&cc);
	start(&cc, &cc.started, &op, 1);
	ask_results(&cc);
	e = send_all(&cc, next, arg);
	if (!e)
		return finish_single(&cc, ret, detail);
	grpc_call_cancel(cc.grpc, NULL);
	(void)!call_close(&cc, NULL);
	return e;
}

/* ---- life ---- */
static grpc_channel *create(const struct rpc_client_params *p, grpc_channel_credentials *creds)
{
	grpc_arg args[6] = {
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, .value.integer = 64 << 20 },
		/* The proxy of the user's browser is not for this. */
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_ENABLE_HTTP_PROXY, .value.integer = 0 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIME_MS, .value.integer = 20000 },
		{ .type = GRPC_ARG_INTEGER, .key = GRPC_ARG_KEEPALIVE_TIMEOUT_MS, .value.integer = 10000 },
	};
	grpc_channel_args list = { 4, args };

	if (!str_empty(p->server_name)) {
		args[list.num_args++] = (grpc_arg){ .type = GRPC_ARG_STRING,
						    .key = GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
						    .value.string = (char *)p->server_name };
		args[list.num_args++] = (grpc_arg){ .type = GRPC_ARG_STRING,
						    .key = GRPC_ARG_DEFAULT_AUTHORITY,
						    .value.string = (char *)p->server_name };
	}
	return grpc_channel_create(p->target, creds, &list);
}

/* gRPC aborts the process on a header value with control characters: refused before. */
static err_t set_header(char **ret, const char *prefix, const char *value, char least)
{
	struct str s = STR_INIT;

	if (str_empty(value))
		return ERR_OK;
	for (const char *p = value; *p; p++)
		if (*p < least || *p > '~')
			return ERR_INVALID;
	str_printf(&s, "%s%s", prefix, value);
	*ret = s.data;
	return s.failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t rpc_client_new(struct rpc_client **ret, const struct rpc_client_params *p)
{
	struct rpc_client *c = mem_zalloc(sizeof(*c));
	grpc_channel_credentials *creds = NULL;
	err_t e;

	if (!c)
		return ERR_EXHAUSTED;
	rpc_core_init();
	c->timeout_ms = p->timeout_ms ? p->timeout_ms : 10000;
	c->cq = grpc_completion_queue_create_for_next(NULL);
	e = set_header(&c->authorization, "Bearer ", p->token, '!');
	if (!e)
		e = set_header(&c->language, "", p->language, ' ');
	if (!e)
		e = rpc_creds_client(&creds, &p->tls, NULL);
	if (e)
		goto out;
	c->channel = create(p, creds);
	grpc_channel_credentials_release(creds);
	*ret = c;
	return ERR_OK;
out:
	rpc_client_free(&c);
	return e;
}

void rpc_client_free(struct rpc_client **client)
{
	struct rpc_client *c = *client;

	if (!c)
		return;
	*client = NULL;
	if (c->channel)
		grpc_channel_destroy(c->channel);
	grpc_completion_queue_shutdown(c->cq);
	while (grpc_completion_queue_next(c->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type != GRPC_QUEUE_SHUTDOWN)
		;
	grpc_completion_queue_destroy(c->cq);
	mem_free(c->authorization);
	mem_free(c->language);
	mem_free(c);
	rpc_core_done();
}
