/* The bytes that are hashed, and what a broken chain is told by. The vectors stand in migration 0002's test, too. */
#include "auditchain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"

static const struct auditchain_entry first = { .seq = 1,
					       .time_us = 1790000000123456,
					       .actor = "operator:root",
					       .action = "tenants.create",
					       .resource = "tenants/acme",
					       .peer = "127.0.0.1:5060",
					       .after = { "\x0a\x00\xff", 3 } };
static const struct auditchain_entry second = { .seq = 2,
						.time_us = -1,
						.actor = "admin:李",
						.action = "queues.update",
						.resource = "tenants/acme/queues/sales",
						.peer = "",
						.before = { "old", 3 },
						.after = { "new", 3 } };
#define FIRST_HASH  "9121b33120bb754bb280e59047176d2cba7189afcea5e990c3fd36267f495da4"
#define SECOND_HASH "32ff319d2162fd1526b500cfde6c0e4b440bedd88f106a5a6298a65b0cbda14c"

/* True when memory was enough; the suite runs again with the allocator failing. */
static bool hash_of(const struct auditchain *c, const struct auditchain_entry *e, unsigned char ret[AUDITCHAIN_HASH])
{
	err_t err = auditchain_hash(ret, c->hash, e);

	assert_true(err == ERR_OK || err == ERR_EXHAUSTED);
	return !err;
}

static void the_bytes_that_are_hashed_are_those_of_the_vector_GT_16(void **state)
{
	static const char right[] = "000000000000000100065bfeda27c2400000000d6f70657261746f723a726f6f740000000e74656e61"
				    "6e74732e6372656174650000000c74656e616e74732f61636d650000000e3132372e302e302e313a35"
				    "30363000000000000000030a00ff";
	unsigned char zero[AUDITCHAIN_HASH] = { 0 };
	struct str s = STR_INIT;
	char hex[sizeof(right)] = "";

	(void)state;
	auditchain_serialise(&s, zero, &first);
	if (!s.failed) {
		assert_int_equal(s.len, AUDITCHAIN_HASH + (sizeof(right) - 1) / 2);
		assert_memory_equal(s.data, zero, sizeof(zero));
		for (size_t i = AUDITCHAIN_HASH; i < s.len; i++)
			snprintf(hex + 2 * (i - AUDITCHAIN_HASH), 3, "%02x", (unsigned char)s.data[i]);
		assert_string_equal(hex, right);
	}
	str_done(&s);
}

static void two_entries_chain_to_the_hashes_of_the_vector_GT_16(void **state)
{
	struct auditchain c = { 0 };
	unsigned char hash[AUDITCHAIN_HASH];
	char hex[AUDITCHAIN_HEX];

	(void)state;
	if (!hash_of(&c, &first, hash))
		return;
	assert_string_equal(auditchain_to_hex(hash, hex), FIRST_HASH);
	if (auditchain_add(&c, &first, hash, sizeof(hash)) || !hash_of(&c, &second, hash))
		return;
	assert_string_equal(auditchain_to_hex(hash, hex), SECOND_HASH);
	if (auditchain_add(&c, &second, hash, sizeof(hash)))
		return;
	auditchain_end(&c, 2, hash, sizeof(hash));
	assert_false(auditchain_broken(&c));
	assert_int_equal(c.entries, 2);
	assert_memory_equal(c.hash, hash, sizeof(hash));
}

static void a_byte_that_moves_from_one_field_to_the_next_changes_the_hash(void **state)
{
	static const struct auditchain_entry same_letters[] = {
		{ .seq = 1, .actor = "ab", .action = "c", .resource = "", .peer = "" },
		{ .seq = 1, .actor = "a", .action = "bc", .resource = "", .peer = "" },
		{ .seq = 1, .actor = "abc", .action = "", .resource = "", .peer = "" },
		{ .seq = 1, .actor = "", .action = "", .resource = "", .peer = "abc" },
		{ .seq = 1, .actor = "", .action = "", .resource = "", .peer = "", .before = { "abc", 3 } },
		{ .seq = 1, .actor = "", .action = "", .resource = "", .peer = "", .after = { "abc", 3 } },
		{ .seq = 1, .time_us = 1, .actor = "abc", .action = "", .resource = "", .peer = "" },
		{ .seq = 2, .actor = "abc", .action = "", .resource = "", .peer = "" },
	};
	unsigned char hashes[ARRAY_SIZE(same_letters)][AUDITCHAIN_HASH];
	struct auditchain c = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same_letters); i++) {
		if (!hash_of(&c, &same_letters[i], hashes[i]))
			return;
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(hashes[i], hashes[k], AUDITCHAIN_HASH);
	}
}

/* A chain of n entries as it should be; false: no memory. */
static bool make_chain(struct auditchain_entry *entries, unsigned char (*hashes)[AUDITCHAIN_HASH], size_t n)
{
	struct auditchain c = { 0 };

	for (size_t i = 0; i < n; i++) {
		entries[i] = second;
		entries[i].seq = i + 1;
		entries[i].time_us = (int64_t)i;
		if (!hash_of(&c, &entries[i], hashes[i]) || auditchain_add(&c, &entries[i], hashes[i], AUDITCHAIN_HASH))
			return false;
	}
	return true;
}

static void what_was_done_to_a_chain_is_told_with_the_first_entry_that_does_not_hold_GT_16(void **state)
{
	static const struct {
		const char *what;
		int order[5]; /* of the entries 1 to 5 as they are read; 0: the end */
		int other_actor, other_hash;
		uint64_t head;
		uint64_t bad;
		const char *text;
	} rows[] = {
		{ "nothing", { 1, 2, 3, 4, 5 }, 0, 0, 5, 0, "" },
		{ "another actor", { 1, 2, 3, 4, 5 }, 3, 0, 5, 3, "not what was written" },
		{ "another hash", { 1, 2, 3, 4, 5 }, 0, 4, 5, 4, "not what was written" },
		{ "one removed", { 1, 2, 4, 5, 0 }, 0, 0, 5, 3, "entry 3 is missing" },
		{ "the first removed", { 2, 3, 4, 5, 0 }, 0, 0, 5, 1, "entry 1 is missing" },
		{ "the newest removed", { 1, 2, 3, 0, 0 }, 0, 0, 5, 4, "newest entries are missing" },
		{ "all removed", { 0 }, 0, 0, 5, 1, "newest entries are missing" },
		{ "two swapped", { 1, 3, 2, 4, 5 }, 0, 0, 5, 2, "entry 2 is missing" },
		{ "one twice", { 1, 2, 2, 3, 4 }, 0, 0, 5, 3, "entry 3 is missing" },
		{ "one behind the head", { 1, 2, 3, 4, 5 }, 0, 0, 4, 5, "behind the head" },
		{ "the head removed", { 1, 2, 3, 4, 5 }, 0, 0, 0, 1, "behind the head" },
	};
	struct auditchain_entry entries[5];
	unsigned char hashes[5][AUDITCHAIN_HASH], none[AUDITCHAIN_HASH] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct auditchain c = { 0 };

		if (!make_chain(entries, hashes, 5))
			return;
		if (rows[i].other_actor)
			entries[rows[i].other_actor - 1].actor = "nobody";
		if (rows[i].other_hash)
			hashes[rows[i].other_hash - 1][31] ^= 1;
		for (int k = 0; k < 5 && rows[i].order[k]; k++)
			if (auditchain_add(&c, &entries[rows[i].order[k] - 1], hashes[rows[i].order[k] - 1],
					   AUDITCHAIN_HASH))
				return;
		auditchain_end(&c, rows[i].head, rows[i].head ? hashes[rows[i].head - 1] : none, AUDITCHAIN_HASH);
		if (c.bad_seq != rows[i].bad || !strstr(c.why.message, rows[i].text))
			fail_msg("%s: entry %llu '%s'", rows[i].what, (unsigned long long)c.bad_seq, c.why.message);
	}
}

static void a_head_with_another_hash_is_told(void **state)
{
	struct auditchain_entry entries[2];
	unsigned char hashes[2][AUDITCHAIN_HASH];
	struct auditchain c = { 0 };

	(void)state;
	if (!make_chain(entries, hashes, 2))
		return;
	for (size_t i = 0; i < 2; i++)
		if (auditchain_add(&c, &entries[i], hashes[i], AUDITCHAIN_HASH))
			return;
	auditchain_end(&c, 2, hashes[0], AUDITCHAIN_HASH);
	assert_int_equal(c.bad_seq, 2);
	assert_non_null(strstr(c.why.message, "the head has another hash"));
}

static void a_hash_is_sixty_four_hexadecimal_digits(void **state)
{
	unsigned char hash[AUDITCHAIN_HASH];
	char hex[AUDITCHAIN_HEX], upper[AUDITCHAIN_HEX], bad[AUDITCHAIN_HEX];

	(void)state;
	assert_int_equal(auditchain_from_hex(FIRST_HASH, hash), ERR_OK);
	assert_string_equal(auditchain_to_hex(hash, hex), FIRST_HASH);
	for (size_t i = 0; i < sizeof(upper); i++)
		upper[i] = (char)(hex[i] >= 'a' ? hex[i] - 32 : hex[i]);
	assert_int_equal(auditchain_from_hex(upper, hash), ERR_OK);
	assert_string_equal(auditchain_to_hex(hash, hex), FIRST_HASH);
	(void)str_copy(bad, sizeof(bad), FIRST_HASH);
	bad[63] = 'g';
	assert_int_equal(auditchain_from_hex(bad, hash), ERR_INVALID);
	bad[63] = '\0';
	assert_int_equal(auditchain_from_hex(bad, hash), ERR_INVALID);
	assert_int_equal(auditchain_from_hex("", hash), ERR_INVALID);
	assert_int_equal(auditchain_from_hex(FIRST_HASH "0", hash), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_that_are_hashed_are_those_of_the_vector_GT_16),
		cmocka_unit_test(two_entries_chain_to_the_hashes_of_the_vector_GT_16),
		cmocka_unit_test(a_byte_that_moves_from_one_field_to_the_next_changes_the_hash),
		cmocka_unit_test(what_was_done_to_a_chain_is_told_with_the_first_entry_that_does_not_hold_GT_16),
		cmocka_unit_test(a_head_with_another_hash_is_told),
		cmocka_unit_test(a_hash_is_sixty_four_hexadecimal_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
