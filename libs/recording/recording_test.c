#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "audio/g711.h"
#include "audio/tone.h"
#include "base/mem.h"
#include "recording/crc32c.h"
#include "recording/segment.h"
#include "recording/timeline.h"

static char dir[64];
static char path[128];
static const struct segment_info info = {
	.tenant = "acme", .call_id = "c1", .leg_id = "l1", .recording_id = "r1", .start_ms = 1700000000000
};

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/recording-test-XXXXXX");
	snprintf(path, sizeof(path), "%s/acme/r1.seg", mkdtemp(dir));
	return 0;
}

static int teardown(void **state)
{
	char sub[128];

	(void)state;
	unlink(path);
	snprintf(sub, sizeof(sub), "%s/acme", dir);
	rmdir(sub);
	return rmdir(dir);
}

static struct segment_frame frame(enum segment_kind kind, uint16_t seq, const uint8_t *payload, uint16_t size)
{
	return (struct segment_frame){
		.kind = kind, .codec = SEGMENT_PCMA, .seq = seq, .ts = seq * 160u, .payload = payload, .size = size
	};
}

static void write_some(unsigned n, bool close_it)
{
	struct segment_writer *w;
	struct segment_done done;
	uint8_t payload[160];

	memset(payload, 0x5a, sizeof(payload));
	assert_int_equal(segment_writer_open(&w, dir, &info, 1000000), ERR_OK);
	for (unsigned i = 0; i < n; i++) {
		struct segment_frame f =
		    frame(i & 1 ? SEGMENT_OUT : SEGMENT_IN, (uint16_t)(i / 2), payload, sizeof(payload));

		assert_int_equal(segment_writer_frame(w, &f, 1000000 + i * 10000), ERR_OK);
	}
	if (close_it) {
		assert_int_equal(segment_writer_close(&w, 1000000 + n * 10000, &done), ERR_OK);
		assert_int_equal(done.duration_ms, n * 10);
	} else {
		assert_int_equal(segment_writer_flush(w), ERR_OK);
		segment_writer_free(&w);
	}
}

static unsigned count(bool *ended)
{
	struct segment_reader *r;
	struct segment_frame f;
	unsigned n = 0;

	assert_int_equal(segment_reader_open(&r, path), ERR_OK);
	assert_string_equal(segment_reader_info(r)->call_id, "c1");
	assert_int_equal(segment_reader_info(r)->start_ms, 1700000000000);
	while (segment_reader_next(r, &f))
		n += f.kind <= SEGMENT_OUT;
	*ended = segment_reader_ended(r);
	segment_reader_close(&r);
	return n;
}

static void frames_written_are_read_back(void **state)
{
	struct segment_reader *r;
	struct segment_frame f;
	bool ended;

	(void)state;
	write_some(1000, true);
	assert_int_equal(count(&ended), 1000);
	assert_true(ended);
	assert_int_equal(segment_reader_open(&r, path), ERR_OK);
	assert_true(segment_reader_next(r, &f) && segment_reader_next(r, &f) && segment_reader_next(r, &f));
	assert_int_equal(f.kind, SEGMENT_IN);
	assert_int_equal(f.seq, 1);
	assert_int_equal(f.ts, 160);
	assert_int_equal(f.arrival_us, 20000);
	assert_int_equal(f.size, 160);
	assert_int_equal(f.payload[159], 0x5a);
	segment_reader_close(&r);
}

static void a_tail_torn_at_any_byte_costs_only_its_frame(void **state)
{
	struct stat st;
	bool ended;

	(void)state;
	write_some(4, false);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = st.st_size; size > st.st_size - 2 * 184; size--) {
		off_t whole = (size - (st.st_size - 4 * 184)) / 184;

		assert_int_equal(truncate(path, size), 0);
		assert_int_equal(count(&ended), whole);
		assert_false(ended);
	}
}

static void a_damaged_byte_ends_the_file_before_its_frame(void **state)
{
	bool ended;
	FILE *f;

	(void)state;
	write_some(100, true);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, -184 * 50, SEEK_END);
	fputc(1, f);
	fclose(f);
	assert_in_range(count(&ended), 49, 51);
	assert_false(ended);
	assert_int_equal(truncate(path, 10), 0);
	struct segment_reader *r;
	assert_int_equal(segment_reader_open(&r, path), ERR_DATA_LOSS);
}

static void another_writer_goes_on_where_a_dead_one_stopped(void **state)
{
	struct segment_info later = info;
	struct segment_reader *r;
	struct segment_writer *w;
	struct segment_frame f = frame(SEGMENT_IN, 7, (const uint8_t *)"x", 1);
	struct stat st;
	bool ended;

	(void)state;
	write_some(10, false);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 3), 0);
	later.start_ms += 5000;
	assert_int_equal(segment_writer_open(&w, dir, &later, 99000000), ERR_OK);
	assert_int_equal(segment_writer_frame(w, &f, 99500000), ERR_OK);
	assert_int_equal(segment_writer_close(&w, 100000000, NULL), ERR_OK);
	assert_int_equal(count(&ended), 10);
	assert_true(ended);
	assert_int_equal(segment_reader_open(&r, path), ERR_OK);
	for (unsigned i = 0; i < 11; i++)
		assert_true(segment_reader_next(r, &f));
	assert_int_equal(f.seq, 7);
	assert_int_equal(f.arrival_us, 5500000);
	segment_reader_close(&r);
}

static void a_file_has_one_writer_and_its_recording_one_file(void **state)
{
	struct segment_writer *w, *second;

	(void)state;
	assert_false(segment_is_written(path));
	assert_int_equal(segment_writer_open(&w, dir, &info, 0), ERR_OK);
	assert_true(segment_is_written(path));
	assert_int_equal(segment_writer_open(&second, dir, &info, 0), ERR_EXISTS);
	segment_writer_free(&w);
	assert_false(segment_is_written(path));
}

static void who_locks_a_file_keeps_writers_and_others_out(void **state)
{
	struct segment_writer *w;
	int fd, other;

	(void)state;
	write_some(2, false);
	assert_int_equal(segment_lock(&fd, path), ERR_OK);
	assert_int_equal(segment_lock(&other, path), ERR_EXISTS);
	assert_int_equal(segment_writer_open(&w, dir, &info, 0), ERR_EXISTS);
	close(fd);
	assert_int_equal(segment_writer_open(&w, dir, &info, 0), ERR_OK);
	assert_int_equal(segment_lock(&fd, path), ERR_EXISTS);
	segment_writer_free(&w);
	assert_int_equal(segment_lock(&fd, "/nonexistent/x.seg"), ERR_NOT_FOUND);
}

static void a_name_that_is_no_name_is_refused(void **state)
{
	static const char *const names[] = { "", "..", "a/b", "a b", ".", "ä", "x.seg" };
	char buf[SEGMENT_PATH];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(segment_path(buf, names[i], "r1"), ERR_INVALID);
		assert_int_equal(segment_path(buf, "acme", names[i]), ERR_INVALID);
	}
}

static void the_crc_is_that_of_the_standard(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

/* ---- timeline ---- */
struct track {
	int16_t *left, *right;
	size_t n, cap;
};

static err_t collect(const int16_t *left, const int16_t *right, size_t n, void *arg)
{
	struct track *t = arg;

	assert_true(t->n + n <= t->cap);
	memcpy(t->left + t->n, left, n * 2);
	memcpy(t->right + t->n, right, n * 2);
	t->n += n;
	return ERR_OK;
}

static void track_init(struct track *t, size_t cap)
{
	*t = (struct track){ .left = mem_array(cap, 2), .right = mem_array(cap, 2), .cap = cap };
}

static void track_done(struct track *t)
{
	mem_free(t->left);
	mem_free(t->right);
}

static void feed(struct timeline *t, struct tone *tone, enum segment_kind kind, uint16_t seq, uint32_t ts, int64_t ms)
{
	int16_t pcm[160] = { 0 };
	uint8_t law[160];
	struct segment_frame f = {
		.kind = kind, .seq = seq, .ts = ts, .arrival_us = (uint64_t)ms * 1000, .payload = law, .size = 160
	};

	tone_add(tone, pcm, 160);
	g711_a_encode_n(law, pcm, 160);
	assert_int_equal(timeline_frame(t, &f), ERR_OK);
}

static void end(struct timeline *t, int64_t ms)
{
	struct segment_frame f = { .kind = SEGMENT_END, .arrival_us = (uint64_t)ms * 1000 };

	assert_int_equal(timeline_frame(t, &f), ERR_OK);
	assert_int_equal(timeline_finish(t), ERR_OK);
	timeline_free(&t);
}

static void both_directions_come_out_in_step_with_the_right_length(void **state)
{
	struct timeline *t;
	struct track k;
	struct tone a, b;

	(void)state;
	track_init(&k, 80000);
	tone_init(&a, 440, 8000, -10);
	tone_init(&b, 1000, 8000, -10);
	assert_int_equal(timeline_new(&t, collect, &k), ERR_OK);
	for (unsigned i = 0; i < 400; i++) { /* 8 s of a; b begins after 3 s; timestamps wrap */
		feed(t, &a, SEGMENT_IN, (uint16_t)(65500 + i), 0xffff0000u + i * 160, i * 20 + i % 3 * 7);
		if (i >= 150)
			feed(t, &b, SEGMENT_OUT, (uint16_t)i, i * 160, i * 20 + 5);
	}
	end(t, 9000);
	assert_int_equal(k.n, 72000);
	assert_true(tone_share(k.left, 63000, 440, 8000) > 0.98);
	assert_true(audio_level_dbfs(k.right, 23900) < -60);
	assert_true(tone_share(k.right + 24100, 39000, 1000, 8000) > 0.98);
	assert_true(audio_level_dbfs(k.left + 64100, 7800) < -60);
	track_done(&k);
}

static void lost_doubled_and_reordered_packets_find_their_place(void **state)
{
	static const unsigned order[] = { 0, 2, 1, 1, 5, 4, 6, 9, 8, 7 }; /* 3 lost */
	struct timeline *t;
	struct track k;

	(void)state;
	track_init(&k, 8000);
	assert_int_equal(timeline_new(&t, collect, &k), ERR_OK);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		uint8_t law[160];
		struct segment_frame f = { .kind = SEGMENT_IN,
					   .ts = 5000 + order[i] * 160,
					   .arrival_us = i * 20000,
					   .payload = law,
					   .size = 160 };

		memset(law, g711_a_encode((int16_t)(1000 + 1000 * (int)order[i])), sizeof(law));
		assert_int_equal(timeline_frame(t, &f), ERR_OK);
	}
	end(t, 200);
	assert_int_equal(k.n, 1600);
	for (int i = 0; i < 10; i++) {
		int want = i == 3 ? 0 : 1000 + 1000 * i;

		assert_in_range(k.left[i * 160 + 80] + 1000, want + 1000 - 300, want + 1000 + 300);
	}
	track_done(&k);
}

static void a_pause_and_a_new_source_are_placed_by_arrival(void **state)
{
	struct timeline *t;
	struct track k;
	struct tone a;

	(void)state;
	track_init(&k, 400000);
	tone_init(&a, 440, 8000, -10);
	assert_int_equal(timeline_new(&t, collect, &k), ERR_OK);
	for (unsigned i = 0; i < 50; i++)
		feed(t, &a, SEGMENT_IN, (uint16_t)i, i * 160, i * 20);
	for (unsigned i = 0; i < 50; i++) /* 20 s later with timestamps from somewhere else */
		feed(t, &a, SEGMENT_IN, (uint16_t)i, 0x80000000u + i * 160, 20000 + i * 20);
	end(t, 21500);
	assert_int_equal(k.n, 21500 * 8);
	assert_true(audio_level_dbfs(k.left + 8100, 151000) < -60);
	assert_true(tone_share(k.left + 160000, 8000, 440, 8000) > 0.98);
	track_done(&k);
}

static void any_order_and_any_times_do_no_harm(void **state)
{
	struct timeline *t;
	struct track k;

	(void)state;
	srand(2);
	for (int run = 0; run < 50; run++) {
		track_init(&k, 8000 * 400);
		assert_int_equal(timeline_new(&t, collect, &k), ERR_OK);
		for (int i = 0; i < 2000; i++) {
			uint8_t law[1500] = { 0 };
			struct segment_frame f = { .kind = (enum segment_kind)(rand() % 4),
						   .ts = (uint32_t)rand() * 2u,
						   .arrival_us = (uint64_t)(rand() % 300000000),
						   .payload = law,
						   .size = (uint16_t)(rand() % 1501) };

			assert_int_equal(timeline_frame(t, &f), ERR_OK);
		}
		assert_int_equal(timeline_finish(t), ERR_OK);
		assert_int_equal(timeline_samples(t), k.n);
		timeline_free(&t);
		track_done(&k);
	}
}

#define FILE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(frames_written_are_read_back),
		FILE_TEST(a_tail_torn_at_any_byte_costs_only_its_frame),
		FILE_TEST(a_damaged_byte_ends_the_file_before_its_frame),
		FILE_TEST(another_writer_goes_on_where_a_dead_one_stopped),
		FILE_TEST(a_file_has_one_writer_and_its_recording_one_file),
		FILE_TEST(who_locks_a_file_keeps_writers_and_others_out),
		cmocka_unit_test(a_name_that_is_no_name_is_refused),
		cmocka_unit_test(the_crc_is_that_of_the_standard),
		cmocka_unit_test(both_directions_come_out_in_step_with_the_right_length),
		cmocka_unit_test(lost_doubled_and_reordered_packets_find_their_place),
		cmocka_unit_test(a_pause_and_a_new_source_are_placed_by_arrival),
		cmocka_unit_test(any_order_and_any_times_do_no_harm),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
