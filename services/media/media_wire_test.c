/* Commands and events over the wire. */
#include "media_wire.h"

#include <string.h>

#include "testkit/cmocka_all.h"
#include "trunkline/media/v1/media.pb-c.h"

typedef Trunkline__Media__V1__MediaCommand command_t;
#define CASE(x) TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_##x

static struct {
	unsigned good, bad;
	struct command last;
	struct err_detail detail;
} got;

static void on_command(const struct command *c, void *arg)
{
	UNUSED(arg);
	got.good++;
	got.last = *c;
}

static void on_bad(const struct command *c, const struct err_detail *d, void *arg)
{
	UNUSED(arg);
	got.bad++;
	got.last = *c;
	got.detail = *d;
}

static err_t through(const char *owner, command_t *c)
{
	Trunkline__Media__V1__MediaCommands batch = TRUNKLINE__MEDIA__V1__MEDIA_COMMANDS__INIT;
	struct err_detail d;
	uint8_t bytes[32768];

	memset(&got, 0, sizeof(got));
	batch.owner = (char *)owner;
	batch.n_commands = 1;
	batch.commands = &c;
	return commands_from_pb(bytes, trunkline__media__v1__media_commands__pack(&batch, bytes), on_command, on_bad,
				NULL, &d);
}

static command_t good(void)
{
	static Trunkline__Media__V1__StopPlay stop = TRUNKLINE__MEDIA__V1__STOP_PLAY__INIT;
	command_t c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;

	c.tenant = (char *)"acme";
	c.call_id = (char *)"call";
	c.leg_id = (char *)"leg";
	c.epoch = 1;
	c.command_case = CASE(STOP_PLAY);
	c.stop_play = &stop;
	return c;
}

static void each_wrong_field_is_named(void **state)
{
	static char long_id[70];
	command_t c;

	UNUSED(state);
	memset(long_id, 'a', 64);
	c = good();
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_int_equal(got.good, 1);
	assert_string_equal(got.last.owner, "cc-1");
	assert_int_equal(through("cc.1", &c), ERR_INVALID);
	assert_int_equal(through("", &c), ERR_INVALID);
#define BAD(text)                                              \
	do {                                                   \
		assert_int_equal(through("cc-1", &c), ERR_OK); \
		assert_int_equal(got.bad, 1);                  \
		assert_string_equal(got.detail.field, text);   \
		c = good();                                    \
	} while (0)
	c.tenant = (char *)"../x";
	BAD("tenant");
	c.tenant = (char *)"UPPER";
	BAD("tenant");
	c.call_id = (char *)"a.b";
	BAD("call_id");
	c.leg_id = (char *)"";
	BAD("leg_id");
	c.leg_id = long_id;
	BAD("leg_id");
	c.epoch = 0;
	BAD("epoch");
	c.command_case = CASE(_NOT_SET);
	BAD("command");
}

static void an_offer_of_srtp_is_asked_for_by_its_field(void **state)
{
	Trunkline__Media__V1__EndpointCreate create = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	command_t c = good();

	UNUSED(state);
	c.command_case = CASE(CREATE);
	c.create = &create;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_int_equal(got.good, 1);
	assert_false(got.last.srtp);
	create.srtp = true;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_true(got.last.srtp);
}

static void a_play_needs_prompts_or_a_tone(void **state)
{
	Trunkline__Media__V1__Play play = TRUNKLINE__MEDIA__V1__PLAY__INIT;
	char hash[65] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char *list[COMMAND_PROMPTS + 1];
	command_t c = good();

	UNUSED(state);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = hash;
	c.command_case = CASE(PLAY);
	c.play = &play;
	BAD("play");
	c.command_case = CASE(PLAY);
	c.play = &play;
	play.sha256 = list;
	play.n_sha256 = COMMAND_PROMPTS + 1;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_string_equal(got.detail.field, "play.sha256");
	play.n_sha256 = 2;
	play.play_id = 7;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_int_equal(got.good, 1);
	assert_int_equal(got.last.play.n, 2);
	assert_string_equal(got.last.play.sha256[1], hash);
	hash[3] = '/';
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_int_equal(got.bad, 1);
	play.n_sha256 = 0;
	play.tone = 99;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_string_equal(got.detail.field, "play.tone");
	play.tone = TRUNKLINE__MEDIA__V1__TONE__TONE_BUSY;
	assert_int_equal(through("cc-1", &c), ERR_OK);
	assert_int_equal(got.last.play.tone, MEDIA_TONE_BUSY);
}

static void random_bytes_are_refused_or_ignored(void **state)
{
	struct err_detail d;

	UNUSED(state);
	for (unsigned i = 0; i < 20000; i++) {
		uint8_t bytes[64];

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)((i * 2654435761u) >> (k % 24)) ^ (uint8_t)(i + k * 7);
		(void)!commands_from_pb(bytes, i % sizeof(bytes), on_command, on_bad, NULL, &d);
	}
}

static void events_of_one_turn_are_one_message(void **state)
{
	struct event ev[] = {
		{ .kind = EVENT_READY, .tenant = "acme", .call_id = "c", .leg_id = "l", .request = 3, .time_ms = 99 },
		{ .kind = EVENT_DIGIT, .tenant = "acme", .call_id = "c", .leg_id = "l" },
		{ .kind = EVENT_FREED, .tenant = "acme", .call_id = "c", .leg_id = "" },
	};
	Trunkline__Media__V1__MediaEvents *pb;
	struct str batch = STR_INIT;

	UNUSED(state);
	ev[0].ready.sdp = "v=0";
	ev[0].ready.size = 3;
	ev[1].digit.digit = '#';
	ev[1].digit.duration_ms = 100;
	ev[2].freed = (struct event_counts){ 1, 2, 3, 4, 5 };
	for (size_t i = 0; i < ARRAY_SIZE(ev); i++)
		event_to_pb(&ev[i], "media-1", &batch);
	pb = trunkline__media__v1__media_events__unpack(NULL, batch.len, (uint8_t *)batch.data);
	assert_non_null(pb);
	assert_string_equal(pb->instance, "media-1");
	assert_int_equal(pb->n_events, 3);
	assert_int_equal(pb->events[0]->request, 3);
	assert_int_equal(pb->events[0]->time_ms, 99);
	assert_int_equal(pb->events[0]->ready->sdp.len, 3);
	assert_string_equal(pb->events[1]->digit->digit, "#");
	assert_int_equal(pb->events[2]->freed->packets_lost, 3);
	assert_int_equal(pb->events[2]->freed->round_trip_us, 5);
	trunkline__media__v1__media_events__free_unpacked(pb, NULL);
	str_done(&batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wrong_field_is_named),
		cmocka_unit_test(an_offer_of_srtp_is_asked_for_by_its_field),
		cmocka_unit_test(a_play_needs_prompts_or_a_tone),
		cmocka_unit_test(random_bytes_are_refused_or_ignored),
		cmocka_unit_test(events_of_one_turn_are_one_message),
	};

	return cmocka_run_group_tests_name("media_wire", tests, NULL, NULL);
}
