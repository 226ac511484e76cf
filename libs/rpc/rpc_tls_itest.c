/* Health, and who may connect: TLS and client certificates. */
#include "rpc_echo.h"
#include "grpc/health/v1/health.pb-c.h"
#include "testkit/testkit.h"

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

static void move(const char *from_dir, const char *name, const char *to_dir)
{
	char from[TESTKIT_PATH + 32], to[TESTKIT_PATH + 32];

	snprintf(from, sizeof(from), "%s/%s", from_dir, name);
	snprintf(to, sizeof(to), "%s/%s", to_dir, name);
	assert_int_equal(rename(from, to), 0);
}

static err_t try_with(const struct echo *e, const char *authority)
{
	struct echo with = *e;
	struct rpc_client *c;
	char text[32];
	err_t err;

	with.client_tls = (struct rpc_tls){ authority, NULL, NULL, false };
	c = client(&with, NULL, 2000);
	err = call_echo(c, "Echo", "x", text, sizeof(text), NULL);
	rpc_client_free(&c);
	return err;
}

/* Rotation of the identities without a restart. */
static void renewed_certificates_hold_for_the_next_connection_and_broken_ones_do_not(void **state)
{
	char own[TESTKIT_PATH], next[TESTKIT_PATH], own_ca[TESTKIT_PATH + 16], next_ca[TESTKIT_PATH + 16],
	    path[TESTKIT_PATH + 64];
	char cert[TESTKIT_PATH + 16], key[TESTKIT_PATH + 16], text[32];
	struct echo e = { .params.tls = { NULL, cert, key, false } };
	struct rpc_client *standing;

	(void)state;
	testkit_dir(own);
	testkit_dir(next);
	testkit_certificate(own, "server");
	testkit_certificate(next, "server");
	snprintf(cert, sizeof(cert), "%s/server.pem", own);
	snprintf(key, sizeof(key), "%s/server.key", own);
	snprintf(own_ca, sizeof(own_ca), "%s/ca.pem", own);
	snprintf(next_ca, sizeof(next_ca), "%s/ca.pem", next);
	e.client_tls = (struct rpc_tls){ own_ca, NULL, NULL, false };
	echo_start(&e);
	standing = client(&e, NULL, 0);
	assert_int_equal(call_echo(standing, "Echo", "x", text, sizeof(text), NULL), ERR_OK);
	assert_int_equal(try_with(&e, next_ca), ERR_UNAVAILABLE);
	move(next, "server.key", own); /* half of it */
	assert_int_equal(try_with(&e, own_ca), ERR_OK);
	move(next, "server.pem", own);
	assert_int_equal(try_with(&e, next_ca), ERR_OK);
	assert_int_equal(try_with(&e, own_ca), ERR_UNAVAILABLE);
	assert_int_equal(call_echo(standing, "Echo", "x", text, sizeof(text), NULL), ERR_OK);
	testkit_file(own, "server.pem", "no certificate", path);
	assert_int_equal(try_with(&e, next_ca), ERR_OK);
	rpc_client_free(&standing);
	echo_stop(&e);
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
		cmocka_unit_test(health_is_told_and_watched),
		cmocka_unit_test(tls_hides_the_call_and_a_client_certificate_names_the_peer),
		cmocka_unit_test(a_wrong_peer_gets_no_connection),
		cmocka_unit_test(renewed_certificates_hold_for_the_next_connection_and_broken_ones_do_not),
		cmocka_unit_test(missing_certificates_are_named),
	};
	return cmocka_run_group_tests(tests, make_certificates, NULL);
}
