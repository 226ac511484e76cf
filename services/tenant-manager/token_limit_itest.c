/* GT-3: of live tokens there are as many as may be, whoever asks at once and of whichever instance, and the requests for them are counted in the second. */
#include "manager_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "trunkline/admin/v1/admin.pb-c.h"

#define CLIENTS 10
#define EACH	3

static struct fixture fx, second;

static err_t create(struct fixture *f, const char *token, const char *json, struct err_detail *d)
{
	*d = (struct err_detail){ 0 };
	return fixture_call(f, token, "CreateToken", json, NULL, d);
}

static void must_refuse(const char *token, const char *json, const char *field, const char *message)
{
	struct err_detail d;
	err_t e = create(&fx, token, json, &d);

	if (e != ERR_EXHAUSTED || strcmp(d.field, field) != 0 || strcmp(d.message, message) != 0)
		fail_msg("%s '%s' '%s'", err_name(e), d.field, d.message);
}

static void make_tenant(const char *id)
{
	char json[200];

	snprintf(json, sizeof(json), "{\"tenantId\":\"%s\",\"tenant\":{}}", id);
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant", json);
}

/* ---- at once ---- */

struct client {
	pthread_t thread;
	struct fixture *at;
	const char *token, *json;
};
static atomic_int made, refused;

static void *create_some(void *arg)
{
	const struct client *c = arg;
	struct err_detail d;

	for (int i = 0; i < EACH; i++) {
		err_t e = create(c->at, c->token, c->json, &d);

		made += e == ERR_OK;
		refused += e == ERR_EXHAUSTED && strcmp(d.field, "tokens.max_of_maker") == 0;
	}
	return NULL;
}

static void rush(const char *token, const char *json, int wanted)
{
	struct client clients[CLIENTS];

	made = refused = 0;
	for (int k = 0; k < CLIENTS; k++) {
		clients[k] = (struct client){ .at = k % 2 ? &fx : &second, .token = token, .json = json };
		assert_int_equal(pthread_create(&clients[k].thread, NULL, create_some, &clients[k]), 0);
	}
	for (int k = 0; k < CLIENTS; k++)
		pthread_join(clients[k].thread, NULL);
	assert_int_equal(made, wanted);
	assert_int_equal(refused, CLIENTS * EACH - wanted);
}

static void of_many_who_ask_at_once_exactly_as_many_get_a_token_as_may_GT_3(void **state)
{
	const char *admin;

	(void)state;
	make_tenant("acme");
	admin = fixture_token(&fx, "acme", "SCOPE_TENANT_ADMIN");
	rush(admin, "{\"permissions\":[\"queues.read\"]}", 7);
	rush(fx.operator_token, "{\"permissions\":[\"tenants.list\"]}", 7);
}

static void who_has_had_as_many_as_may_be_is_told_what_to_do_and_goes_on_when_one_is_withdrawn_GT_3(void **state)
{
	static const char json[] = "{\"permissions\":[\"queues.read\"]}";
	char one[128], withdraw[160];
	char other[2048];
	const char *admin;
	struct err_detail d;

	(void)state;
	make_tenant("globex");
	admin = fixture_token(&fx, "globex", "SCOPE_TENANT_ADMIN");
	snprintf(one, sizeof(one), "%s", fixture_field(fixture_must(&fx, admin, "CreateToken", json), "name"));
	for (int i = 1; i < 7; i++)
		(void)fixture_must(&fx, admin, "CreateToken", json);
	must_refuse(admin, json, "tokens.max_of_maker",
		    "7 of 7 live tokens made by admin:globex: withdraw some, or wait until they expire");
	snprintf(withdraw, sizeof(withdraw), "{\"name\":\"%s\"}", one);
	(void)fixture_must(&fx, admin, "RevokeToken", withdraw);
	assert_int_equal(create(&fx, admin, json, &d), ERR_OK);
	/* One that has expired makes room, too. */
	must_refuse(admin, json, "tokens.max_of_maker",
		    "7 of 7 live tokens made by admin:globex: withdraw some, or wait until they expire");
	(void)fixture_sql(&fx, "UPDATE tm.token SET expires_at = now() WHERE id = (SELECT max(id) FROM tm.token WHERE "
			       "tenant = 'globex')");
	assert_int_equal(create(&fx, admin, json, &d), ERR_OK);
	/* And all makers together: one by the operator, seven, and two of the operator's. */
	snprintf(other, sizeof(other), "%s",
		 fixture_field(fixture_must(&fx, fx.operator_token, "CreateToken",
					    "{\"tenant\":\"globex\",\"subject\":\"admin:li\",\"roles\":["
					    "\"tenant-admin\"]}"),
			       "accessToken"));
	(void)fixture_token(&fx, "globex", "SCOPE_TENANT_ADMIN");
	must_refuse(other, json, "tokens.max_of_tenant",
		    "10 of 10 live tokens in all: withdraw some, or wait until they expire");
	/* Other tenants, and agents who sign in, have nothing to do with it. */
	make_tenant("other");
	(void)fixture_token(&fx, "other", "SCOPE_TENANT_ADMIN");
	(void)fixture_must(&fx, fx.operator_token, "CreateAgent",
			   "{\"parent\":\"tenants/globex\",\"agent\":{\"id\":\"1001\",\"enabled\":true,"
			   "\"password\":\"correct horse\"}}");
	(void)fixture_must(&fx, NULL, "Login",
			   "{\"tenant\":\"globex\",\"agentId\":\"1001\",\"password\":\"correct horse\"}");
}

static bool is_limited(void *arg)
{
	struct err_detail d;

	return create(&fx, arg, "{\"permissions\":[\"queues.read\"]}", &d) == ERR_EXHAUSTED &&
	       strcmp(d.field, "quotas.api_requests_per_s") == 0;
}

static void to_ask_for_a_token_is_a_request_of_the_second_GT_3(void **state)
{
	const char *admin;

	(void)state;
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant",
			   "{\"tenantId\":\"slow\",\"tenant\":{\"quotas\":{\"apiRequestsPerS\":2}}}");
	admin = fixture_token(&fx, "slow", "SCOPE_TENANT_ADMIN");
	assert_true(testkit_wait(is_limited, (void *)admin, 20000));
}

static bool at_second_too(void *arg)
{
	struct err_detail d;

	return create(&second, arg, "{\"permissions\":[]}", &d) == ERR_EXHAUSTED;
}

/* ---- requests a second, of two instances ---- */

#define PER_S  20
#define RUN_MS 4000

static void *list_for_a_while(void *arg)
{
	Trunkline__Admin__V1__ListQueuesRequest req = TRUNKLINE__ADMIN__V1__LIST_QUEUES_REQUEST__INIT;
	const struct client *c = arg;
	struct rpc_client *connection = fixture_client(c->at, c->token);
	int64_t until_ms = clock_mono_ms() + RUN_MS;

	req.parent = (char *)(uintptr_t) "tenants/twice";
	while (clock_mono_ms() < until_ms) {
		ProtobufCMessage *rep = NULL;
		err_t e = rpc_client_call(connection, &trunkline__admin__v1__admin_service__descriptor, "ListQueues",
					  &req.base, &rep, NULL);

		if (!e)
			protobuf_c_message_free_unpacked(rep, NULL);
		made += e == ERR_OK;
		refused += e == ERR_EXHAUSTED;
		usleep(3000);
	}
	rpc_client_free(&connection);
	return NULL;
}

static bool refuses_by_new_limit(struct fixture *f, const char *token)
{
	struct err_detail d = { 0 };

	return fixture_call(f, token, "ListQueues", "{\"parent\":\"tenants/twice\"}", NULL, &d) == ERR_EXHAUSTED &&
	       strstr(d.message, "20 of 20 requests");
}

static bool is_raised(void *arg)
{
	return refuses_by_new_limit(&fx, arg) && refuses_by_new_limit(&second, arg);
}

/* On a machine so busy that NATS does not answer in time some are let in by one alone. */
static int let_in_alone(void)
{
	return (int)(fixture_metric(&fx, "trunkline_quota_api_rate_alone_total") +
		     fixture_metric(&second, "trunkline_quota_api_rate_alone_total"));
}

/* At most a burst, what came since, and a lease of before (libs/apirate/lease.h). */
static void two_instances_together_let_in_the_limit_of_a_second_GT_3_1_2(void **state)
{
	struct client clients[4];
	const char *admin;
	int64_t t0, took_ms;
	int alone;

	(void)state;
	(void)fixture_must(&fx, fx.operator_token, "CreateTenant",
			   "{\"tenantId\":\"twice\",\"tenant\":{\"quotas\":{\"apiRequestsPerS\":1}}}");
	admin = fixture_token(&fx, "twice", "SCOPE_TENANT_ADMIN");
	assert_true(testkit_wait(is_limited, (void *)admin, 20000) &&
		    testkit_wait(at_second_too, (void *)admin, 5000)); /* both know the limit */
	(void)fixture_must(&fx, fx.operator_token, "UpdateTenant",
			   "{\"tenant\":{\"name\":\"tenants/twice\",\"quotas\":{\"apiRequestsPerS\":20}},"
			   "\"updateMask\":\"quotas\"}");
	assert_true(testkit_wait(is_raised, (void *)admin, 20000));
	made = refused = 0;
	alone = let_in_alone();
	t0 = clock_mono_ms();
	for (int k = 0; k < 4; k++) {
		clients[k] = (struct client){ .at = k % 2 ? &fx : &second, .token = admin };
		assert_int_equal(pthread_create(&clients[k].thread, NULL, list_for_a_while, &clients[k]), 0);
	}
	for (int k = 0; k < 4; k++)
		pthread_join(clients[k].thread, NULL);
	took_ms = clock_mono_ms() - t0;
	print_message("[   %d of %d requests let in by two instances in %lld ms, at %d a second\n", made,
		      made + refused, (long long)took_ms, PER_S);
	assert_true(refused > 0);
	assert_in_range(made - (let_in_alone() - alone), PER_S, PER_S + PER_S * (took_ms + 300) / 1000);
}

static int set_up(void **state)
{
	*state = &fx;
	fx.more_config = "tokens:\n  max_of_maker: 7\n  max_of_tenant: 10\n";
	fixture_start(&fx);
	fixture_second(&second, &fx);
	return 0;
}

static int tear_down(void **state)
{
	fixture_service_stop(&second, SIGTERM);
	return fixture_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_many_who_ask_at_once_exactly_as_many_get_a_token_as_may_GT_3),
		cmocka_unit_test(
		    who_has_had_as_many_as_may_be_is_told_what_to_do_and_goes_on_when_one_is_withdrawn_GT_3),
		cmocka_unit_test(to_ask_for_a_token_is_a_request_of_the_second_GT_3),
		cmocka_unit_test(two_instances_together_let_in_the_limit_of_a_second_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
