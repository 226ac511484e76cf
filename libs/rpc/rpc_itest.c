/* A real server on a thread of its own and real clients, over loopback TCP and TLS. */
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
#include "grpc/health/v1/health.pb-c.h"
#include "rpc/rpc.h"
#include "testkit/testkit.h"

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
};

/* ---- handlers ---- */
static void reply_text(struct rpc_call *call, const char *text)
{
	Google__Protobuf__StringValue v = GOOGLE__PROTOBUF__STRING_VALUE__INIT;

	v.value = (char *)text;
	rpc_reply(call, &v.base);
}

static void on_hold_cancelled(struct rpc_call *call, void *arg)
{
	struct echo *e = arg;

	e->hold = NULL;
	e->cancelled++;
	rpc_fail(call, ERR_CANCELLED, NULL);
}

static void on_echo(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
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

static void flood_more(struct rpc_call *call, void *arg)
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

static void flood_cancelled(struct rpc_call *call, void *arg)
{
	struct flood *f = arg;

	f->echo->cancelled++;
	rpc_finish(call);
}

static void flood_free(void *user)
{
	struct flood *f = user;

	f->echo->users_freed++;
	mem_free(f);
}

static void on_flood(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct flood *f = mem_zalloc(sizeof(*f));

	f->echo = arg;
	f->left = ((const Google__Protobuf__Int64Value *)(const void *)req)->value;
	rpc_call_set_user(call, f, flood_free);
	rpc_on_drained(call, flood_more, f);
	rpc_on_cancel(call, flood_cancelled, f);
	flood_more(call, f);
}

static void sum_cancelled(struct rpc_call *call, void *arg)
{
	((struct echo *)arg)->cancelled++;
	rpc_fail(call, ERR_CANCELLED, NULL);
}

static void on_sum(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
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

static err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	const char *token = rpc_metadata(call, "authorization");

	(void)method;
	(void)arg;
	return token && strcmp(token, "Bearer no") == 0 ? err_set(detail, ERR_DENIED, "", "not you") : ERR_OK;
}

/* ---- the server's thread ---- */
static void *run(void *arg)
{
	loop_run(((struct echo *)arg)->loop);
	return NULL;
}

static void echo_start(struct echo *e)
{
	struct err_detail detail = { 0 };

	assert_int_equal(loop_new(&e->loop), ERR_OK);
	e->params.loop = e->loop;
	e->params.address = "127.0.0.1:0";
	e->params.authorize = authorize;
	if (rpc_server_new(&e->server, &e->params, &detail))
		fail_msg("%s: %s", detail.field, detail.message);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Echo", RPC_UNARY, on_echo, e), ERR_OK);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Flood", RPC_SERVER_STREAM, on_flood, e), ERR_OK);
	assert_int_equal(rpc_server_add(e->server, &echo_service, "Sum", RPC_CLIENT_STREAM, on_sum, e), ERR_OK);
	assert_int_equal(rpc_server_start(e->server), ERR_OK);
	snprintf(e->address, sizeof(e->address), "127.0.0.1:%d", rpc_server_port(e->server));
	assert_int_equal(pthread_create(&e->thread, NULL, run, e), 0);
}

static void on_stopped(void *arg)
{
	struct echo *e = arg;

	e->stopped++;
	rpc_server_free(&e->server);
	loop_stop(e->loop);
}

static void begin_stop(void *arg)
{
	struct echo *e = arg;

	rpc_server_stop(e->server, e->grace_ms, on_stopped, e);
}

static void echo_stop(struct echo *e)
{
	assert_int_equal(loop_post(e->loop, begin_stop, e), ERR_OK);
	pthread_join(e->thread, NULL);
	assert_int_equal(e->stopped, 1);
	loop_free(&e->loop);
}

static void await(atomic_int *v, int n)
{
	int64_t until = clock_mono_ms() + 10000;

	while (*v < n) {
		if (clock_mono_ms() > until)
			fail_msg("still %d, not %d", *v, n);
		usleep(2000);
	}
}

static struct rpc_client *client(const struct echo *e, const char *token, int64_t timeout_ms)
{
	struct rpc_client_params p = {
		.target = e->address, .tls = e->client_tls, .token = token, .timeout_ms = timeout_ms
	};
	struct rpc_client *c = NULL;

	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	return c;
}

static err_t call_echo(struct rpc_client *c, const char *method, const char *text, char *ret, size_t size,
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

/* ---- unary ---- */
static void a_request_is_answered_and_its_metadata_seen(void **state)
{
	struct echo e = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, "abc", 5000);
	assert_int_equal(call_echo(c, "Echo", "héllo", text, sizeof(text), NULL), ERR_OK);
	assert_string_equal(text, "héllo");
	assert_string_equal(e.key, "Bearer abc");
	assert_string_equal(e.seen_method, "/trunkline.test.v1.Echo/Echo");
	assert_string_equal(e.identity, "");
	assert_in_range(e.deadline_ms, 1, 5100); /* a header rounds it up */
	rpc_client_free(&c);
	echo_stop(&e);
}

static void a_failure_names_the_field(void **state)
{
	struct echo e = { 0 };
	struct err_detail detail = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(call_echo(c, "Echo", "fail", text, sizeof(text), &detail), ERR_INVALID);
	assert_string_equal(detail.field, "queues[3].skill_id");
	assert_string_equal(detail.message, "must name a skill");
	rpc_client_free(&c);
	echo_stop(&e);
}

static void an_unknown_method_is_unimplemented_at_once(void **state)
{
	struct echo e = { 0 };
	struct err_detail detail = { 0 };
	struct rpc_client *c;
	char text[32];
	int64_t t0;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 5000);
	t0 = clock_mono_ms();
	assert_int_equal(call_echo(c, "Unserved", "x", text, sizeof(text), &detail), ERR_UNIMPLEMENTED);
	assert_string_equal(detail.message, "no such method");
	assert_true(clock_mono_ms() - t0 < 3000);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void a_refused_caller_never_reaches_the_handler(void **state)
{
	struct echo e = { 0 };
	struct err_detail detail = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, "no", 0);
	assert_int_equal(call_echo(c, "Echo", "x", text, sizeof(text), &detail), ERR_DENIED);
	assert_string_equal(detail.message, "not you");
	assert_int_equal(e.calls, 0);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void invalid_utf8_is_refused_by_name(void **state)
{
	struct echo e = { 0 };
	struct err_detail detail = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(call_echo(c, "Echo", "bad \xff", text, sizeof(text), &detail), ERR_INVALID);
	assert_string_equal(detail.field, "value");
	assert_int_equal(e.calls, 0);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void an_oversized_request_is_refused_and_the_next_one_served(void **state)
{
	struct echo e = { .params = { .max_request_bytes = 1 << 20 } };
	size_t size = 2 << 20;
	char *big = mem_alloc(size + 1), text[32];
	struct rpc_client *c;

	(void)state;
	memset(big, 'x', size);
	big[size] = '\0';
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(call_echo(c, "Echo", big, text, sizeof(text), NULL), ERR_EXHAUSTED);
	assert_int_equal(e.calls, 0);
	assert_int_equal(call_echo(c, "Echo", "small", text, sizeof(text), NULL), ERR_OK);
	mem_free(big);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void a_deadline_ends_the_call_at_both_sides(void **state)
{
	struct echo e = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 200);
	assert_int_equal(call_echo(c, "Echo", "hold", text, sizeof(text), NULL), ERR_TIMEOUT);
	await(&e.cancelled, 1);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void ten_thousand_calls_leave_nothing_behind(void **state)
{
	struct echo e = { 0 };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, "token", 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(call_echo(c, "Echo", "x", text, sizeof(text), NULL), ERR_OK);
	assert_int_equal(e.calls, 10000);
	rpc_client_free(&c);
	echo_stop(&e); /* leaks show under VARIANT=asan */
}

/* ---- streams ---- */
struct reader {
	struct echo *echo;
	int64_t messages, stop_after, slow_us;
	int max_refused;
};

static bool on_block(const ProtobufCMessage *msg, void *arg)
{
	struct reader *r = arg;

	assert_int_equal(((const Google__Protobuf__BytesValue *)(const void *)msg)->value.len, 65536);
	r->messages++;
	if (r->slow_us)
		usleep((useconds_t)r->slow_us);
	return r->messages != r->stop_after;
}

static err_t flood(struct rpc_client *c, int64_t n, struct reader *r)
{
	Google__Protobuf__Int64Value v = GOOGLE__PROTOBUF__INT64_VALUE__INIT;

	v.value = n;
	return rpc_client_stream(c, &echo_service, "Flood", &v.base, 0, on_block, r, NULL);
}

static void a_slow_reader_slows_the_sender_down(void **state)
{
	struct echo e = { 0 };
	struct reader r = { .slow_us = 300 };
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(flood(c, 1000, &r), ERR_OK);
	assert_int_equal(r.messages, 1000);
	assert_true(e.refused > 0); /* 64 MB never were in memory at once */
	await(&e.users_freed, 1);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void a_reader_that_has_enough_releases_the_stream(void **state)
{
	struct echo e = { 0 };
	struct reader r = { .stop_after = 3 };
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(flood(c, 100000, &r), ERR_OK);
	assert_int_equal(r.messages, 3);
	await(&e.cancelled, 1);
	await(&e.users_freed, 1);
	rpc_client_free(&c);
	echo_stop(&e);
}

struct uploader {
	struct echo *echo;
	int left;
	char first;
	err_t fail; /* instead of the end, once the server has seen the beginning */
};

static err_t next_block(const ProtobufCMessage **msg, void *arg)
{
	static uint8_t block[1000];
	static Google__Protobuf__BytesValue v;
	struct uploader *u = arg;

	google__protobuf__bytes_value__init(&v);
	block[0] = (uint8_t)u->first;
	v.value = (ProtobufCBinaryData){ sizeof(block), block };
	*msg = u->left-- > 0 ? &v.base : NULL;
	if (*msg || !u->fail)
		return ERR_OK;
	await(&u->echo->upload_messages, 1);
	return u->fail;
}

static void an_upload_arrives_whole(void **state)
{
	struct echo e = { 0 };
	struct uploader u = { .left = 500 };
	ProtobufCMessage *resp = NULL;
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(rpc_client_upload(c, &echo_service, "Sum", next_block, &u, &resp, NULL), ERR_OK);
	assert_int_equal(((Google__Protobuf__Int64Value *)(void *)resp)->value, 500000);
	assert_int_equal(e.uploads_ended, 1);
	protobuf_c_message_free_unpacked(resp, NULL);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void an_upload_refused_in_the_middle_ends_with_its_status(void **state)
{
	struct echo e = { 0 };
	struct uploader u = { .left = 100000, .first = 'X' };
	ProtobufCMessage *resp = NULL;
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(rpc_client_upload(c, &echo_service, "Sum", next_block, &u, &resp, NULL), ERR_PRECONDITION);
	assert_int_equal(e.uploads_ended, 0);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void an_upload_broken_off_is_never_taken_for_its_end(void **state)
{
	struct echo e = { 0 };
	struct uploader u = { .echo = &e, .left = 5, .fail = ERR_DATA_LOSS };
	ProtobufCMessage *resp = NULL;
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(rpc_client_upload(c, &echo_service, "Sum", next_block, &u, &resp, NULL), ERR_DATA_LOSS);
	await(&e.cancelled, 1);
	assert_int_equal(e.uploads_ended, 0);
	rpc_client_free(&c);
	echo_stop(&e);
}

/* ---- the peer goes away ---- */
/* A process of its own, killed in the middle. It is forked before this process has started gRPC's threads. */
static pid_t start_vanishing_client(int port_pipe[2])
{
	pid_t pid = fork();
	struct echo e = { 0 };
	struct reader r = { .slow_us = 50000 };
	struct rpc_client *c;

	if (pid)
		return pid;
	close(port_pipe[1]);
	if (read(port_pipe[0], e.address, sizeof(e.address)) <= 0)
		_exit(2);
	c = client(&e, NULL, 0);
	(void)!flood(c, 100000, &r);
	_exit(0);
}

static void a_client_that_is_killed_releases_its_stream(void **state)
{
	struct echo e = { 0 };
	int port_pipe[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(port_pipe), 0);
	pid = start_vanishing_client(port_pipe);
	echo_start(&e);
	assert_true(write(port_pipe[1], e.address, sizeof(e.address)) > 0);
	await(&e.refused, 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	await(&e.cancelled, 1);
	await(&e.users_freed, 1);
	close(port_pipe[0]);
	close(port_pipe[1]);
	echo_stop(&e);
}

/* ---- stop ---- */
static void *call_hold(void *arg)
{
	struct echo *e = arg;
	struct rpc_client *c = client(e, NULL, 20000);
	char text[32] = "";
	err_t r = call_echo(c, "Echo", "hold", text, sizeof(text), NULL);

	rpc_client_free(&c);
	return (void *)(intptr_t)(r ? (int)r : -(int)strlen(text));
}

static void finish_held(void *arg)
{
	struct echo *e = arg;

	rpc_on_cancel(e->hold, NULL, NULL);
	reply_text(e->hold, "done");
	e->hold = NULL;
}

static void a_stop_lets_running_calls_finish(void **state)
{
	struct echo e = { .grace_ms = 10000 };
	pthread_t caller;
	void *result;

	(void)state;
	echo_start(&e);
	pthread_create(&caller, NULL, call_hold, &e);
	await(&e.held, 1);
	assert_int_equal(loop_post(e.loop, begin_stop, &e), ERR_OK);
	usleep(50000);
	assert_int_equal(e.stopped, 0);
	assert_int_equal(loop_post(e.loop, finish_held, &e), ERR_OK);
	pthread_join(caller, &result);
	assert_int_equal((intptr_t)result, -4);
	pthread_join(e.thread, NULL);
	assert_int_equal(e.stopped, 1);
	loop_free(&e.loop);
}

static void a_stop_cancels_what_outlives_its_grace(void **state)
{
	struct echo e = { .grace_ms = 50 };
	pthread_t caller;
	void *result;

	(void)state;
	echo_start(&e);
	pthread_create(&caller, NULL, call_hold, &e);
	await(&e.held, 1);
	echo_stop(&e);
	pthread_join(caller, &result);
	assert_true((intptr_t)result > 0);
	assert_int_equal(e.cancelled, 1);
}

static void a_call_held_beyond_the_server_can_still_be_finished(void **state)
{
	struct echo e = { 0 };
	pthread_t caller;

	(void)state;
	echo_start(&e);
	pthread_create(&caller, NULL, call_hold, &e);
	await(&e.held, 1);
	loop_stop(e.loop);
	pthread_join(e.thread, NULL);
	rpc_on_cancel(e.hold, NULL, NULL);
	rpc_server_free(&e.server);
	assert_true(rpc_cancelled(e.hold));
	assert_null(rpc_metadata(e.hold, "authorization"));
	rpc_fail(e.hold, ERR_CANCELLED, NULL);
	pthread_join(caller, NULL);
	loop_free(&e.loop);
}

static void a_port_in_use_is_an_error_not_a_share(void **state)
{
	struct echo e = { 0 };
	struct rpc_server_params p;
	struct rpc_server *second = NULL;
	struct err_detail detail = { 0 };

	(void)state;
	echo_start(&e);
	p = e.params;
	p.address = e.address;
	assert_int_equal(loop_new(&p.loop), ERR_OK);
	assert_int_equal(rpc_server_new(&second, &p, &detail), ERR_EXISTS);
	assert_non_null(strstr(detail.message, e.address));
	loop_free(&p.loop);
	echo_stop(&e);
}

/* ---- health ---- */
static void set_not_serving(void *arg)
{
	rpc_server_set_serving(((struct echo *)arg)->server, false);
}

static bool on_health(const ProtobufCMessage *msg, void *arg)
{
	const Grpc__Health__V1__HealthCheckResponse *h = (const void *)msg;
	struct echo *e = arg;

	if (h->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING) {
		assert_int_equal(loop_post(e->loop, set_not_serving, e), ERR_OK);
		return true;
	}
	assert_int_equal(h->status, GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
	return false;
}

static void health_is_told_and_watched(void **state)
{
	Grpc__Health__V1__HealthCheckRequest req = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
	struct echo e = { 0 };
	ProtobufCMessage *resp;
	struct rpc_client *c;

	(void)state;
	echo_start(&e);
	c = client(&e, "no", 0); /* health asks nobody who he is */
	req.service = (char *)"trunkline.test.v1.Echo";
	assert_int_equal(rpc_client_call(c, &grpc__health__v1__health__descriptor, "Check", &req.base, &resp, NULL),
			 ERR_OK);
	protobuf_c_message_free_unpacked(resp, NULL);
	assert_int_equal(rpc_client_stream(c, &grpc__health__v1__health__descriptor, "Watch", &req.base, 5000,
					   on_health, &e, NULL),
			 ERR_OK);
	req.service = (char *)"trunkline.test.v1.Ech";
	assert_int_equal(rpc_client_call(c, &grpc__health__v1__health__descriptor, "Check", &req.base, &resp, NULL),
			 ERR_NOT_FOUND);
	rpc_client_free(&c);
	echo_stop(&e);
}

/* ---- TLS ---- */
static char dir[TESTKIT_PATH];
static char ca[TESTKIT_PATH + 16], server_cert[TESTKIT_PATH + 16], server_key[TESTKIT_PATH + 16];
static char client_cert[TESTKIT_PATH + 16], client_key[TESTKIT_PATH + 16], other_ca[TESTKIT_PATH + 16];

static int make_certificates(void **state)
{
	static char other[TESTKIT_PATH];

	(void)state;
	testkit_dir(dir);
	testkit_dir(other);
	testkit_certificate(dir, "server");
	testkit_certificate(dir, "agent-7");
	testkit_certificate(other, "server");
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(other_ca, sizeof(other_ca), "%s/ca.pem", other);
	snprintf(server_cert, sizeof(server_cert), "%s/server.pem", dir);
	snprintf(server_key, sizeof(server_key), "%s/server.key", dir);
	snprintf(client_cert, sizeof(client_cert), "%s/agent-7.pem", dir);
	snprintf(client_key, sizeof(client_key), "%s/agent-7.key", dir);
	return 0;
}

static void tls_hides_the_call_and_a_client_certificate_names_the_peer(void **state)
{
	struct echo e = { .params.tls = { ca, server_cert, server_key, true },
			  .client_tls = { ca, client_cert, client_key, false } };
	struct rpc_client *c;
	char text[32];

	(void)state;
	echo_start(&e);
	c = client(&e, NULL, 0);
	assert_int_equal(call_echo(c, "Echo", "secret", text, sizeof(text), NULL), ERR_OK);
	assert_string_equal(e.identity, "agent-7");
	rpc_client_free(&c);
	echo_stop(&e);
}

static void expect_unavailable(struct rpc_tls server, struct rpc_tls tls)
{
	struct echo e = { .params.tls = server, .client_tls = tls };
	struct rpc_client *c;
	char text[32];

	echo_start(&e);
	c = client(&e, NULL, 2000);
	assert_int_equal(call_echo(c, "Echo", "x", text, sizeof(text), NULL), ERR_UNAVAILABLE);
	assert_int_equal(e.calls, 0);
	rpc_client_free(&c);
	echo_stop(&e);
}

static void a_wrong_peer_gets_no_connection(void **state)
{
	const struct rpc_tls server = { ca, server_cert, server_key, true };

	(void)state;
	expect_unavailable(server, (struct rpc_tls){ ca, NULL, NULL, false });	     /* no certificate */
	expect_unavailable(server, (struct rpc_tls){ other_ca, NULL, NULL, false }); /* another authority */
	expect_unavailable(server, (struct rpc_tls){ NULL, NULL, NULL, false });     /* plain text */
}

static void missing_certificates_are_named(void **state)
{
	struct rpc_server_params p = { .address = "127.0.0.1:0",
				       .tls = { NULL, "/nonexistent.pem", server_key, false } };
	struct rpc_server *s = NULL;
	struct err_detail detail = { 0 };

	(void)state;
	assert_int_equal(loop_new(&p.loop), ERR_OK);
	assert_int_equal(rpc_server_new(&s, &p, &detail), ERR_NOT_FOUND);
	assert_non_null(strstr(detail.message, "/nonexistent.pem"));
	p.tls = (struct rpc_tls){ NULL, server_cert, NULL, false };
	assert_int_equal(rpc_server_new(&s, &p, &detail), ERR_INVALID);
	loop_free(&p.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_that_is_killed_releases_its_stream), /* first: it forks */
		cmocka_unit_test(a_request_is_answered_and_its_metadata_seen),
		cmocka_unit_test(a_failure_names_the_field),
		cmocka_unit_test(an_unknown_method_is_unimplemented_at_once),
		cmocka_unit_test(a_refused_caller_never_reaches_the_handler),
		cmocka_unit_test(invalid_utf8_is_refused_by_name),
		cmocka_unit_test(an_oversized_request_is_refused_and_the_next_one_served),
		cmocka_unit_test(a_deadline_ends_the_call_at_both_sides),
		cmocka_unit_test(ten_thousand_calls_leave_nothing_behind),
		cmocka_unit_test(a_slow_reader_slows_the_sender_down),
		cmocka_unit_test(a_reader_that_has_enough_releases_the_stream),
		cmocka_unit_test(an_upload_arrives_whole),
		cmocka_unit_test(an_upload_refused_in_the_middle_ends_with_its_status),
		cmocka_unit_test(an_upload_broken_off_is_never_taken_for_its_end),
		cmocka_unit_test(a_stop_lets_running_calls_finish),
		cmocka_unit_test(a_stop_cancels_what_outlives_its_grace),
		cmocka_unit_test(a_call_held_beyond_the_server_can_still_be_finished),
		cmocka_unit_test(a_port_in_use_is_an_error_not_a_share),
		cmocka_unit_test(health_is_told_and_watched),
		cmocka_unit_test(tls_hides_the_call_and_a_client_certificate_names_the_peer),
		cmocka_unit_test(a_wrong_peer_gets_no_connection),
		cmocka_unit_test(missing_certificates_are_named),
	};
	return cmocka_run_group_tests(tests, make_certificates, NULL);
}
