/* For rpc's integration tests only: a server on a thread of its own, with a service that echoes, floods and sums. */
#ifndef RPC_RPC_ECHO_H
#define RPC_RPC_ECHO_H

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "rpc/rpc.h"

#define STRING_D (&google__protobuf__string_value__descriptor)
#define BYTES_D	 (&google__protobuf__bytes_value__descriptor)
#define INT_D	 (&google__protobuf__int64_value__descriptor)

static const ProtobufCMethodDescriptor methods[] = {
	{ "Echo", STRING_D, STRING_D },	  /* unary; "fail:…" fails, "hold" stays open */
	{ "Flood", INT_D, BYTES_D },	  /* n messages of 64 KiB as fast as the reader reads */
	{ "Sum", BYTES_D, INT_D },	  /* bytes received */
	{ "Unserved", STRING_D, STRING_D } /* known to the client only */
};
static const unsigned by_name[] = { 0, 1, 2, 3 };
static const ProtobufCServiceDescriptor echo_service = { PROTOBUF_C__SERVICE_DESCRIPTOR_MAGIC,
							 "trunkline.test.v1.Echo",
							 "Echo",
							 "Echo",
							 "trunkline.test.v1",
							 ARRAY_SIZE(methods),
							 methods,
							 by_name };

struct echo {
	struct rpc_server_params params;
	struct rpc_tls client_tls;
	struct loop *loop;
	struct rpc_server *server;
	pthread_t thread;
	char address[32];
	int64_t grace_ms;
	struct rpc_call *hold;
	atomic_int held, cancelled, refused, upload_messages, uploads_ended, users_freed, stopped, calls;
	_Atomic size_t sent;
	char identity[64], key[64], seen_method[64];
	_Atomic int64_t deadline_ms;
	atomic_bool withdrawn; /* nobody may any more */
};

/* ---- handlers ---- */
static inline void reply_text(struct rpc_call *call, const char *text)
{
	Google__Protobuf__StringValue v = GOOGLE__PROTOBUF__STRING_VALUE__INIT;

	v.value = (char *)text;
	rpc_reply(call, &v.base);
}

static inline void on_hold_cancelled(struct rpc_call *call, void *arg)
{
	struct echo *e = arg;

	e->hold = NULL;
	e->cancelled++;
	rpc_fail(call, ERR_CANCELLED, NULL);
}

static inline void on_echo(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Google__Protobuf__StringValue *v = (const void *)req;
	struct err_detail detail;
	struct echo *e = arg;
	const char *key = rpc_metadata(call, "authorization"), *identity = rpc_peer_identity(call);

	e->calls++;
	snprintf(e->key, sizeof(e->key), "%s", key ? key : "");
	snprintf(e->identity, sizeof(e->identity), "%s", identity ? identity : "");
	snprintf(e->seen_method, sizeof(e->seen_method), "%s", rpc_method(call));
	e->deadline_ms = rpc_deadline_ms(call);
	if (strcmp(v->value, "hold") == 0) {
		e->hold = call;
		rpc_on_cancel(call, on_hold_cancelled, e);
		e->held++;
	} else if (strcmp(v->value, "fail") == 0) {
		rpc_fail(call, err_set(&detail, ERR_INVALID, "queues[3].skill_id", "must name a skill"), &detail);
	} else {
		reply_text(call, v->value);
	}
}

struct flood {
	struct echo *echo;
	int64_t left;
};

static inline void flood_more(struct rpc_call *call, void *arg)
{
	static uint8_t block[65536];
	Google__Protobuf__BytesValue v = GOOGLE__PROTOBUF__BYTES_VALUE__INIT;
	struct flood *f = arg;
	err_t e = ERR_OK;

	v.value = (ProtobufCBinaryData){ sizeof(block), block };
	while (f->left > 0 && !e) {
		e = rpc_send(call, &v.base);
		if (!e) {
			f->left--;
			f->echo->sent++;
		}
	}
	if (e == ERR_EXHAUSTED)
		f->echo->refused++;
	if (!f->left)
		rpc_finish(call);
}

static inline void flood_cancelled(struct rpc_call *call, void *arg)
{
	struct flood *f = arg;

	f->echo->cancelled++;
	rpc_finish(call);
}

static inline void flood_free(void *user)
{
	struct flood *f = user;

	f->echo->users_freed++;
	mem_free(f);
}

static inline void on_flood(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct flood *f = mem_zalloc(sizeof(*f));

	f->echo = arg;
	f->left = ((const Google__Protobuf__Int64Value *)(const void *)req)->value;
	rpc_call_set_user(call, f, flood_free);
	rpc_on_drained(call, flood_more, f);
	rpc_on_cancel(call, flood_cancelled, f);
	flood_more(call, f);
}

static inline void sum_cancelled(struct rpc_call *call, void *arg)
{
	((struct echo *)arg)->cancelled++;
	rpc_fail(call, ERR_CANCELLED, NULL);
}

static inline void on_sum(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	const Google__Protobuf__BytesValue *v = (const void *)req;
	Google__Protobuf__Int64Value sum = GOOGLE__PROTOBUF__INT64_VALUE__INIT;
	int64_t *total = rpc_call_user(call);
	struct echo *e = arg;

	if (!total) {
		total = mem_zalloc(sizeof(*total));
		rpc_call_set_user(call, total, mem_free);
		rpc_on_cancel(call, sum_cancelled, e);
	}
	if (v) {
		e->upload_messages++;
		*total += (int64_t)v->value.len;
		if (v->value.len && v->value.data[0] == 'X')
			rpc_fail(call, ERR_PRECONDITION, NULL);
		return;
	}
	e->uploads_ended++;
	sum.value = *total;
	rpc_reply(call, &sum.base);
}

static inline err_t recheck(struct rpc_call *call, struct err_detail *detail, void *arg)
{
	(void)call;
	return ((struct echo *)arg)->withdrawn ? err_set(detail, ERR_UNAUTHENTICATED, "", "not you any more") : ERR_OK;
}

static inline err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	const char *token = rpc_metadata(call, "authorization");

	(void)method;
	(void)arg;
	return token && strcmp(token, "Bearer no") == 0 ? err_set(detail, ERR_DENIED, "", "not you") : ERR_OK;
}

/* ---- the server's thread ---- */
static inline void *run(void *arg)
{
	loop_run(((struct echo *)arg)->loop);
	return NULL;
}

static inline void echo_start(struct echo *e)
{
	struct err_detail detail = { 0 };

	assert_int_equal(loop_new(&e->loop), ERR_OK);
	e->params.loop = e->loop;
	e->params.address = "127.0.0.1:0";
	e->params.authorize = authorize;
	e->params.recheck = recheck;
	e->params.arg = e;
	if (rpc_server_new(&e->server, &e->params, &detail))
		fail_msg("%s: %s", detail.field, detail.message);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Echo", RPC_UNARY, on_echo, e), ERR_OK);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Flood", RPC_SERVER_STREAM, on_flood, e), ERR_OK);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Sum", RPC_CLIENT_STREAM, on_sum, e), ERR_OK);
	assert_int_equal(rpc_server_start(e->server), ERR_OK);
	snprintf(e->address, sizeof(e->address), "127.0.0.1:%d", rpc_server_port(e->server));
	assert_int_equal(pthread_create(&e->thread, NULL, run, e), 0);
}

static inline void on_stopped(void *arg)
{
	struct echo *e = arg;

	e->stopped++;
	rpc_server_free(&e->server);
	loop_stop(e->loop);
}

static inline void begin_stop(void *arg)
{
	struct echo *e = arg;

	rpc_server_stop(e->server, e->grace_ms, on_stopped, e);
}

static inline void echo_stop(struct echo *e)
{
	assert_int_equal(loop_post(e->loop, begin_stop, e), ERR_OK);
	pthread_join(e->thread, NULL);
	assert_int_equal(e->stopped, 1);
	loop_free(&e->loop);
}

static inline void await(atomic_int *v, int n)
{
	int64_t until = clock_mono_ms() + 10000;

	while (*v < n) {
		if (clock_mono_ms() > until)
			fail_msg("still %d, not %d", *v, n);
		usleep(2000);
	}
}

static inline struct rpc_client *client(const struct echo *e, const char *token, int64_t timeout_ms)
{
	struct rpc_client_params p = {
		.target = e->address, .tls = e->client_tls, .token = token, .timeout_ms = timeout_ms
	};
	struct rpc_client *c = NULL;

	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	return c;
}

static inline err_t call_echo(struct rpc_client *c, const char *method, const char *text, char *ret, size_t size,
			      struct err_detail *detail)
{
	Google__Protobuf__StringValue v = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
	ProtobufCMessage *resp;
	err_t e;

	v.value = (char *)text;
	e = rpc_client_call(c, &echo_service, method, &v.base, &resp, detail);
	if (e)
		return e;
	snprintf(ret, size, "%s", ((Google__Protobuf__StringValue *)(void *)resp)->value);
	protobuf_c_message_free_unpacked(resp, NULL);
	return ERR_OK;
}

#endif
