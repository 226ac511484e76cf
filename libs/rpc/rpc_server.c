#include "rpc_internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* ---- methods ---- */
static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct rpc_method *)a)->path, ((const struct rpc_method *)b)->path);
}

const struct rpc_method *rpc_server_find(const struct rpc_server *s, const char *path)
{
	struct rpc_method key = { .path = (char *)path };

	return bsearch(&key, s->methods, s->n_methods, sizeof(*s->methods), by_path);
}

bool rpc_server_knows(const struct rpc_server *s, const char *service)
{
	size_t n = strlen(service);

	for (size_t i = 0; i < s->n_methods; i++) {
		const char *path = s->methods[i].path;

		if (strncmp(path + 1, service, n) == 0 && path[1 + n] == '/')
			return true;
	}
	return false;
}

static err_t add(struct rpc_server *s, const ProtobufCServiceDescriptor *service, const char *name, struct rpc_method m)
{
	const ProtobufCMethodDescriptor *md = protobuf_c_service_descriptor_get_method_by_name(service, name);
	struct rpc_method *list;
	struct str path = STR_INIT;

	if (!md || s->started)
		return ERR_INVALID;
	str_printf(&path, "/%s/%s", service->name, name);
	list = path.failed ? NULL : mem_realloc(s->methods, (s->n_methods + 1) * sizeof(*list));
	if (!list) {
		str_done(&path);
		return ERR_EXHAUSTED;
	}
	m.path = path.data;
	m.input = md->input;
	s->methods = list;
	list[s->n_methods++] = m;
	return ERR_OK;
}

err_t rpc_server_add(struct rpc_server *s, const ProtobufCServiceDescriptor *service, const char *method,
		     enum rpc_kind kind, rpc_handler_fn *fn, void *arg)
{
	return add(s, service, method, (struct rpc_method){ .kind = kind, .fn = fn, .arg = arg });
}

err_t rpc_server_add_builtin(struct rpc_server *s, const ProtobufCServiceDescriptor *service, const char *method,
			     enum rpc_kind kind, rpc_handler_fn *fn)
{
	return add(s, service, method, (struct rpc_method){ .kind = kind, .fn = fn, .arg = s, .builtin = true });
}

/* ---- start ---- */
static grpc_arg int_arg(const char *key, int value)
{
	grpc_arg a = { .type = GRPC_ARG_INTEGER, .key = (char *)key };

	a.value.integer = value;
	return a;
}

static grpc_server *create(const struct rpc_server_params *p)
{
	size_t max = p->max_request_bytes ? p->max_request_bytes : RPC_MAX_MESSAGE;
	grpc_arg args[] = {
		int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max),
		int_arg(GRPC_ARG_MAX_METADATA_SIZE, RPC_MAX_METADATA),
		int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, 4096),
		int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a second server on the port must fail, not share */
		int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20000),
		/* A peer that vanished without a word is noticed within 40 s. */
		int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 30000),
		int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000),
		int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000),
	};
	grpc_channel_args list = { ARRAY_SIZE(args), args };

	return grpc_server_create(&list, NULL);
}

static err_t bind_port(struct rpc_server *s, struct err_detail *detail)
{
	grpc_server_credentials *creds = NULL;
	err_t e;

	s->certs.tls = s->params.tls;
	e = rpc_creds_server(&creds, &s->certs, detail);

	if (e)
		return e;
	s->port = grpc_server_add_http2_port(s->grpc, s->params.address, creds);
	grpc_server_credentials_release(creds);
	if (s->port <= 0)
		return err_set(detail, ERR_EXISTS, "address",
			       "cannot listen on %s: in use, or not an address of this host", s->params.address);
	return ERR_OK;
}

static void on_grace_over(void *arg)
{
	struct rpc_server *s = arg;

	grpc_server_cancel_all_calls(s->grpc);
}

err_t rpc_server_new(struct rpc_server **ret, const struct rpc_server_params *p, struct err_detail *detail)
{
	struct rpc_server *s = mem_zalloc(sizeof(*s));
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	rpc_core_init();
	rpc_call_metrics_register();
	s->params = *p;
	s->serving = true;
	loop_timer_init(&s->grace, p->loop, on_grace_over, s);
	rpc_deaf_start(s);
	s->grpc = create(p);
	e = rpc_poll_start(&s->poll, p->loop);
	if (e)
		goto out;
	grpc_server_register_completion_queue(s->grpc, s->poll.cq, NULL);
	e = bind_port(s, detail);
	if (!e)
		e = rpc_health_add(s);
	if (!e)
		e = rpc_reflection_add(s);
	if (e)
		goto out;
	*ret = s;
	return ERR_OK;
out:
	rpc_server_free(&s);
	return e;
}

int rpc_server_port(const struct rpc_server *s)
{
	return s->port;
}

void rpc_server_accept(struct rpc_server *s)
{
	while (s->n_slots < RPC_ACCEPT_SLOTS && !s->stopping && !s->freeing)
		if (rpc_call_listen(s))
			return; /* out of memory: the end of any call tries again */
}

err_t rpc_server_start(struct rpc_server *s)
{
	qsort(s->methods, s->n_methods, sizeof(*s->methods), by_path);
	grpc_server_start(s->grpc);
	s->started = true;
	rpc_server_accept(s);
	return s->n_slots ? ERR_OK : ERR_EXHAUSTED;
}

void rpc_server_set_descriptors(struct rpc_server *s, const void *bytes, size_t size)
{
	s->descriptors = bytes;
	s->descriptors_size = size;
	rpc_reflection_free(s);
}

void rpc_server_set_serving(struct rpc_server *s, bool serving)
{
	if (s->serving == serving)
		return;
	s->serving = serving;
	rpc_health_changed(s);
}

/* ---- stop ---- */
static void stop_done(void *arg)
{
	struct rpc_server *s = arg;
	void (*fn)(void *arg) = s->stop_fn;

	s->stop_fn = NULL;
	if (fn)
		fn(s->stop_arg);
}

/* By a timer, so that fn may free the server. */
static void maybe_stopped(struct rpc_server *s)
{
	if (!s->stopped || s->n_calls || s->n_slots || s->freeing || !s->stop_fn)
		return;
	loop_timer_done(&s->grace);
	loop_timer_init(&s->grace, s->params.loop, stop_done, s);
	loop_timer_start(&s->grace, 0);
}

void rpc_server_call_gone(struct rpc_server *s)
{
	if (s->started)
		rpc_server_accept(s);
	maybe_stopped(s);
}

static void on_shutdown(void *arg, bool ok)
{
	struct rpc_server *s = arg;

	(void)ok;
	s->stopped = true;
	maybe_stopped(s);
}

static void cancel_builtin(struct rpc_server *s)
{
	for (struct rpc_call *c = s->calls; c; c = c->next)
		if (c->method && c->method->builtin && c->grpc)
			grpc_call_cancel(c->grpc, NULL);
}

void rpc_server_stop(struct rpc_server *s, int64_t grace_ms, void (*fn)(void *arg), void *arg)
{
	if (fn) {
		s->stop_fn = fn;
		s->stop_arg = arg;
	}
	if (s->stopping) {
		maybe_stopped(s);
		return;
	}
	rpc_server_set_serving(s, false);
	s->stopping = true;
	s->op_shutdown = (struct rpc_op){ .fn = on_shutdown, .arg = s };
	rpc_given(&s->op_shutdown);
	grpc_server_shutdown_and_notify(s->grpc, s->poll.cq, &s->op_shutdown);
	cancel_builtin(s);
	loop_timer_start(&s->grace, grace_ms);
}

/* ---- end ---- */
static bool any_pending(const struct rpc_server *s)
{
	for (const struct rpc_call *c = s->calls; c; c = c->next)
		if (c->pending)
			return true;
	return false;
}

/* The loop need not turn any more: completes here what gRPC still owes. */
static void drain(struct rpc_server *s)
{
	if (!s->poll.cq)
		return;
	rpc_server_stop(s, 0, NULL, NULL);
	s->freeing = true;
	grpc_server_cancel_all_calls(s->grpc);
	while (any_pending(s))
		rpc_poll_wait(&s->poll);
	while (s->calls)
		rpc_call_orphan(s->calls);
	while (!s->stopped)
		rpc_poll_wait(&s->poll);
}

void rpc_server_free(struct rpc_server **server)
{
	struct rpc_server *s = *server;

	if (!s)
		return;
	*server = NULL;
	drain(s);
	loop_timer_done(&s->grace);
	rpc_deaf_stop(s);
	if (s->grpc)
		grpc_server_destroy(s->grpc);
	rpc_poll_stop(&s->poll);
	for (size_t i = 0; i < s->n_methods; i++)
		mem_free(s->methods[i].path);
	mem_free(s->methods);
	rpc_reflection_free(s);
	mem_free(s);
	rpc_core_done();
}
