#include "promptstore/promptstore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "testkit/testkit.h"

static struct testkit_nats nats;
static struct loop *loop;
static struct bus *bus;
static struct promptstore *ps;

struct outcome {
	bool done;
	err_t e;
	unsigned char *pcm;
	size_t size;
};

static void on_done(err_t e, void *arg)
{
	struct outcome *o = arg;

	assert_false(o->done);
	o->done = true;
	o->e = e;
}

static void on_fetched(err_t e, const void *pcm, size_t size, void *arg)
{
	struct outcome *o = arg;

	on_done(e, arg);
	o->pcm = size ? malloc(size) : NULL;
	o->size = size;
	if (size)
		memcpy(o->pcm, pcm, size);
}

static void make_audio(unsigned char *pcm, size_t size, unsigned seed)
{
	for (size_t i = 0; i < size; i++)
		pcm[i] = (unsigned char)((i * 7 + i / 251) ^ seed);
}

static void store(const char *tenant, const void *pcm, size_t size)
{
	struct outcome o = { 0 };

	assert_int_equal(promptstore_put(ps, tenant, pcm, size, on_done, &o), ERR_OK);
	assert_false(o.done);
	assert_true(testkit_wait_flag(loop, &o.done, 20000));
	assert_int_equal(o.e, ERR_OK);
}

static err_t load(const char *tenant, const char *sha256, struct outcome *o)
{
	*o = (struct outcome){ 0 };
	assert_int_equal(promptstore_fetch(ps, tenant, sha256, on_fetched, o), ERR_OK);
	assert_true(testkit_wait_flag(loop, &o->done, 20000));
	return o->e;
}

static void what_was_stored_comes_back_whatever_its_size(void **state)
{
	static const size_t sizes[] = { 2, PROMPTSTORE_CHUNK_BYTES, PROMPTSTORE_CHUNK_BYTES + 2,
					30 * PROMPTSTORE_CHUNK_BYTES - 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *pcm = malloc(sizes[i]);
		char hex[PROMPTSTORE_HEX];
		struct outcome o;

		make_audio(pcm, sizes[i], (unsigned)i);
		store("acme", pcm, sizes[i]);
		promptstore_hash(pcm, sizes[i], hex);
		assert_int_equal(load("acme", hex, &o), ERR_OK);
		assert_int_equal(o.size, sizes[i]);
		assert_memory_equal(o.pcm, pcm, sizes[i]);
		free(o.pcm);
		free(pcm);
	}
}

static void a_prompt_of_one_tenant_is_not_found_under_another(void **state)
{
	unsigned char pcm[400];
	char hex[PROMPTSTORE_HEX];
	struct outcome o;

	(void)state;
	make_audio(pcm, sizeof(pcm), 9);
	store("acme", pcm, sizeof(pcm));
	promptstore_hash(pcm, sizeof(pcm), hex);
	assert_int_equal(load("globex", hex, &o), ERR_NOT_FOUND);
	assert_int_equal(load("acme", hex, &o), ERR_OK);
	free(o.pcm);
}

static void a_deleted_prompt_is_gone_and_may_come_back(void **state)
{
	static unsigned char pcm[3 * PROMPTSTORE_CHUNK_BYTES];
	char hex[PROMPTSTORE_HEX];
	struct outcome o = { 0 };

	(void)state;
	make_audio(pcm, sizeof(pcm), 77);
	store("acme", pcm, sizeof(pcm));
	promptstore_hash(pcm, sizeof(pcm), hex);
	assert_int_equal(promptstore_delete(ps, "acme", hex, on_done, &o), ERR_OK);
	assert_true(testkit_wait_flag(loop, &o.done, 20000));
	assert_int_equal(o.e, ERR_OK);
	assert_int_equal(load("acme", hex, &o), ERR_NOT_FOUND);
	store("acme", pcm, sizeof(pcm));
	assert_int_equal(load("acme", hex, &o), ERR_OK);
	free(o.pcm);
}

static void damage_is_recognised_by_the_hash(void **state)
{
	unsigned char pcm[1000], value[1020] = "TLP1";
	char hex[PROMPTSTORE_HEX], key[160];
	struct bus_kv *kv;
	struct outcome o;

	(void)state;
	make_audio(pcm, sizeof(pcm), 5);
	promptstore_hash(pcm, sizeof(pcm), hex);
	value[4] = 1;
	value[12] = 1000 & 0xff;
	value[13] = 1000 >> 8;
	memcpy(value + 20, pcm, sizeof(pcm));
	value[500] ^= 1;
	snprintf(key, sizeof(key), "acme.%s.0", hex);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = PROMPTSTORE_BUCKET }, NULL), ERR_OK);
	assert_int_equal(bus_kv_put(kv, key, value, sizeof(value), BUS_KV_ANY, NULL, NULL), ERR_OK);
	for (int i = 0; i < 20; i++)
		loop_turn(loop, 10);
	assert_int_equal(load("acme", hex, &o), ERR_DATA_LOSS);
	bus_kv_close(&kv);
}

static void input_that_is_no_audio_or_no_key_is_refused(void **state)
{
	struct outcome o = { 0 };

	(void)state;
	assert_int_equal(promptstore_put(ps, "acme", "x", 1, on_done, &o), ERR_INVALID);
	assert_int_equal(promptstore_put(ps, "acme", "", 0, on_done, &o), ERR_INVALID);
	assert_int_equal(promptstore_put(ps, "a.b", "xy", 2, on_done, &o), ERR_INVALID);
	assert_int_equal(promptstore_fetch(ps, "acme", "..", on_fetched, &o), ERR_INVALID);
	assert_false(o.done);
}

static void a_store_may_go_while_it_works(void **state)
{
	static unsigned char pcm[20 * PROMPTSTORE_CHUNK_BYTES];
	struct promptstore *other;
	struct outcome o = { 0 };

	(void)state;
	make_audio(pcm, sizeof(pcm), 3);
	assert_int_equal(promptstore_new(&other, bus, NULL), ERR_OK);
	assert_int_equal(promptstore_put(other, "acme", pcm, sizeof(pcm), on_done, &o), ERR_OK);
	promptstore_free(&other);
	assert_false(testkit_wait_flag(loop, &o.done, 300));
}

static int set_up(void **state)
{
	struct err_detail d = { 0 };

	(void)state;
	testkit_nats_start(&nats, true);
	if (loop_new(&loop) ||
	    bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats.url, .name = "test" }, &d) ||
	    promptstore_new(&ps, bus, &d))
		testkit_die("set-up: %s %s", d.field, d.message);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	promptstore_free(&ps);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_stored_comes_back_whatever_its_size),
		cmocka_unit_test(a_prompt_of_one_tenant_is_not_found_under_another),
		cmocka_unit_test(a_deleted_prompt_is_gone_and_may_come_back),
		cmocka_unit_test(damage_is_recognised_by_the_hash),
		cmocka_unit_test(input_that_is_no_audio_or_no_key_is_refused),
		cmocka_unit_test(a_store_may_go_while_it_works),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
