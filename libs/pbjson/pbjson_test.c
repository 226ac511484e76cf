#include "pbjson/pbjson.h"
#include "pbjson_internal.h"
#include "base/mem.h"
#include "pbjson/pbjson_sample.pb-c.c"
#include "pbjson_messages.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE (&trunkline__pbjson__sample__sample__descriptor)
typedef Trunkline__Pbjson__Sample__Sample sample; /* for this file only: the generated name is a line long */

static struct err_detail detail;

static sample *parse_with(const char *text, unsigned flags)
{
	ProtobufCMessage *msg = NULL;
	err_t e;

	memset(&detail, 0, sizeof(detail));
	e = pbjson_parse(&msg, SAMPLE, text, strlen(text), flags, &detail);
	if (e)
		fail_msg("%s: %s: %s: %s", text, err_name(e), detail.field, detail.message);
	return (sample *)msg;
}

static sample *parse(const char *text)
{
	return parse_with(text, 0);
}

static void done(sample *s)
{
	protobuf_c_message_free_unpacked(&s->base, NULL);
}

static void assert_prints(const sample *s, unsigned flags, const char *expected)
{
	struct str out = STR_INIT;

	assert_int_equal(pbjson_print(&out, &s->base, flags, &detail), ERR_OK);
	assert_string_equal(str_text(&out), expected);
	str_done(&out);
}

/* text is parsed, and printed as expected. */
static void assert_becomes(const char *text, const char *expected)
{
	sample *s = parse(text);

	assert_prints(s, 0, expected);
	done(s);
}

static void every_kind_of_field_has_its_form(void **state)
{
	static const char *const rows[] = {
		"{\"small\":-5}",
		"{\"largeNumber\":\"-9223372036854775808\"}",
		"{\"uSmall\":4294967295}",
		"{\"uLarge\":\"18446744073709551615\"}",
		"{\"sSmall\":-2147483648,\"sLarge\":\"-1\",\"fSmall\":7,\"fLarge\":\"8\",\"sfSmall\":-9,\"sfLarge\":\"-"
		"10\"}",
		"{\"single\":0.1,\"twice\":1e+100}",
		"{\"single\":\"NaN\",\"twice\":\"-Infinity\"}",
		"{\"yesOrNo\":true,\"colour\":\"COLOUR_DEEP_BLUE\"}",
		"{\"text\":\"a\\\"b\\\\c\\n\\u0001é中📞\"}",
		"{\"raw\":\"AAEC/w==\"}",
		"{\"inner\":{\"inner\":{}}}",
		"{\"numbers\":[\"1\",\"2\"],\"texts\":[\"\",\"x\"],\"raws\":[\"\",\"AA==\"],\"inners\":[{},{\"small\":"
		"1}],"
		"\"colours\":[\"COLOUR_RED\",\"COLOUR_UNSPECIFIED\",99]}",
		"{\"labels\":{\"\":\"empty\",\"b\":\"\"},\"byNumber\":{\"-1\":{\"small\":1},\"2\":{}},"
		"\"byTruth\":{\"true\":\"1\",\"false\":\"0\"},\"byLarge\":{\"18446744073709551615\":\"COLOUR_RED\"}}",
		"{\"chosenNumber\":0}",
		"{\"chosenText\":\"\"}",
		"{\"chosenInner\":{}}",
		"{\"chosenFlag\":false}",
		"{\"at\":\"2026-11-23T18:07:05.123Z\",\"took\":\"-1.500s\",\"mask\":\"displayName,queue.skills\"}",
		"{\"freeForm\":{\"a\":null,\"b\":[1,true,\"x\",{}],\"c\":{\"d\":-0.5}},\"anyValue\":null,\"anyList\":["
		"null,[]]}",
		"{\"maybeLarge\":\"0\",\"maybeText\":\"\",\"maybe\":false,\"maybeRaw\":\"\"}",
		"{\"times\":[\"1970-01-01T00:00:00Z\"],\"singles\":[0,1.5],\"flags\":[true,false]}",
		"{}",
	};

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_becomes(rows[i], rows[i]);
}

static void other_forms_of_the_same_are_taken(void **state)
{
	UNUSED(state);
	assert_becomes("{\"large_number\": 5, \"u_large\": 6.0}", "{\"largeNumber\":\"5\",\"uLarge\":\"6\"}");
	assert_becomes("{\"small\":\"7\",\"uSmall\":1e3}", "{\"small\":7,\"uSmall\":1000}");
	assert_becomes("{\"single\":\"1.5\",\"twice\":3}", "{\"single\":1.5,\"twice\":3}");
	assert_becomes("{\"colour\":7}", "{\"colour\":\"COLOUR_DEEP_BLUE\"}");
	assert_becomes("{\"raw\":\"_-8\"}", "{\"raw\":\"/+8=\"}");
	assert_becomes(
	    "{\"text\":null,\"inner\":null,\"numbers\":null,\"labels\":null,\"chosenText\":null,\"small\":1}",
	    "{\"small\":1}");
	assert_becomes("{\"at\":\"2026-11-23T20:07:05+02:00\"}", "{\"at\":\"2026-11-23T18:07:05Z\"}");
	assert_becomes("{\"took\":\"0.000000001s\"}", "{\"took\":\"0.000000001s\"}");
	assert_becomes("{\"numbers\":[],\"labels\":{}}", "{}");
	assert_becomes(" { } ", "{}");
	assert_becomes("{\"mask\":\"\"}", "{\"mask\":\"\"}");
}

static void mistakes_name_the_field_and_what_is_right(void **state)
{
	static const struct {
		const char *text, *field, *message;
	} rows[] = {
		{ "{\"smal\":1}", "smal", "unknown field; Sample has small, largeNumber, uSmall" },
		{ "{\"inner\":{\"inners\":[{},{\"x\":1}]}}", "inner.inners[1].x", "unknown field; Sample has" },
		{ "{\"small\":2147483648}", "small",
		  "must be an integer from -2147483648 to 2147483647, not 2147483648" },
		{ "{\"small\":1.5}", "small", "must be an integer from -2147483648 to 2147483647, not a fraction" },
		{ "{\"uSmall\":-1}", "uSmall", "must be an integer from 0 to 4294967295, not -1" },
		{ "{\"uLarge\":-1}", "uLarge", "must be an integer from 0 to 18446744073709551615, not an integer" },
		{ "{\"uLarge\":\"18446744073709551616\"}", "uLarge",
		  "must be an integer from 0 to 18446744073709551615, not \"184" },
		{ "{\"numbers\":[1,\"x\"]}", "numbers[1]", "must be an integer from -9223372036854775808 to 92" },
		{ "{\"single\":1e39}", "single", "is too large for a float" },
		{ "{\"twice\":\" 1\"}", "twice", "must be a number, not \" 1\"" },
		{ "{\"twice\":\"0x10\"}", "twice", "must be a number, not \"0x10\"" },
		{ "{\"twice\":\"1e999\"}", "twice", "must be a number, not \"1e999\"" },
		{ "{\"twice\":true}", "twice", "must be a number, not true" },
		{ "{\"yesOrNo\":\"true\"}", "yesOrNo", "must be true or false, not \"true\"" },
		{ "{\"colour\":\"GREEN\"}", "colour",
		  "must be one of COLOUR_UNSPECIFIED, COLOUR_RED, COLOUR_DEEP_BLUE, not \"GREEN\"" },
		{ "{\"text\":5}", "text", "must be a string, not an integer" },
		{ "{\"raw\":\"A\"}", "raw", "must be base64 text, not \"A\"" },
		{ "{\"raw\":\"AA=\"}", "raw", "must be base64 text" },
		{ "{\"raw\":\"A A=\"}", "raw", "must be base64 text" },
		{ "{\"inner\":[]}", "inner", "must be an object, not an array" },
		{ "{\"numbers\":{}}", "numbers", "must be an array, not an object" },
		{ "{\"texts\":[null]}", "texts[0]", "null is not allowed in an array" },
		{ "{\"labels\":{\"a\":null}}", "labels.a", "null is not allowed in a map" },
		{ "{\"labels\":[]}", "labels", "must be an object, not an array" },
		{ "{\"byNumber\":{\"x\":{}}}", "byNumber.x", "must be an integer from -2147483648" },
		{ "{\"byTruth\":{\"1\":5}}", "byTruth.1", "the key must be true or false" },
		{ "{\"chosenText\":\"a\",\"chosenNumber\":1}", "chosenNumber",
		  "another field of the same choice is set already" },
		{ "{\"largeNumber\":1,\"large_number\":2}", "large_number", "is given twice, by both of its names" },
		{ "{\"at\":\"yesterday\"}", "at",
		  "must be a time like \"2026-11-23T18:07:05.123Z\" (RFC 3339), not \"yesterday\"" },
		{ "{\"took\":5}", "took", "must be a duration like \"1.500s\", not an integer" },
		{ "{\"mask\":\"a,,b\"}", "mask", "must be paths like" },
		{ "{\"mask\":\"a_b\"}", "mask", "must be paths like" },
		{ "[]", "", "must be an object, not an array" },
		{ "{\"text\":\"\xff\"}", "", "line 1, column " },
		{ "{\"text\":\"\\u0000\"}", "", "line 1, column 16: \\u0000 is not allowed" },
		{ "{\"text\":\"\\ud800\"}", "", "line 1, column " },
		{ "{\"small\":1,\"small\":2}", "", "line 1, column 18: duplicate object key" },
		{ "{\"small\":1", "", "line 1, column 10: '}' expected near end of file" },
		{ "{} x", "", "line 1, column " },
		{ "", "", "line 1, column 0: unexpected token near end of file" },
	};

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		ProtobufCMessage *msg = NULL;
		err_t e = pbjson_parse(&msg, SAMPLE, rows[i].text, strlen(rows[i].text), 0, &detail);

		if (e != ERR_INVALID)
			fail_msg("%s: %s", rows[i].text, err_name(e));
		assert_null(msg);
		assert_string_equal(detail.field, rows[i].field);
		if (strncmp(detail.message, rows[i].message, strlen(rows[i].message)) != 0)
			fail_msg("%s: \"%s\"", rows[i].text, detail.message);
		/* Nothing depends on a detail being asked for. */
		assert_int_equal(pbjson_parse(&msg, SAMPLE, rows[i].text, strlen(rows[i].text), 0, NULL), ERR_INVALID);
	}
}

static void a_map_entry_without_a_value_is_printed_with_an_empty_one(void **state)
{
	Google__Protobuf__Struct__FieldsEntry entry = GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT,
					      *entries[] = { &entry };
	Google__Protobuf__Struct s = GOOGLE__PROTOBUF__STRUCT__INIT;
	struct str out = STR_INIT;

	UNUSED(state);
	s.n_fields = 1;
	s.fields = entries;
	entry.key = "k";
	assert_int_equal(pbjson_print(&out, &s.base, 0, NULL), ERR_OK);
	assert_string_equal(str_text(&out), "{\"k\":null}");
	str_done(&out);
}

static void unknown_fields_can_be_ignored(void **state)
{
	sample *s = parse_with("{\"new\":[1,{\"x\":2}],\"inner\":{\"newer\":3},\"small\":1}", PBJSON_IGNORE_UNKNOWN);

	UNUSED(state);
	assert_prints(s, 0, "{\"small\":1,\"inner\":{}}");
	done(s);
}

static void any_is_refused_as_unimplemented(void **state)
{
	ProtobufCMessage *msg;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	struct str out = STR_INIT;

	UNUSED(state);
	assert_int_equal(pbjson_parse(&msg, SAMPLE, "{\"anything\":{}}", 15, 0, &detail), ERR_UNIMPLEMENTED);
	assert_string_equal(detail.field, "anything");
	assert_int_equal(pbjson_print(&out, &any.base, 0, &detail), ERR_UNIMPLEMENTED);
	str_done(&out);
}

static void a_text_that_is_too_deep_too_long_or_too_many_is_refused(void **state)
{
	struct str s = STR_INIT;
	ProtobufCMessage *msg;

	UNUSED(state);
	for (int i = 0; i < 100000; i++)
		str_append(&s, "{\"inner\":");
	assert_int_equal(pbjson_parse(&msg, SAMPLE, str_text(&s), s.len, 0, &detail), ERR_INVALID);
	assert_string_equal(detail.message, "nested deeper than 64");
	str_reset(&s);
	str_append(&s, "{\"inners\":[{}");
	for (int i = 0; i < PBJSON_VALUES_MAX; i++)
		str_append(&s, ",{}");
	str_append(&s, "]}");
	assert_int_equal(pbjson_parse(&msg, SAMPLE, str_text(&s), s.len, 0, &detail), ERR_INVALID);
	assert_string_equal(detail.message, "more than 131072 values");
	str_reset(&s);
	for (int i = 0; i <= PBJSON_BYTES_MAX / 8; i++)
		str_append(&s, "        ");
	assert_int_equal(pbjson_parse(&msg, SAMPLE, str_text(&s), s.len, 0, &detail), ERR_INVALID);
	assert_string_equal(detail.message, "longer than 4194304 bytes");
	str_done(&s);
}

static void brackets_within_texts_do_not_count_as_nesting(void **state)
{
	struct str s = STR_INIT;
	sample *m;

	UNUSED(state);
	str_append(&s, "{\"text\":\"\\\"");
	for (int i = 0; i < 200; i++)
		str_append(&s, "[{\\\\");
	str_append(&s, "\"}");
	m = parse(str_text(&s));
	assert_int_equal(strlen(m->text), 1 + 200 * 3);
	done(m);
	str_done(&s);
}

static void a_message_that_is_too_deep_or_not_utf8_is_not_printed(void **state)
{
	struct str out = STR_INIT;
	sample many[100];

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(many); i++) {
		trunkline__pbjson__sample__sample__init(&many[i]);
		many[i].inner = i + 1 < ARRAY_SIZE(many) ? &many[i + 1] : NULL;
	}
	assert_int_equal(pbjson_print(&out, &many[0].base, 0, &detail), ERR_INVALID);
	assert_string_equal(detail.message, "is nested deeper than 64");
	many[0].inner = &many[99];
	many[99].text = "\xff";
	assert_int_equal(pbjson_print(&out, &many[0].base, 0, &detail), ERR_INVALID);
	assert_string_equal(detail.field, "inner.text");
	str_done(&out);
}

static void options_of_printing(void **state)
{
	sample *s = parse("{\"largeNumber\":1,\"texts\":[\"a\",\"b\"],\"labels\":{\"k\":\"v\"},\"inner\":{}}");
	struct str out = STR_INIT;

	UNUSED(state);
	assert_prints(s, PBJSON_PROTO_NAMES,
		      "{\"large_number\":\"1\",\"inner\":{},\"texts\":[\"a\",\"b\"],\"labels\":{\"k\":\"v\"}}");
	assert_prints(s, PBJSON_PRETTY,
		      "{\n  \"largeNumber\": \"1\",\n  \"inner\": {},\n  \"texts\": [\n    \"a\",\n    \"b\"\n  ],\n"
		      "  \"labels\": {\n    \"k\": \"v\"\n  }\n}");
	assert_int_equal(pbjson_print(&out, &s->base, PBJSON_DEFAULTS, NULL), ERR_OK);
	assert_non_null(strstr(str_text(&out), "\"small\":0,"));
	assert_non_null(strstr(str_text(&out), "\"colour\":\"COLOUR_UNSPECIFIED\","));
	assert_non_null(strstr(str_text(&out), "\"numbers\":[],"));
	assert_non_null(strstr(str_text(&out), "\"byNumber\":{},"));
	assert_null(strstr(str_text(&out), "chosen"));
	str_done(&out);
	done(s);
}

static void times_at_the_edges(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* INT64_MIN: refused */
	} rows[] = {
		{ "0001-01-01T00:00:00Z", -62135596800 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T12:00:00Z", 951825600 },
		{ "2100-02-29T12:00:00Z", INT64_MIN },
		{ "2026-02-29T00:00:00Z", INT64_MIN },
		{ "2024-02-29T00:00:00-01:30", 1709170200 },
		{ "0001-01-01T00:00:00+00:01", INT64_MIN },
		{ "9999-12-31T23:59:59-00:01", INT64_MIN },
		{ "0000-01-01T00:00:00Z", INT64_MIN },
		{ "2026-13-01T00:00:00Z", INT64_MIN },
		{ "2026-00-01T00:00:00Z", INT64_MIN },
		{ "2026-01-32T00:00:00Z", INT64_MIN },
		{ "2026-01-01T24:00:00Z", INT64_MIN },
		{ "2026-01-01T00:00:60Z", INT64_MIN },
		{ "2026-01-01T00:00:00", INT64_MIN },
		{ "2026-01-01T00:00:00.Z", INT64_MIN },
		{ "2026-01-01T00:00:00.0000000001Z", INT64_MIN },
		{ "2026-01-01T00:00:00Zx", INT64_MIN },
		{ "2026-1-01T00:00:00Z", INT64_MIN },
		{ "", INT64_MIN },
	};
	char buf[PBJSON_SCALAR_TEXT];
	int64_t seconds;
	int32_t nanos;

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		bool ok = pbjson_timestamp_parse(rows[i].text, &seconds, &nanos);

		if (ok != (rows[i].seconds != INT64_MIN) || (ok && seconds != rows[i].seconds))
			fail_msg("%s: %s %lld", rows[i].text, ok ? "taken" : "refused", (long long)seconds);
	}
	/* Each day of 800 years and back. */
	for (int64_t day = -146097; day <= 146097; day++) {
		assert_true(pbjson_timestamp_text(day * 86400 + 86399, 5000, buf));
		assert_true(pbjson_timestamp_parse(buf, &seconds, &nanos));
		assert_true(seconds == day * 86400 + 86399 && nanos == 5000);
	}
	assert_false(pbjson_timestamp_text(253402300800, 0, buf));
	assert_false(pbjson_timestamp_text(0, 1000000000, buf));
	assert_false(pbjson_timestamp_text(0, -1, buf));
}

static void durations_at_the_edges(void **state)
{
	char buf[PBJSON_SCALAR_TEXT];
	int64_t s;
	int32_t n;

	UNUSED(state);
	assert_true(pbjson_duration_parse("315576000000s", &s, &n));
	assert_false(pbjson_duration_parse("315576000001s", &s, &n));
	assert_false(pbjson_duration_parse("99999999999999999999s", &s, &n));
	assert_false(pbjson_duration_parse("1", &s, &n));
	assert_false(pbjson_duration_parse("s", &s, &n));
	assert_false(pbjson_duration_parse("1.s", &s, &n));
	assert_false(pbjson_duration_parse("--1s", &s, &n));
	assert_false(pbjson_duration_parse("+1s", &s, &n));
	assert_true(pbjson_duration_parse("-0.25s", &s, &n));
	assert_true(s == 0 && n == -250000000);
	assert_true(pbjson_duration_text(s, n, buf));
	assert_string_equal(buf, "-0.250s");
	assert_false(pbjson_duration_text(1, -1, buf));
	assert_false(pbjson_duration_text(-1, 1, buf));
	assert_false(pbjson_duration_text(INT64_MIN, 0, buf));
}

/* ---- every message of proto/, filled at random ------------------------------------------------------------------ */

static unsigned seed;

static unsigned roll(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static uint64_t any64(void)
{
	uint64_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 16 | (roll(65536));
	/* Small numbers as often as large ones. */
	return roll(2) ? v : v >> roll(64);
}

static char *any_text(bool snake)
{
	static const char *const pieces[] = {
		"a", "Z", "\"", "\\", "\n", "\x01", "\x7f", "é", "中", "📞", "/", " ", "</"
	};
	struct str s = STR_INIT;

	str_append(&s, "");
	if (snake)
		str_append(&s, "display_name.skills");
	for (unsigned n = snake ? 0 : roll(6); n; n--)
		str_append(&s, pieces[roll(ARRAY_SIZE(pieces))]);
	return s.data ? s.data : mem_strdup("");
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *desc, int depth);

static double any_double(void)
{
	switch (roll(8)) {
	case 0:
		return INFINITY;
	case 1:
		return -INFINITY;
	case 2:
		return (double)(int64_t)any64() * 1e-9;
	default:
		return (roll(2000) - 1000.0) / (1 + roll(100)) * pow(10, roll(30));
	}
}

static bool within_value;

static void any_value(const ProtobufCFieldDescriptor *f, void *v, int depth, bool snake)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_FLOAT:
		*(float *)v = (float)any_double();
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *)v = within_value ? (double)roll(1000) / 8 : any_double();
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)v = (int)roll(2);
		break;
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *d = f->descriptor;

		*(int32_t *)v = d->values[roll(d->n_values)].value;
		break;
	}
	case PROTOBUF_C_TYPE_STRING:
		*(char **)v = any_text(snake);
		break;
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *b = v;

		b->len = roll(7);
		b->data = mem_alloc(b->len);
		for (size_t i = 0; i < b->len; i++)
			b->data[i] = (uint8_t)roll(256);
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)v = any_message(f->descriptor, depth + 1);
		break;
	default:
		if (pbjson_size_of(f->type) == 8)
			*(uint64_t *)v = any64();
		else
			*(uint32_t *)v = (uint32_t)any64();
	}
}

static bool too_deep(const ProtobufCFieldDescriptor *f, int depth)
{
	return f->type == PROTOBUF_C_TYPE_MESSAGE && (depth > 4 || pbjson_special_of(f->descriptor) == PBJSON_ANY);
}

static void fill_list(const ProtobufCFieldDescriptor *f, ProtobufCMessage *msg, int depth)
{
	size_t n = too_deep(f, depth) ? 0 : roll(4);
	bool map = pbjson_is_map(msg->descriptor, f), snake = pbjson_special_of(msg->descriptor) == PBJSON_FIELD_MASK;
	char *items = mem_array(n, pbjson_size_of(f->type));

	if (map && n > 1)
		n = 1; /* so that no key is there twice */
	*(size_t *)((char *)msg + f->quantifier_offset) = n;
	*(char **)((char *)msg + f->offset) = items;
	for (size_t i = 0; i < n; i++)
		any_value(f, items + i * pbjson_size_of(f->type), depth, snake);
}

static void fill_field(const ProtobufCFieldDescriptor *f, ProtobufCMessage *msg, int depth)
{
	void *v = (char *)msg + f->offset;
	/* An absent value of a map comes back as an empty one. */
	bool must_be_there = f->type == PROTOBUF_C_TYPE_MESSAGE && strcmp(f->name, "value") == 0;

	if (f->label == PROTOBUF_C_LABEL_REPEATED) {
		fill_list(f, msg, depth);
	} else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		uint32_t *which = (uint32_t *)((char *)msg + f->quantifier_offset);

		if (*which || roll(3) || too_deep(f, depth))
			return;
		*which = f->id;
		any_value(f, v, depth, false);
	} else if (must_be_there || (!too_deep(f, depth) && roll(4))) {
		any_value(f, v, depth, false);
	}
}

/* What protobuf can hold and JSON cannot say is not made. */
static void make_sayable(ProtobufCMessage *msg)
{
	Google__Protobuf__Timestamp *t = (Google__Protobuf__Timestamp *)msg;
	Google__Protobuf__Duration *d = (Google__Protobuf__Duration *)msg;

	switch (pbjson_special_of(msg->descriptor)) {
	case PBJSON_TIMESTAMP:
		t->seconds = (int64_t)(any64() % 253402300800);
		t->nanos = (int32_t)(roll(1000) * (roll(2) ? 1000000u : 1u));
		break;
	case PBJSON_DURATION:
		d->seconds = -(int64_t)(any64() % 315576000000);
		d->nanos = -(int32_t)roll(1000);
		break;
	default:
		break;
	}
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *desc, int depth)
{
	ProtobufCMessage *msg = mem_zalloc(desc->sizeof_message);
	bool outer = within_value;

	assert_non_null(msg);
	desc->message_init(msg);
	within_value = pbjson_special_of(desc) == PBJSON_VALUE;
	for (unsigned i = 0; i < desc->n_fields; i++)
		fill_field(&desc->fields[i], msg, depth);
	within_value = outer;
	make_sayable(msg);
	/* A Value with nothing in it means null, and comes back as that. */
	if (pbjson_special_of(desc) == PBJSON_VALUE && !((Google__Protobuf__Value *)msg)->kind_case)
		((Google__Protobuf__Value *)msg)->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
	return msg;
}

static void assert_comes_back(const ProtobufCMessage *msg, unsigned flags)
{
	struct str out = STR_INIT;
	ProtobufCMessage *back = NULL;
	size_t size = protobuf_c_message_get_packed_size(msg);
	uint8_t *a = mem_alloc(size), *b = mem_alloc(size);
	err_t e = pbjson_print(&out, msg, flags, &detail);

	assert_true(a && b);
	if (e)
		fail_msg("%s is not printed: %s: %s", msg->descriptor->name, detail.field, detail.message);
	e = pbjson_parse(&back, msg->descriptor, str_text(&out), out.len, 0, &detail);
	if (e)
		fail_msg("%s is not parsed: %s: %s\n%s", msg->descriptor->name, detail.field, detail.message,
			 str_text(&out));
	if (protobuf_c_message_get_packed_size(back) != size)
		fail_msg("%s comes back with another size\n%s", msg->descriptor->name, str_text(&out));
	protobuf_c_message_pack(msg, a);
	protobuf_c_message_pack(back, b);
	if (size && memcmp(a, b, size) != 0)
		fail_msg("%s comes back changed\n%s", msg->descriptor->name, str_text(&out));
	protobuf_c_message_free_unpacked(back, NULL);
	mem_free(a);
	mem_free(b);
	str_done(&out);
}

static void every_message_of_the_project_comes_back_the_same(void **state)
{
#define MESSAGE(name) &name##__descriptor,
	static const ProtobufCMessageDescriptor *const all[] = { ALL_MESSAGES SAMPLE };

	UNUSED(state);
	assert_true(ARRAY_SIZE(all) > 50);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		int rounds = all[i] == SAMPLE ? 300 : 25;

		if (pbjson_special_of(all[i]) == PBJSON_ANY)
			continue;
		seed = (unsigned)i + 1;
		for (int k = 0; k < rounds; k++) {
			ProtobufCMessage *msg = any_message(all[i], 0);

			assert_comes_back(msg, (unsigned)(k % 8) << 1);
			protobuf_c_message_free_unpacked(msg, NULL);
		}
	}
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static err_t there_and_back(void *arg)
{
	const char *text = arg;
	ProtobufCMessage *msg = NULL;
	struct str out = STR_INIT;
	err_t e = pbjson_parse(&msg, SAMPLE, text, strlen(text), 0, NULL);

	if (e)
		return e;
	e = pbjson_print(&out, msg, 0, NULL);
	protobuf_c_message_free_unpacked(msg, NULL);
	str_done(&out);
	return e;
}

static void without_memory_nothing_is_lost_but_the_result(void **state)
{
	UNUSED(state);
	testkit_each_alloc_failure(
	    there_and_back,
	    "{\"inner\":{\"text\":\"x\",\"raw\":\"AAAA\"},\"texts\":[\"a\",\"b\"],\"inners\":[{},{}],"
	    "\"labels\":{\"a\":\"b\"},\"byNumber\":{\"1\":{\"text\":\"t\"}},\"chosenInner\":{\"text\":\"y\"},"
	    "\"mask\":\"a,bC\",\"freeForm\":{\"a\":[1,{\"b\":null}]},\"maybeText\":\"z\",\"at\":"
	    "\"2026-11-23T18:07:05Z\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_field_has_its_form),
		cmocka_unit_test(other_forms_of_the_same_are_taken),
		cmocka_unit_test(mistakes_name_the_field_and_what_is_right),
		cmocka_unit_test(a_map_entry_without_a_value_is_printed_with_an_empty_one),
		cmocka_unit_test(unknown_fields_can_be_ignored),
		cmocka_unit_test(any_is_refused_as_unimplemented),
		cmocka_unit_test(a_text_that_is_too_deep_too_long_or_too_many_is_refused),
		cmocka_unit_test(brackets_within_texts_do_not_count_as_nesting),
		cmocka_unit_test(a_message_that_is_too_deep_or_not_utf8_is_not_printed),
		cmocka_unit_test(options_of_printing),
		cmocka_unit_test(times_at_the_edges),
		cmocka_unit_test(durations_at_the_edges),
		cmocka_unit_test(every_message_of_the_project_comes_back_the_same),
		cmocka_unit_test(without_memory_nothing_is_lost_but_the_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
