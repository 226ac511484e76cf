/* A whole small service in a child process, asked over HTTP and ended by signals. */
#include "service/service.h"
#include "log/log.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the service: this program, started with "serve" ------------------------------------------------------------ */

struct toy_config {
	bool bus_ready;
	bool books_there;
	int64_t drain_ms; /* -1: never drained */
};

static const struct config_item toy_items[] = {
	CONFIG_BOOL(struct toy_config, bus_ready, "toy.bus_ready", true, "what the readiness check says"),
	CONFIG_BOOL(struct toy_config, books_there, "toy.books_there", true, "what the check of what it can miss says"),
	CONFIG_INT(struct toy_config, drain_ms, "toy.drain_ms", 0, -1, 60000, "how long work under way takes"),
	CONFIG_END
};

static struct toy_config cfg;
static struct loop_timer work;

static bool bus_ready(void *arg)
{
	UNUSED(arg);
	return cfg.bus_ready;
}

static bool books_there(void *arg)
{
	UNUSED(arg);
	return cfg.books_there;
}

static void on_work_done(void *arg)
{
	service_drained(arg);
}

static void on_drain(void *arg)
{
	if (cfg.drain_ms >= 0)
		loop_timer_start(&work, cfg.drain_ms);
	UNUSED(arg);
}

static int serve(int argc, char **argv)
{
	struct service *svc = NULL;
	err_t e = service_new(&svc, "toy", toy_items, &cfg, argc, argv);

	if (e)
		return service_exit_code(e);
	loop_timer_init(&work, service_loop(svc), on_work_done, svc);
	service_add_ready(svc, "bus", bus_ready, NULL);
	service_add_ready(svc, "nothing", bus_ready, NULL);
	service_add_wanted(svc, "books", books_there, NULL);
	service_on_drain(svc, on_drain, NULL);
	service_run(svc);
	service_free(&svc);
	return service_exit_code(ERR_OK);
}

/* ---- the tests ---------------------------------------------------------------------------------------------------- */

static const char *self;
static struct testkit_proc proc;
static int port;
static char dir[TESTKIT_PATH], config[TESTKIT_PATH + 64], log_file[TESTKIT_PATH + 64];

static void start(const char *more)
{
	const char *argv[] = { self, "serve", "-c", config, NULL };
	struct str text = STR_INIT;

	port = testkit_tcp_port();
	testkit_dir(dir);
	str_printf(&text, "instance: toy-1\nhttp: { port: %d }\n%s", port, more);
	testkit_file(dir, "toy.yaml", str_text(&text), config);
	snprintf(log_file, sizeof(log_file), "%s/toy.log", dir);
	testkit_spawn(&proc, &(struct testkit_spawn){ .argv = argv, .log = log_file });
	str_done(&text);
	assert_true(testkit_wait_tcp(port, 30000));
}

/* The whole answer to a request. */
static struct str answer = STR_INIT;

static const char *ask(const char *request)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char chunk[4096];
	ssize_t n;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
	str_reset(&answer);
	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		str_append_n(&answer, chunk, (size_t)n);
	close(fd);
	return str_text(&answer);
}

static const char *get(const char *path)
{
	char request[128];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	return ask(request);
}

static bool has_status(const char *reply, int status)
{
	return strlen(reply) > 12 && atoi(reply + 9) == status;
}

static const char *logged(void)
{
	static struct str s = STR_INIT;

	str_reset(&s);
	testkit_read(log_file, &s);
	return str_text(&s);
}

static void a_ready_service_answers_health_readiness_and_metrics(void **state)
{
	UNUSED(state);
	start("");
	assert_true(has_status(get("/healthz"), 200));
	assert_true(has_status(get("/readyz"), 200));
	assert_true(has_status(get("/metrics"), 200));
	assert_non_null(strstr(str_text(&answer), "\ntrunkline_ready 1\n"));
	assert_non_null(strstr(str_text(&answer), "text/plain; version=0.0.4"));
	assert_true(has_status(get("/secret"), 404));
	assert_true(
	    has_status(ask("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
		       405));
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
	assert_non_null(strstr(logged(), "event=service.started"));
	assert_non_null(strstr(logged(), "event=service.draining signal=TERM"));
	assert_non_null(strstr(logged(), "event=service.stopped drained=yes"));
}

static void a_service_that_is_not_ready_says_what_is_missing(void **state)
{
	UNUSED(state);
	start("toy: { bus_ready: false }\n");
	assert_true(has_status(get("/readyz"), 503));
	assert_non_null(strstr(str_text(&answer), "not ready: bus, nothing\n"));
	assert_true(has_status(get("/healthz"), 200));
	assert_int_equal(testkit_proc_stop(&proc, SIGINT, 5000), 0);
}

static void a_service_that_goes_on_without_something_is_ready_and_says_that_it_is_degraded(void **state) /* GT-15 */
{
	UNUSED(state);
	start("toy: { books_there: false }\n");
	assert_true(has_status(get("/readyz"), 200));
	assert_non_null(strstr(str_text(&answer), "ready, degraded: books\n"));
	get("/metrics");
	assert_non_null(strstr(str_text(&answer), "\ntrunkline_ready 1\n"));
	assert_non_null(strstr(str_text(&answer), "\ntrunkline_degraded 1\n"));
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
}

static void rubbish_on_the_port_hurts_nobody(void **state)
{
	static char longest[100000];

	UNUSED(state);
	start("");
	memset(longest, 'a', sizeof(longest) - 1);
	memcpy(longest, "GET /", 5);
	signal(SIGPIPE, SIG_IGN);
	ask("\r\n\r\nrubbish\r\n\r\n");
	ask("GET /healthz HTTP/9.9\r\n\r\n");
	for (int i = 0; i < 100; i++) { /* more than it serves at a time; none is closed by us */
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		(void)connect(fd, (struct sockaddr *)&to, sizeof(to));
		(void)send(fd, longest, sizeof(longest) - 1, MSG_NOSIGNAL);
		close(fd);
	}
	assert_true(has_status(get("/healthz"), 200));
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
}

static bool is_draining(void *arg)
{
	UNUSED(arg);
	return has_status(get("/readyz"), 503) && strstr(str_text(&answer), "not ready: draining\n");
}

static void while_it_drains_it_is_not_ready_but_healthy(void **state)
{
	UNUSED(state);
	start("toy: { drain_ms: 60000 }\n");
	kill(proc.pid, SIGTERM);
	assert_true(testkit_wait(is_draining, NULL, 20000));
	assert_true(has_status(get("/healthz"), 200));
	/* The second signal does not wait. */
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
	assert_non_null(strstr(logged(), "event=service.stopped_hard"));
}

static void draining_ends_at_its_deadline(void **state)
{
	UNUSED(state);
	start("toy: { drain_ms: -1 }\ndrain: { timeout_ms: 50 }\n");
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
	assert_non_null(strstr(logged(), "event=service.drain_timeout after_ms=50"));
}

static int run_with(const char *a, const char *b, struct str *out)
{
	str_reset(out);
	return testkit_run((const char *[]){ self, "serve", a, b, NULL }, out, 10000);
}

static void wrong_arguments_and_settings_end_with_2_and_say_why(void **state)
{
	struct str out = STR_INIT;

	UNUSED(state);
	assert_int_equal(run_with("--hlep", NULL, &out), 2);
	assert_string_equal(str_text(&out),
			    "trunkline-toy: --hlep: unknown argument; --help lists all (INVALID_ARGUMENT)\n");
	assert_int_equal(run_with("-c", NULL, &out), 2);
	assert_int_equal(run_with(NULL, NULL, &out), 2);
	assert_non_null(strstr(str_text(&out), "trunkline-toy: instance: is required"));
	setenv("TRUNKLINE_INSTANCE", "Toy 1", 1);
	assert_int_equal(run_with(NULL, NULL, &out), 2);
	assert_non_null(strstr(str_text(&out), "instance: \"Toy 1\": a-z, 0-9 and -"));
	setenv("TRUNKLINE_INSTANCE", "toy-1", 1);
	setenv("TRUNKLINE_HTTP_ADDRESS", "localhost", 1);
	setenv("TRUNKLINE_HTTP_PORT", "1", 1);
	assert_int_equal(run_with(NULL, NULL, &out), 2);
	assert_non_null(strstr(str_text(&out), "http.address: \"localhost\" is not an IP address"));
	unsetenv("TRUNKLINE_INSTANCE");
	unsetenv("TRUNKLINE_HTTP_ADDRESS");
	unsetenv("TRUNKLINE_HTTP_PORT");
	str_done(&out);
}

static void what_only_prints_needs_no_configuration(void **state)
{
	struct str out = STR_INIT;

	UNUSED(state);
	assert_int_equal(run_with("--help", NULL, &out), 0);
	assert_non_null(strstr(str_text(&out), "usage: trunkline-toy"));
	assert_int_equal(run_with("--version", NULL, &out), 0);
	assert_int_equal(run_with("--print-sample-config", NULL, &out), 0);
	assert_non_null(strstr(str_text(&out), "toy:\n"));
	assert_int_equal(run_with("--print-config-reference", NULL, &out), 0);
	assert_non_null(strstr(str_text(&out), "| `drain.timeout_ms` |"));
	str_done(&out);
}

static void a_port_in_use_is_an_error_at_the_start(void **state)
{
	struct str out = STR_INIT;

	UNUSED(state);
	start("");
	assert_int_equal(run_with("-c", config, &out), 1);
	assert_non_null(strstr(str_text(&out), "http.port: cannot listen on 127.0.0.1:"));
	assert_int_equal(testkit_proc_stop(&proc, SIGTERM, 20000), 0);
	str_done(&out);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ready_service_answers_health_readiness_and_metrics),
		cmocka_unit_test(a_service_that_is_not_ready_says_what_is_missing),
		cmocka_unit_test(a_service_that_goes_on_without_something_is_ready_and_says_that_it_is_degraded),
		cmocka_unit_test(rubbish_on_the_port_hurts_nobody),
		cmocka_unit_test(while_it_drains_it_is_not_ready_but_healthy),
		cmocka_unit_test(draining_ends_at_its_deadline),
		cmocka_unit_test(wrong_arguments_and_settings_end_with_2_and_say_why),
		cmocka_unit_test(what_only_prints_needs_no_configuration),
		cmocka_unit_test(a_port_in_use_is_an_error_at_the_start),
	};
	int failed;

	if (argc > 1 && strcmp(argv[1], "serve") == 0)
		return serve(argc - 1, argv + 1);
	self = argv[0];
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	str_done(&answer);
	return failed;
}
