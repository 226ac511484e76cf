/* A real server on a thread of its own and real clients, over loopback TCP. */
#include "rpc_echo.h"
#include "testkit/testkit.h"

/* ---- unary ---- */
static void a_request_is_answered_and_its_metadata_seen(void **state)
{
	struct echo e = { 0 };
	struct rpc_client *c;
	char text[32];
	int64_t before;

	(void)state;
	echo_start(&e);
	before = testkit_metric("trunkline_rpc_request_seconds_count");
	c = client(&e, "abc", 5000);
	assert_int_equal(call_echo(c, "Echo", "héllo", text, sizeof(text), NULL), ERR_OK);
	assert_string_equal(text, "héllo");
	assert_string_equal(e.key, "Bearer abc");
	assert_string_equal(e.seen_method, "/trunkline.test.v1.Echo/Echo");
	assert_string_equal(e.identity, "");
	assert_in_range(e.deadline_ms, 1, 5100); /* a header rounds it up */
	assert_int_equal(testkit_metric("trunkline_rpc_request_seconds_count"), before + 1);
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

/* ---- the caller may no more ---- */
struct late {
	struct echo *echo;
	const ProtobufCMessage *msg;
	int before, after; /* messages: the handler has got these, then come those */
	useconds_t pause_us;
	bool withdraw; /* in the pause */
	int asked;
};

static err_t next_late(const ProtobufCMessage **msg, void *arg)
{
	struct late *l = arg;
	int n = l->asked++;

	if (n == l->before) {
		await(&l->echo->upload_messages, l->before);
		usleep(l->pause_us);
		l->echo->withdrawn = l->withdraw;
	}
	*msg = n < l->before + l->after ? l->msg : NULL;
	return ERR_OK;
}

static err_t send_late(const char *method, struct late *l, struct err_detail *detail)
{
	struct rpc_client *c = client(l->echo, NULL, 0);
	ProtobufCMessage *resp = NULL;
	err_t e;

	e = rpc_client_upload(c, &echo_service, method, next_late, l, &resp, detail);
	if (!e)
		protobuf_c_message_free_unpacked(resp, NULL);
	rpc_client_free(&c);
	return e;
}

static void a_message_that_comes_when_its_caller_may_no_more_never_reaches_the_handler_GT_3(void **state)
{
	Google__Protobuf__StringValue v = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
	struct err_detail detail = { 0 };
	struct echo e = { 0 };

	(void)state;
	echo_start(&e);
	v.value = (char *)"x";
	assert_int_equal(send_late("Echo", &(struct late){ &e, &v.base, .after = 1, .pause_us = 200000 }, NULL),
			 ERR_OK);
	assert_int_equal(e.calls, 1);
	assert_int_equal(send_late("Echo",
				   &(struct late){ &e, &v.base, .after = 1, .pause_us = 200000, .withdraw = true },
				   &detail),
			 ERR_UNAUTHENTICATED);
	assert_string_equal(detail.message, "not you any more");
	assert_int_equal(e.calls, 1);
	echo_stop(&e);
}

static void an_upload_whose_caller_may_no_more_ends_and_its_handler_is_told_GT_3(void **state)
{
	Google__Protobuf__BytesValue v = GOOGLE__PROTOBUF__BYTES_VALUE__INIT;

	(void)state;
	v.value = (ProtobufCBinaryData){ 1, (uint8_t *)"x" };
	for (int after = 0; after < 2; after++) { /* at its end; with a further message */
		struct err_detail detail = { 0 };
		struct echo e = { 0 };

		echo_start(&e);
		assert_int_equal(send_late("Sum",
					   &(struct late){ &e, &v.base, .before = 3, .after = after, .withdraw = true },
					   &detail),
				 ERR_UNAUTHENTICATED);
		assert_string_equal(detail.message, "not you any more");
		assert_int_equal(e.cancelled, 1);
		assert_int_equal(e.upload_messages, 3);
		assert_int_equal(e.uploads_ended, 0);
		echo_stop(&e);
	}
}

static void a_call_whose_message_does_not_come_is_not_waited_for_GT_3(void **state)
{
	Google__Protobuf__StringValue v = GOOGLE__PROTOBUF__STRING_VALUE__INIT;
	struct echo e = { .params.request_wait_ms = 1500 };
	struct late l = { &e, &v.base, .after = 1, .pause_us = 4000000 };
	struct err_detail detail = { 0 };

	(void)state;
	echo_start(&e);
	assert_int_equal(send_late("Echo", &l, &detail), ERR_TIMEOUT);
	assert_non_null(strstr(detail.message, "did not come in time"));
	assert_int_equal(e.calls, 0);
	/* A stream that began in time is its handler's. */
	v.value = (char *)"x";
	l = (struct late){ &e, &v.base, .before = 1, .after = 1, .pause_us = 4000000 };
	assert_int_equal(send_late("Sum", &l, NULL), ERR_OK);
	assert_int_equal(e.upload_messages, 2);
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
		cmocka_unit_test(a_message_that_comes_when_its_caller_may_no_more_never_reaches_the_handler_GT_3),
		cmocka_unit_test(an_upload_whose_caller_may_no_more_ends_and_its_handler_is_told_GT_3),
		cmocka_unit_test(a_call_whose_message_does_not_come_is_not_waited_for_GT_3),
		cmocka_unit_test(a_stop_lets_running_calls_finish),
		cmocka_unit_test(a_stop_cancels_what_outlives_its_grace),
		cmocka_unit_test(a_call_held_beyond_the_server_can_still_be_finished),
		cmocka_unit_test(a_port_in_use_is_an_error_not_a_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
