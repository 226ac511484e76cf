/* Two servers with a real NATS between them, and real clients: the limit of both together, a limit without NATS, what is told, what it costs. */
#include "apirate/apirate.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "confkit/confkit.h"
#include "lease.h"
#include "testkit/testkit.h"
#include "trunkline/report/v1/report.pb-c.h"

#define SERVICE (&trunkline__report__v1__report_service__descriptor)

struct instance {
	struct loop *loop;
	struct bus *bus;
	struct events *events;
	struct tenantconf *conf;
	struct apirate *rate;
	struct rpc_server *server;
	pthread_t thread;
	char target[32];
	_Atomic int64_t judged_ns; /* CPU within apirate_take() */
};
static struct testkit_nats nats;
static struct instance two[2];
/* The test's own. */
static struct loop *loop;
static struct bus *bus;

static int64_t cpu_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* ---- servers ---- */

/* The token is the name of a tenant; "root" is an operator. */
static err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	struct instance *in = arg;
	const char *token = rpc_metadata(call, "authorization");
	struct auth_user u = { .rights = 0 };
	int64_t t0;
	err_t e;

	(void)method;
	(void)str_copy(u.tenant, sizeof(u.tenant), token + strlen("Bearer "));
	if (str_eq(u.tenant, "root"))
		u = (struct auth_user){ .scopes = AUTH_OPERATOR };
	t0 = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	e = apirate_take(in->rate, call, &u, detail);
	in->judged_ns += cpu_ns(CLOCK_THREAD_CPUTIME_ID) - t0;
	return e;
}

static void on_summary(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	Trunkline__Report__V1__GetSummaryResponse reply = TRUNKLINE__REPORT__V1__GET_SUMMARY_RESPONSE__INIT;

	(void)req;
	(void)arg;
	rpc_reply(call, &reply.base);
}

static void *run(void *arg)
{
	loop_run(((struct instance *)arg)->loop);
	return NULL;
}

static bool is_synced(void *arg)
{
	return tenantconf_synced(((struct instance *)arg)->conf);
}

static void start_one(struct instance *in, const char *name)
{
	struct err_detail d = { 0 };
	struct rpc_server_params p = { .address = "127.0.0.1:0", .authorize = authorize, .arg = in };

	assert_int_equal(loop_new(&in->loop), ERR_OK);
	p.loop = in->loop;
	if (bus_new(&in->bus, &(struct bus_params){ .loop = in->loop, .url = nats.url, .name = name }, &d) ||
	    events_ensure_stream(in->bus, &d) || events_new(&in->events, in->bus, "centre", name) ||
	    tenantconf_new(&in->conf, &(struct tenantconf_params){ .bus = in->bus, .no_agents = true }, &d) ||
	    apirate_new(&in->rate, &(struct apirate_params){ .bus = in->bus, .events = in->events, .conf = in->conf },
			&d) ||
	    rpc_server_new(&in->server, &p, &d) ||
	    rpc_server_add(in->server, SERVICE, "GetSummary", RPC_UNARY, on_summary, in) ||
	    rpc_server_start(in->server))
		testkit_die("%s: %s", d.field, d.message);
	assert_true(testkit_wait_loop(in->loop, is_synced, in, 10000));
	snprintf(in->target, sizeof(in->target), "127.0.0.1:%d", rpc_server_port(in->server));
	assert_int_equal(pthread_create(&in->thread, NULL, run, in), 0);
}

static void end_loop(void *arg)
{
	loop_stop(((struct instance *)arg)->loop);
}

static void stop_one(struct instance *in)
{
	assert_int_equal(loop_post(in->loop, end_loop, in), ERR_OK);
	pthread_join(in->thread, NULL);
	rpc_server_free(&in->server);
	apirate_stop(in->rate);
	events_free(&in->events);
	tenantconf_free(&in->conf);
	bus_free(&in->bus);
	apirate_free(&in->rate);
	loop_free(&in->loop);
}

/* ---- clients ---- */

static struct rpc_client *client(const struct instance *at, const char *tenant, int64_t timeout_ms)
{
	struct rpc_client_params p = { .target = at->target, .token = tenant, .timeout_ms = timeout_ms };
	struct rpc_client *c;

	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	return c;
}

static err_t ask(struct rpc_client *c, struct err_detail *d)
{
	Trunkline__Report__V1__GetSummaryRequest req = TRUNKLINE__REPORT__V1__GET_SUMMARY_REQUEST__INIT;
	ProtobufCMessage *rep = NULL;
	err_t e = rpc_client_call(c, SERVICE, "GetSummary", &req.base, &rep, d);

	if (!e)
		protobuf_c_message_free_unpacked(rep, NULL);
	return e;
}

struct flood {
	pthread_t thread;
	const struct instance *at;
	const char *tenant;
	int64_t ms;
	unsigned asked, let_in;
	int64_t longest_ms;
};

static void *ask_on(void *arg)
{
	struct flood *f = arg;
	struct rpc_client *c = client(f->at, f->tenant, 5000);
	int64_t until_ms = clock_mono_ms() + f->ms;

	for (int64_t now = clock_mono_ms(), before; (before = now) < until_ms; f->asked++) {
		f->let_in += ask(c, NULL) == ERR_OK;
		now = clock_mono_ms();
		f->longest_ms = now - before > f->longest_ms ? now - before : f->longest_ms;
	}
	rpc_client_free(&c);
	return NULL;
}

/* Two clients at each of the two; *ret_ms: from before the first request to after the last. */
static unsigned flood(const char *tenant, int64_t ms, unsigned *ret_asked, int64_t *ret_ms)
{
	struct flood f[4];
	int64_t t0 = clock_mono_ms();
	unsigned let_in = 0;

	*ret_asked = 0;
	for (int i = 0; i < 4; i++) {
		f[i] = (struct flood){ .at = &two[i % 2], .tenant = tenant, .ms = ms };
		assert_int_equal(pthread_create(&f[i].thread, NULL, ask_on, &f[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(f[i].thread, NULL);
		let_in += f[i].let_in;
		*ret_asked += f[i].asked;
	}
	*ret_ms = clock_mono_ms() - t0;
	return let_in;
}

/* ---- what stands in NATS ---- */

/* Of one instance, on its loop. */
struct heard {
	struct instance *in;
	const char *tenant;
	unsigned per_s;
	atomic_int answer; /* 0: none yet, 1: it has heard, 2: it has not */
};

static void look(void *arg)
{
	struct heard *h = arg;
	const struct tenant *t = tenantconf_find_tenant(h->in->conf, h->tenant);

	h->answer = t && t->quotas.api_requests_per_s == h->per_s ? 1 : 2;
}

static bool is_answered(void *arg)
{
	return ((struct heard *)arg)->answer;
}

static bool has_heard(void *arg)
{
	struct heard *h = arg;

	h->answer = 0;
	assert_int_equal(loop_post(h->in->loop, look, h), ERR_OK);
	assert_true(testkit_wait(is_answered, h, 20000));
	return h->answer == 1;
}

static void give(const char *tenant, unsigned per_s)
{
	char json[200];

	snprintf(json, sizeof(json),
		 "{'tenant':'%s','version':1,'timeZone':'UTC','sipDomain':'%s.test','quotas':{'apiRequestsPerS':%u}}",
		 tenant, tenant, per_s);
	confkit_publish(loop, bus, json);
	for (int i = 0; i < 2; i++)
		assert_true(testkit_wait(has_heard, &(struct heard){ &two[i], tenant, per_s, 0 }, 20000));
}

struct answer {
	bool done;
	uint64_t revision;
};

static void on_got(err_t e, const struct bus_msg *msg, void *arg)
{
	struct answer *a = arg;

	a->revision = e ? 0 : msg->seq;
	a->done = true;
}

/* All writes of the bucket up to the last of this tenant; 0: it has none. */
static uint64_t writes_until(const char *tenant)
{
	struct answer a = { 0 };
	struct bus_kv *kv;
	char key[80];

	snprintf(key, sizeof(key), "%s.api", tenant);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "quota" }, NULL), ERR_OK);
	assert_int_equal(bus_kv_get(kv, key, on_got, &a), ERR_OK);
	assert_true(testkit_wait_flag(loop, &a.done, 5000));
	bus_kv_close(&kv);
	return a.revision;
}

struct told {
	unsigned n;
	int64_t first_s, last_s;
};

static void on_event(const struct bus_msg *msg, void *arg)
{
	Trunkline__Event__V1__Event *ev = trunkline__event__v1__event__unpack(NULL, msg->size, msg->data);
	struct told *t = arg;

	assert_non_null(ev);
	assert_int_equal(ev->body_case, TRUNKLINE__EVENT__V1__EVENT__BODY_QUOTA_REFUSED);
	assert_string_equal(ev->quota_refused->quota, "api_requests_per_s");
	assert_int_equal(ev->quota_refused->limit, 50);
	t->last_s = ev->time_ms / 1000;
	t->first_s = t->n++ ? t->first_s : t->last_s;
	trunkline__event__v1__event__free_unpacked(ev, NULL);
}

static bool has_any(void *arg)
{
	return ((struct told *)arg)->n > 0;
}

/* ---- tests ---- */

static void both_together_let_in_the_limit_for_a_few_writes_a_second_GT_3_1_2(void **state)
{
	int64_t ms, alone = testkit_metric("trunkline_quota_api_rate_alone_total");
	unsigned asked, n;
	uint64_t writes;

	(void)state;
	give("acme", 50);
	writes = writes_until("acme");
	n = flood("acme", 5000, &asked, &ms);
	writes = writes_until("acme") - writes;
	print_message("[   %u of %u requests let in by two instances in %lld ms at 50 a second, for %llu writes\n", n,
		      asked, (long long)ms, (unsigned long long)writes);
	/* On a machine so busy that NATS does not answer in time some are let in alone. */
	alone = testkit_metric("trunkline_quota_api_rate_alone_total") - alone;
	assert_true(asked > n);
	assert_in_range(n - alone, 50, 50 + 50 * ms / 1000);
	assert_in_range(writes, 1, 12 * (ms / 1000 + 1));
}

static void of_refusals_one_event_a_second_is_told_of_both_together_GT_3_1_2(void **state)
{
	struct bus_reader *reader;
	struct told told = { 0 };
	unsigned asked;
	int64_t ms;

	(void)state;
	give("globex", 50);
	(void)flood("globex", 3000, &asked, &ms);
	assert_int_equal(bus_read(&reader, bus,
				  &(struct bus_reader_params){ .stream = EVENTS_STREAM,
							       .filter = "ev.globex.system.quota",
							       .fn = on_event,
							       .arg = &told }),
			 ERR_OK);
	assert_true(testkit_wait_loop(loop, has_any, &told, 5000));
	(void)testkit_wait_flag(loop, &(bool){ false }, 300);
	assert_in_range(told.n, 2, told.last_s - told.first_s + 1);
	bus_reader_free(&reader);
}

struct asked {
	struct rpc_client *c;
	struct err_detail *d;
};

static bool is_refused(void *arg)
{
	struct asked *a = arg;

	return ask(a->c, a->d) == ERR_EXHAUSTED;
}

static void a_refusal_says_which_quota_and_when_to_come_again_and_operators_have_none_GT_3_1_2(void **state)
{
	struct rpc_client *c = client(&two[0], "slow", 5000), *root = client(&two[0], "root", 5000);
	struct err_detail d = { 0 };

	(void)state;
	give("slow", 1);
	assert_int_equal(ask(c, &d), ERR_OK);
	assert_true(testkit_wait(is_refused, &(struct asked){ c, &d }, 20000)); /* the second within its second */
	assert_string_equal(d.field, "quotas.api_requests_per_s");
	assert_non_null(strstr(d.message, "1 of 1 requests of a second in use; try again in "));
	assert_in_range(d.retry_ms, 1, 1000);
	usleep((useconds_t)(d.retry_ms + 20) * 1000);
	assert_int_equal(ask(c, &d), ERR_OK);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask(root, &d), ERR_OK);
	rpc_client_free(&root);
	rpc_client_free(&c);
}

static void a_caller_who_goes_while_held_leaves_nothing_and_others_never_wait(void **state)
{
	struct rpc_client *hasty, *other = client(&two[0], "free", 5000), *patient = client(&two[0], "held", 5000);
	int64_t alone = testkit_metric("trunkline_quota_api_rate_alone_total"), t0, waited_ms;
	const int n = 100;
	struct err_detail d = { 0 };

	(void)state;
	give("held", 1000);
	hasty = client(&two[0], "held", 100);
	assert_int_equal(ask(other, &d), ERR_OK); /* connected */
	testkit_stand_still(nats.proc.pid);
	assert_int_equal(ask(hasty, &d), ERR_TIMEOUT);
	assert_int_equal(ask(other, &d), ERR_OK);
	/* Since then nobody has answered for the tenant: what waits, waits for the rest of the time, and then nobody does. */
	assert_int_equal(ask(patient, &d), ERR_OK);
	t0 = clock_mono_ms();
	for (int i = 0; i < n; i++)
		assert_int_equal(ask(patient, &d), ERR_OK);
	waited_ms = clock_mono_ms() - t0;
	assert_int_equal(kill(nats.proc.pid, SIGCONT), 0);
	assert_true(waited_ms < n * LEASE_MS / 2); /* each for itself would have waited twice as long */
	/* The hasty one's may have been decided before its going was heard of. */
	assert_in_range(testkit_metric("trunkline_quota_api_rate_alone_total") - alone, n + 1, n + 2);
	rpc_client_free(&patient);
	rpc_client_free(&other);
	rpc_client_free(&hasty);
}

static bool book_is_used(void *arg)
{
	int64_t before = testkit_metric("trunkline_quota_api_rate_alone_total");

	return ask(arg, NULL) == ERR_OK && testkit_metric("trunkline_quota_api_rate_alone_total") == before;
}

static void while_nats_is_away_each_has_the_limit_for_itself_and_afterwards_both_together_GT_3_1_2(void **state)
{
	struct rpc_client *c;
	unsigned asked, n;
	int64_t ms, alone;

	(void)state;
	give("cut", 20);
	testkit_nats_kill(&nats);
	n = flood("cut", 2000, &asked, &ms);
	print_message("[   %u of %u requests let in by two instances without NATS in %lld ms at 20 a second\n", n,
		      asked, (long long)ms);
	assert_in_range(n, 2 * 20, 2 * (20 + 20 * ms / 1000));
	testkit_nats_restart(&nats);
	for (int i = 0; i < 2; i++) {
		c = client(&two[i], "cut", 5000);
		assert_true(testkit_wait(book_is_used, c, 20000));
		rpc_client_free(&c);
	}
	alone = testkit_metric("trunkline_quota_api_rate_alone_total");
	n = flood("cut", 3000, &asked, &ms);
	alone = testkit_metric("trunkline_quota_api_rate_alone_total") - alone;
	assert_true(asked > n);
	assert_in_range(n - alone, 20, 20 + 20 * (ms + LEASE_MS) / 1000);
}

static double us_each(struct instance *in, const char *tenant, int requests, double *ret_judged_us)
{
	struct rpc_client *c = client(in, tenant, 5000);
	clockid_t clock;
	int64_t t0, judged;

	assert_int_equal(pthread_getcpuclockid(in->thread, &clock), 0);
	assert_int_equal(ask(c, NULL), ERR_OK);
	judged = in->judged_ns;
	t0 = cpu_ns(clock);
	for (int i = 0; i < requests; i++)
		assert_int_equal(ask(c, NULL), ERR_OK);
	*ret_judged_us = (double)(in->judged_ns - judged) / 1000 / requests;
	rpc_client_free(&c);
	return (double)(cpu_ns(clock) - t0) / 1000 / requests;
}

/* Nearly all out of memory. The judgement's own CPU includes two readings of the clock, as it does without a limit. */
static void many_requests_share_a_write(void **state)
{
	double with, without, judged_with, judged_without;
	uint64_t writes;

	(void)state;
	give("fast", 100000);
	without = us_each(&two[0], "nobody", 3000, &judged_without);
	writes = writes_until("slow");
	with = us_each(&two[0], "fast", 3000, &judged_with);
	writes = writes_until("fast") - writes;
	print_message(
	    "[   CPU of the loop thread for a request: %.1f us without a limit (%.2f of it the judgement), %.1f us "
	    "with (%.2f)\n",
	    without, judged_without, with, judged_with);
	assert_in_range(writes, 1, 3000 / 10);
}

static int start(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	testkit_nats_start(&nats, true);
	assert_int_equal(loop_new(&loop), ERR_OK);
	if (bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "itest" }, &d))
		testkit_die("%s", d.message);
	start_one(&two[0], "one");
	start_one(&two[1], "two");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	stop_one(&two[0]);
	stop_one(&two[1]);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_together_let_in_the_limit_for_a_few_writes_a_second_GT_3_1_2),
		cmocka_unit_test(of_refusals_one_event_a_second_is_told_of_both_together_GT_3_1_2),
		cmocka_unit_test(a_refusal_says_which_quota_and_when_to_come_again_and_operators_have_none_GT_3_1_2),
		cmocka_unit_test(many_requests_share_a_write),
		cmocka_unit_test(a_caller_who_goes_while_held_leaves_nothing_and_others_never_wait),
		cmocka_unit_test(
		    while_nats_is_away_each_has_the_limit_for_itself_and_afterwards_both_together_GT_3_1_2),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
