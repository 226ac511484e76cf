#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "google/protobuf/struct.pb-c.h"
#include "google/protobuf/wrappers.pb-c.h"
#include "pbcheck/pbcheck.h"

#define STRING (&google__protobuf__string_value__descriptor)
#define BYTES  (&google__protobuf__bytes_value__descriptor)
#define LIST   (&google__protobuf__list_value__descriptor)
#define INT    (&google__protobuf__int64_value__descriptor)

static const struct {
	const char *what;
	const ProtobufCMessageDescriptor *desc;
	const char *bytes;
	size_t size;
	err_t want;
	const char *field;
} rows[] = {
	{ "nothing is an empty message", STRING, "", 0, ERR_OK, "" },
	{ "text", STRING, "\x0a\x02hi", 4, ERR_OK, "" },
	{ "text with NUL", STRING, "\x0a\x03h\0i", 5, ERR_INVALID, "value" },
	{ "text that is not UTF-8", STRING, "\x0a\x01\xff", 3, ERR_INVALID, "value" },
	{ "bytes may be anything", BYTES, "\x0a\x02\xff\0", 4, ERR_OK, "" },
	{ "length beyond the end", STRING, "\x0a\x05hi", 4, ERR_INVALID, "" },
	{ "length of 2^64 - 1", STRING, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi", 13, ERR_INVALID, "" },
	{ "field number 0", STRING, "\x02\x00", 2, ERR_INVALID, "" },
	{ "tag cut off", STRING, "\x8a", 1, ERR_INVALID, "" },
	{ "tag without end", STRING, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, ERR_INVALID, "" },
	{ "a group", STRING, "\x0b\x0c", 2, ERR_INVALID, "" },
	{ "a number where text belongs", STRING, "\x08\x01", 2, ERR_INVALID, "value" },
	{ "text where a number belongs", INT, "\x0a\x01x", 3, ERR_INVALID, "value" },
	{ "a field nobody knows", STRING, "\x7a\x01\xff", 3, ERR_OK, "" },
	{ "text deep inside", LIST, "\x0a\x03\x1a\x01\xff", 5, ERR_INVALID, "values.string_value" },
};

static void bytes_from_outside_are_judged_by_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err_detail detail = { 0 };
		ProtobufCMessage *msg = NULL;
		err_t e = pbcheck_unpack(&msg, rows[i].desc, rows[i].bytes, rows[i].size, &detail);

		if (e != rows[i].want || strcmp(detail.field, rows[i].field) != 0)
			fail_msg("%s: %s, field '%s'", rows[i].what, err_name(e), detail.field);
		if (msg)
			protobuf_c_message_free_unpacked(msg, NULL);
	}
}

/* ListValue in Value in ListValue …: two lengths a level. */
static size_t nest(uint8_t *buf, size_t size, unsigned levels)
{
	size_t at = size;

	for (unsigned i = 0; i < levels; i++) {
		size_t len = size - at;

		if (len >= 0x80)
			buf[--at] = (uint8_t)(len >> 7);
		buf[--at] = (uint8_t)((len & 0x7f) | (len >= 0x80 ? 0x80 : 0));
		buf[--at] = i % 2 ? 0x32 : 0x0a; /* Value.list_value : ListValue.values */
	}
	memmove(buf, buf + at, size - at);
	return size - at;
}

static void nesting_without_end_is_refused(void **state)
{
	static uint8_t buf[16384];
	struct err_detail detail = { 0 };
	size_t n;

	(void)state;
	n = nest(buf, sizeof(buf), 21);
	assert_int_equal(pbcheck(LIST, buf, n, &detail), ERR_OK);
	n = nest(buf, sizeof(buf), 1001);
	assert_int_equal(pbcheck(LIST, buf, n, &detail), ERR_INVALID);
	assert_string_equal(detail.message, "is nested too deeply");
}

static void few_bytes_cannot_ask_for_much_memory(void **state)
{
	size_t n = 2 * (PBCHECK_FIELDS_MAX + 1);
	uint8_t *buf = mem_zalloc(n);
	struct err_detail detail = { 0 };

	(void)state;
	for (size_t i = 0; i < n; i += 2)
		buf[i] = 0x0a; /* an empty Value: two bytes here, a hundred in memory */
	assert_int_equal(pbcheck(LIST, buf, n, &detail), ERR_INVALID);
	assert_int_equal(pbcheck(LIST, buf, n - 2, &detail), ERR_OK);
	mem_free(buf);
}

/* What the view says is what unpacking says, whatever the sizes: one block or many. */
static void a_view_shows_what_unpacking_shows(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 100, 2000, 100000 };
	struct err_detail detail = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *buf = mem_zalloc(2 * sizes[i] + 1);
		ProtobufCMessage *view, *plain;
		size_t n;

		for (n = 0; n < 2 * sizes[i]; n += 2)
			buf[n] = 0x0a;
		assert_int_equal(pbcheck_view(&view, LIST, buf, n, &detail), ERR_OK);
		assert_int_equal(pbcheck_unpack(&plain, LIST, buf, n, &detail), ERR_OK);
		assert_int_equal(protobuf_c_message_get_packed_size(view), n);
		assert_int_equal(((Google__Protobuf__ListValue *)view)->n_values, sizes[i]);
		protobuf_c_message_free_unpacked(plain, NULL);
		pbcheck_view_done(view);
		mem_free(buf);
	}
	assert_int_equal(pbcheck_view(&(ProtobufCMessage *){ NULL }, LIST, "\x0a", 1, &detail), ERR_INVALID);
	pbcheck_view_done(NULL);
}

static void a_view_without_memory_is_an_error(void **state)
{
	static uint8_t buf[20000];
	struct err_detail detail = { 0 };
	ProtobufCMessage *view;
	err_t e;
	long n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i += 2)
		buf[i] = 0x0a;
	do {
		mem_fail_after(n++);
		e = pbcheck_view(&view, LIST, buf, sizeof(buf), &detail);
		mem_fail_after(-1);
		assert_true(e == ERR_OK || e == ERR_EXHAUSTED);
	} while (e);
	assert_true(n > 1);
	pbcheck_view_done(view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_from_outside_are_judged_by_rule),
		cmocka_unit_test(nesting_without_end_is_refused),
		cmocka_unit_test(few_bytes_cannot_ask_for_much_memory),
		cmocka_unit_test(a_view_shows_what_unpacking_shows),
		cmocka_unit_test(a_view_without_memory_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
