#include "testkit/testkit.h"
#include "base/clock.h"
#include "base/mem.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void a_nats_server_comes_back_on_the_same_port(void **state)
{
	struct testkit_nats n;
	char dir[TESTKIT_PATH];
	int port;

	(void)state;
	testkit_nats_start(&n, true);
	port = n.port;
	strcpy(dir, n.dir);
	testkit_nats_restart(&n);
	assert_int_equal(n.port, port);
	assert_true(testkit_wait_tcp(port, 20000));
	testkit_nats_stop(&n);
	assert_int_not_equal(access(dir, F_OK), 0);
	assert_false(testkit_wait_tcp(port, 20));
}

static void a_postgres_keeps_its_rows_over_a_crash(void **state)
{
	struct testkit_postgres p;
	struct str out = STR_INIT;

	(void)state;
	testkit_postgres_start(&p);
	assert_int_equal(0, testkit_run((const char *[]){ "psql", "-X", p.dsn, "-c", "create table t as select 42 as n",
							  NULL },
					&out, 10000));
	testkit_postgres_restart(&p);
	str_reset(&out);
	assert_int_equal(0, testkit_run((const char *[]){ "psql", "-XAt", p.dsn, "-c", "select n from t", NULL }, &out,
					10000));
	assert_string_equal(str_text(&out), "42\n");
	testkit_postgres_stop(&p);
	str_done(&out);
}

static void a_kafka_broker_serves_and_comes_back(void **state)
{
	struct testkit_kafka k;

	(void)state;
	testkit_kafka_start(&k);
	assert_true(testkit_proc_running(&k.proc));
	testkit_kafka_restart(&k);
	assert_true(testkit_proc_running(&k.proc));
	testkit_kafka_stop(&k);
}

static void certificates_verify_against_their_ca(void **state)
{
	char dir[TESTKIT_PATH], ca[256], cert[256];
	struct str out = STR_INIT;

	(void)state;
	testkit_dir(dir);
	testkit_certificate(dir, "sip-edge");
	testkit_certificate(dir, "client");
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	snprintf(cert, sizeof(cert), "%s/client.pem", dir);
	assert_int_equal(0,
			 testkit_run((const char *[]){ "openssl", "verify", "-CAfile", ca, cert, NULL }, &out, 10000));
	str_done(&out);
}

static bool gone(void *arg)
{
	return access(arg, F_OK) != 0;
}

static bool nobody_listens(void *arg)
{
	return !testkit_wait_tcp(*(int *)arg, 20);
}

/* The child of this test is a test program that crashes with a component running. */
static void a_crashed_test_leaves_neither_processes_nor_directories(void **state)
{
	int fds[2];
	struct testkit_nats n = { 0 };
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		testkit_nats_start(&n, true);
		if (write(fds[1], &n, sizeof(n)) != sizeof(n))
			_exit(1);
		raise(SIGKILL);
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &n, sizeof(n)), sizeof(n));
	waitpid(pid, NULL, 0);
	close(fds[0]);
	assert_true(testkit_wait(gone, n.dir, 20000));
	assert_true(testkit_wait(nobody_listens, &n.port, 20000)); /* what is killed ends a moment later */
}

static void run_gives_the_output_and_the_exit_code(void **state)
{
	struct str out = STR_INIT;

	(void)state;
	assert_int_equal(3,
			 testkit_run((const char *[]){ "sh", "-c", "echo a; echo b >&2; exit 3", NULL }, &out, 5000));
	assert_string_equal(str_text(&out), "a\nb\n");
	assert_int_equal(128 + SIGKILL, testkit_run((const char *[]){ "sleep", "60", NULL }, NULL, 50));
	str_done(&out);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void a_wait_is_not_over_because_this_process_stood_still(void **state)
{
	int64_t began_ms = clock_mono_ms();
	pid_t parent = getpid(), pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		usleep(50000);
		testkit_stand_still(parent);
		usleep(1500000);
		_exit(kill(parent, SIGCONT));
	}
	assert_false(testkit_wait(never, NULL, 1000));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_true(clock_mono_ms() - began_ms >= 2400); /* of its 1.5 s 0.1 s counted */
}

static err_t two_blocks(void *arg)
{
	void *a = mem_alloc(8), *b = mem_alloc(8);
	err_t e = a && b ? ERR_OK : ERR_EXHAUSTED;

	++*(int *)arg;
	mem_free(a);
	mem_free(b);
	return e;
}

static void each_allocation_is_made_to_fail_once(void **state)
{
	int runs = 0;

	(void)state;
	testkit_each_alloc_failure(two_blocks, &runs);
	assert_int_equal(runs, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_gives_the_output_and_the_exit_code),
		cmocka_unit_test(a_wait_is_not_over_because_this_process_stood_still),
		cmocka_unit_test(each_allocation_is_made_to_fail_once),
		cmocka_unit_test(certificates_verify_against_their_ca),
		cmocka_unit_test(a_nats_server_comes_back_on_the_same_port),
		cmocka_unit_test(a_postgres_keeps_its_rows_over_a_crash),
		cmocka_unit_test(a_crashed_test_leaves_neither_processes_nor_directories),
		cmocka_unit_test(a_kafka_broker_serves_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
