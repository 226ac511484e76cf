/* Over a real NATS: a withdrawn token is known to every watcher within a second, and to one that starts later (GT-3). */
#include "revoked/revoked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "testkit/testkit.h"

#define SECOND_MS 1000
#define MANY	  1024 /* as many as are kept at least */

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;

static const struct auth_user mei = { .subject = "admin:mei", .tenant = "acme", .token_id = "0a" };
static const struct auth_user twin = { .subject = "admin:li", .tenant = "globex", .token_id = "0a" };
static const struct auth_user root = { .subject = "operator:root", .token_id = "0b" };
static const struct auth_user old = { .subject = "admin:old", .tenant = "acme" };

static void count(void *arg)
{
	(*(unsigned *)arg)++;
}

static bool is_synced(void *arg)
{
	return revoked_synced(arg);
}

static struct revoked *reader(unsigned *told)
{
	struct err_detail d = { 0 };
	struct revoked *r = NULL;

	if (revoked_new(&r, &(struct revoked_params){ .bus = bus, .on_revoked = count, .arg = told }, &d))
		testkit_die("revoked_new: %s", d.message);
	return r;
}

static bool is_back(void *arg)
{
	(void)arg;
	return bus_losses(bus) > 0 && bus_connected(bus);
}

struct wait {
	struct revoked *r;
	const struct auth_user *user;
};

static bool is_refused(void *arg)
{
	const struct wait *w = arg;
	struct err_detail d = { 0 };
	err_t e = revoked_check(w->r, w->user, &d);

	return e == ERR_UNAUTHENTICATED && strcmp(d.message, "the token was withdrawn") == 0;
}

static bool refused(struct revoked *r, const struct auth_user *user)
{
	struct wait w = { r, user };

	return testkit_wait_loop(loop, is_refused, &w, SECOND_MS);
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	*(bool *)arg = e == ERR_OK;
}

/* As tenant-manager does when all is told. */
static void mark(struct revoked *r)
{
	bool done = false;

	assert_int_equal(revoked_mark(r, true, BUS_KV_ANY, on_put, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

static void withdraw(struct revoked *r, const struct auth_user *u)
{
	bool done = false;

	assert_int_equal(revoked_put(r, u->tenant, u->token_id, on_put, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

static void a_withdrawn_token_is_refused_within_a_second_and_by_who_starts_later_GT_3(void **state)
{
	unsigned told_here = 0, told_there = 0, told_later = 0;
	struct revoked *here = reader(&told_here), *there, *later;

	(void)state;
	assert_int_equal(revoked_check(here, &mei, NULL), ERR_UNAVAILABLE);
	there = reader(&told_there);
	mark(here);
	assert_true(testkit_wait_loop(loop, is_synced, here, 20000) &&
		    testkit_wait_loop(loop, is_synced, there, 20000));
	assert_int_equal(revoked_check(here, &mei, NULL), ERR_OK);

	withdraw(here, &mei);
	assert_true(refused(here, &mei) && refused(there, &mei));
	assert_int_equal(revoked_check(there, &twin, NULL), ERR_OK); /* of another tenant */
	assert_int_equal(revoked_check(there, &root, NULL), ERR_OK);
	assert_int_equal(revoked_check(there, &old, NULL), ERR_OK);
	withdraw(here, &root);
	assert_true(refused(here, &root) && refused(there, &root));
	assert_int_equal(told_there, 2);
	withdraw(here, &root); /* once more, as after NATS was away: nobody's streams end for it */
	withdraw(here, &twin);
	assert_true(refused(there, &twin));
	assert_int_equal(told_there, 3);

	later = reader(&told_later);
	assert_true(testkit_wait_loop(loop, is_synced, later, 20000));
	assert_true(is_refused(&(struct wait){ later, &mei }) && is_refused(&(struct wait){ later, &root }));
	assert_int_equal(revoked_check(later, &old, NULL), ERR_OK);
	assert_int_equal(told_later, 0);
	revoked_free(&here);
	revoked_free(&there);
	revoked_free(&later);
}

static void who_was_let_in_may_go_on_until_the_token_expires_or_is_withdrawn_GT_3(void **state)
{
	struct auth_user user = { .subject = "admin:wen", .tenant = "acme", .token_id = "0c", .expires_s = 1000 };
	struct err_detail d = { 0 };
	unsigned told = 0;
	struct revoked *r = reader(&told);

	(void)state;
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000));
	assert_int_equal(revoked_recheck(r, &user, 999, NULL), ERR_OK);
	assert_int_equal(revoked_recheck(r, &user, 1000, &d), ERR_UNAUTHENTICATED);
	assert_string_equal(d.message, "the token has expired");
	withdraw(r, &user);
	assert_true(refused(r, &user));
	assert_int_equal(revoked_recheck(r, &user, 999, &d), ERR_UNAUTHENTICATED);
	assert_string_equal(d.message, "the token was withdrawn");
	revoked_free(&r);
}

static void what_is_known_stays_while_nats_is_away_and_after_its_restart_GT_3(void **state)
{
	unsigned told = 0;
	struct revoked *r = reader(&told);

	(void)state;
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000));
	testkit_nats_restart(&nats);
	assert_true(testkit_wait_loop(loop, is_back, NULL, 20000));
	assert_true(is_refused(&(struct wait){ r, &mei }));
	revoked_free(&r);
	r = reader(&told);
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000));
	assert_true(is_refused(&(struct wait){ r, &mei }));
	revoked_free(&r);
}

static void on_answer(err_t e, const struct bus_msg *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = e == ERR_OK;
}

static void ask(const char *subject)
{
	bool done = false;

	assert_int_equal(bus_request(bus, subject, "", 0, 5000, on_answer, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

static void turn(int64_t ms)
{
	static const bool never = false;

	(void)testkit_wait_flag(loop, &never, ms);
}

/* Somebody empties the bucket, or makes it anew, or takes keys away: with a key of nobody's in it, and then the mark. */
static void who_knew_goes_on_knowing_when_the_bucket_is_emptied_and_who_starts_waits_for_the_mark_GT_3(void **state)
{
	static const char *const ways[] = { "$JS.API.STREAM.PURGE.KV_revoked", "$JS.API.STREAM.DELETE.KV_revoked" };
	struct auth_user user = { .subject = "admin:mei", .tenant = "acme" };
	unsigned told = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct revoked *knows = reader(&told), *starts;

		assert_int_equal(auth_token_id(clock_wall_ms(), user.token_id), ERR_OK);
		mark(knows);
		withdraw(knows, &user);
		assert_true(refused(knows, &user));
		ask(ways[i]);
		starts = reader(&told);
		turn(300);
		assert_true(is_refused(&(struct wait){ knows, &user }));
		assert_int_equal(revoked_check(starts, &old, NULL), ERR_UNAVAILABLE);
		withdraw(starts, &twin); /* the bucket has something, and not all */
		turn(300);
		assert_int_equal(revoked_check(starts, &old, NULL), ERR_UNAVAILABLE);
		withdraw(starts, &user);
		mark(starts);
		assert_true(refused(starts, &user) && refused(knows, &user));
		assert_int_equal(revoked_check(starts, &old, NULL), ERR_OK);
		revoked_free(&starts);
		revoked_free(&knows);
	}
}

static void a_key_that_is_taken_away_is_known_until_the_token_has_expired_GT_3(void **state)
{
	const struct bus_kv_params params = { .bucket = "revoked", .history = 1, .ttl_ms = 86520000 };
	struct auth_user user = { .subject = "admin:mei", .tenant = "acme" };
	struct err_detail d = { 0 };
	unsigned told = 0;
	char key[80];
	bool done = false;
	struct revoked *r = reader(&told);
	struct bus_kv *kv;

	(void)state;
	assert_int_equal(auth_token_id(clock_wall_ms(), user.token_id), ERR_OK);
	withdraw(r, &user);
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000) && refused(r, &user));
	assert_int_equal(bus_kv_open(&kv, bus, &params, &d), ERR_OK);
	snprintf(key, sizeof(key), "acme.%s", user.token_id);
	assert_int_equal(bus_kv_delete(kv, key, BUS_KV_ANY, on_put, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
	turn(300);
	assert_true(is_refused(&(struct wait){ r, &user }));
	bus_kv_close(&kv);
	revoked_free(&r);
}

static void on_looked(err_t e, const struct bus_msg *msg, void *arg)
{
	*(uint64_t *)arg = e || revoked_is_told(msg) ? UINT64_MAX : msg->seq;
}

static bool has_looked(void *arg)
{
	return *(uint64_t *)arg != 0;
}

static void on_refused_mark(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	*(bool *)arg = e == ERR_ABORTED;
}

/* tenant-manager tells all; what it told first is gone. */
static void a_bucket_that_is_emptied_while_all_are_told_gets_no_mark_GT_3(void **state)
{
	bool done = false, no = false;
	uint64_t revision = 0;
	unsigned told = 0;
	struct revoked *r = reader(&told);

	(void)state;
	ask("$JS.API.STREAM.PURGE.KV_revoked");
	assert_int_equal(revoked_mark(r, false, 0, on_put, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
	assert_int_equal(revoked_look(r, on_looked, &revision), ERR_OK);
	assert_true(testkit_wait_loop(loop, has_looked, &revision, 20000));
	assert_int_not_equal(revision, UINT64_MAX);
	assert_int_equal(revoked_check(r, &old, NULL), ERR_UNAVAILABLE);
	ask("$JS.API.STREAM.PURGE.KV_revoked");
	assert_int_equal(revoked_mark(r, true, revision, on_refused_mark, &no), ERR_OK);
	assert_true(testkit_wait_flag(loop, &no, 20000));
	assert_int_equal(revoked_check(r, &old, NULL), ERR_UNAVAILABLE);
	mark(r);
	revoked_free(&r);
}

static void on_one_of_many(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	*(unsigned *)arg += e == ERR_OK;
}

static bool all_are_put(void *arg)
{
	return *(unsigned *)arg == MANY;
}

static bool is_forgotten(void *arg)
{
	const struct wait *w = arg;

	return revoked_check(w->r, w->user, NULL) == ERR_OK;
}

/* The bucket forgets them by itself, without a word: nobody may grow by each token that was ever withdrawn. */
static void tokens_that_have_expired_are_forgotten_GT_3(void **state)
{
	struct auth_user user = { .subject = "admin:many", .tenant = "many" }, first;
	unsigned told = 0, put = 0;
	struct revoked *r = reader(&told);
	struct wait w = { r, &first };

	(void)state;
	assert_true(testkit_wait_loop(loop, is_synced, r, 20000));
	for (int64_t i = 0; i < MANY; i++) {
		assert_int_equal(auth_token_id(1000 + i, user.token_id), ERR_OK); /* of 1970 */
		assert_int_equal(revoked_put(r, user.tenant, user.token_id, on_one_of_many, &put), ERR_OK);
		if (i == 0) {
			first = user;
			assert_true(refused(r, &first));
		}
	}
	assert_true(testkit_wait_loop(loop, all_are_put, &put, 20000));
	assert_true(testkit_wait_loop(loop, is_forgotten, &w, 20000));
	revoked_free(&r);
}

static int start(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	testkit_nats_start(&nats, true);
	if (loop_new(&loop) ||
	    bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "revoked" }, &d))
		testkit_die("bus: %s", d.message);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_withdrawn_token_is_refused_within_a_second_and_by_who_starts_later_GT_3),
		cmocka_unit_test(who_was_let_in_may_go_on_until_the_token_expires_or_is_withdrawn_GT_3),
		cmocka_unit_test(what_is_known_stays_while_nats_is_away_and_after_its_restart_GT_3),
		cmocka_unit_test(
		    who_knew_goes_on_knowing_when_the_bucket_is_emptied_and_who_starts_waits_for_the_mark_GT_3),
		cmocka_unit_test(a_key_that_is_taken_away_is_known_until_the_token_has_expired_GT_3),
		cmocka_unit_test(a_bucket_that_is_emptied_while_all_are_told_gets_no_mark_GT_3),
		cmocka_unit_test(tokens_that_have_expired_are_forgotten_GT_3),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
