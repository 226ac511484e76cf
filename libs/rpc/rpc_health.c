/* grpc.health.v1.Health: the whole server ("") and each of its services share one state. */
#include "rpc_internal.h"

#include "base/mem.h"
#include "grpc/health/v1/health.pb-c.h"

#define STATUS(x) GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__##x

static int state_of(const struct rpc_server *s, const char *service)
{
	if (*service && !rpc_server_knows(s, service))
		return STATUS(SERVICE_UNKNOWN);
	return s->serving ? STATUS(SERVING) : STATUS(NOT_SERVING);
}

static void on_check(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Grpc__Health__V1__HealthCheckRequest *r = (const void *)req;
	Grpc__Health__V1__HealthCheckResponse resp = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	struct err_detail detail;

	resp.status = state_of(arg, r->service);
	if (resp.status == STATUS(SERVICE_UNKNOWN))
		rpc_fail(call, err_set(&detail, ERR_NOT_FOUND, "service", "no such service"), &detail);
	else
		rpc_reply(call, &resp.base);
}

static void tell(struct rpc_server *s, struct rpc_call *call)
{
	Grpc__Health__V1__HealthCheckResponse resp = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

	resp.status = state_of(s, call->watch_service);
	if ((int)resp.status == call->watch_sent)
		return;
	/* A watcher that does not read sees the next change, not each one. */
	if (!rpc_send(call, &resp.base))
		call->watch_sent = (int)resp.status;
}

static void unwatch(struct rpc_call *call, void *arg)
{
	struct rpc_server *s = arg;
	struct rpc_call **p = &s->watchers;

	while (*p && *p != call)
		p = &(*p)->watch_next;
	if (*p)
		*p = call->watch_next;
	rpc_finish(call);
}

static void on_watch(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Grpc__Health__V1__HealthCheckRequest *r = (const void *)req;
	struct rpc_server *s = arg;

	call->watch_service = mem_strdup(r->service);
	if (!call->watch_service) {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
		return;
	}
	call->watch_sent = -1;
	call->watch_next = s->watchers;
	s->watchers = call;
	rpc_on_cancel(call, unwatch, s);
	tell(s, call);
}

void rpc_health_changed(struct rpc_server *s)
{
	for (struct rpc_call *c = s->watchers, *next; c; c = next) {
		next = c->watch_next;
		tell(s, c);
	}
}

err_t rpc_health_add(struct rpc_server *s)
{
	const ProtobufCServiceDescriptor *d = &grpc__health__v1__health__descriptor;
	err_t e = rpc_server_add_builtin(s, d, "Check", RPC_UNARY, on_check);

	return e ? e : rpc_server_add_builtin(s, d, "Watch", RPC_SERVER_STREAM, on_watch);
}
