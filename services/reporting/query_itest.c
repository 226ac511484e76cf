/* ReportService as a process, with a real PostgreSQL and no Kafka: who may ask it (GT-3). */
#include "reporting.h"

#include "migrations.h"
#include "rightskit/rightskit.h"
#include "testkit/testkit.h"
#include "trunkline/report/v1/report.pb-c.h"

#include <libgen.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICE (&trunkline__report__v1__report_service__descriptor)

static struct testkit_postgres pg;
static struct testkit_nats nats;
static struct testkit_proc proc;
static struct auth_signer *signer;
static char dir[TESTKIT_PATH], address[32];

/* The tenant in parent; "": that of the token. */
static err_t ask(uint64_t rights, const char *parent, struct err_detail *d)
{
	Trunkline__Report__V1__GetSummaryRequest req = TRUNKLINE__REPORT__V1__GET_SUMMARY_REQUEST__INIT;
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(SERVICE, "GetSummary");

	req.parent = (char *)(uintptr_t)parent;
	return rightskit_call(m, SERVICE, address, signer, "", rights, &req.base, d);
}

static bool answers(void *arg)
{
	struct err_detail d;

	(void)arg;
	return ask(rights_bit(RIGHT_REPORTS_READ), "", &d) == ERR_OK;
}

static void each_method_needs_its_permission_and_no_other_GT_3(void **state)
{
	(void)state;
	rightskit_check(SERVICE, address, signer, "");
}

static void another_tenant_is_not_there_GT_3(void **state)
{
	struct err_detail d;

	(void)state;
	assert_int_equal(ask(rights_bit(RIGHT_REPORTS_READ), "tenants/acme", &d), ERR_OK);
	assert_int_equal(ask(rights_bit(RIGHT_REPORTS_READ), "tenants/globex", &d), ERR_NOT_FOUND);
	assert_string_equal(d.message, AUTH_NO_SUCH_TENANT);
}

static void a_withdrawn_token_is_refused_within_a_second_GT_3(void **state)
{
	(void)state;
	rightskit_check_revoked(SERVICE, address, signer, "", nats.url);
}

static void each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2(void **state)
{
	(void)state;
	rightskit_check_limited(SERVICE, address, signer, "", nats.url);
}

static void start_service(void)
{
	char binary[512], self[400], conf[TESTKIT_PATH + 64];
	const char *argv[] = { binary, "-c", conf, NULL };
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct str s = STR_INIT;

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-reporting", dirname(self));
	snprintf(address, sizeof(address), "127.0.0.1:%d", testkit_tcp_port());
	str_printf(&s, "instance: reporting-1\nsite: centre\nhttp:\n  port: 0\nkafka:\n  brokers: \"127.0.0.1:%d\"\n",
		   testkit_tcp_port()); /* where nobody listens */
	str_printf(&s, "db:\n  conninfo: \"%s user=reporting\"\n  migrate_conninfo: \"%s\"\n", pg.dsn, pg.dsn);
	str_printf(&s, "nats:\n  url: \"%s\"\n", nats.url);
	str_printf(&s, "grpc:\n  address: \"%s\"\nauth:\n  public_key_file: \"%s/token.pub\"\n", address, dir);
	testkit_file(dir, "reporting.yaml", str_text(&s), conf);
	str_done(&s);
	testkit_spawn(&proc, &(struct testkit_spawn){ .argv = argv });
	assert_true(testkit_wait(answers, NULL, 20000));
}

static int start(void **state)
{
	struct str out = STR_INIT;

	(void)state;
	testkit_dir(dir);
	testkit_postgres_start(&pg);
	testkit_nats_start(&nats, true);
	assert_int_equal(testkit_run((const char *[]){ "psql", "-Xq", pg.dsn, "-c", "CREATE ROLE reporting LOGIN",
						       NULL },
				     &out, 20000),
			 0);
	str_done(&out);
	signer = rightskit_signer(dir);
	rightskit_none_revoked(nats.url);
	start_service();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 10000), 0);
	auth_signer_free(&signer);
	testkit_nats_stop(&nats);
	testkit_postgres_stop(&pg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_method_needs_its_permission_and_no_other_GT_3),
		cmocka_unit_test(another_tenant_is_not_there_GT_3),
		cmocka_unit_test(a_withdrawn_token_is_refused_within_a_second_GT_3),
		cmocka_unit_test(each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
