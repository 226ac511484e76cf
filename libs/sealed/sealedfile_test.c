/* Encrypted files: read from anywhere, and what was done to them is noticed (GT-16). */
#include "sealed/sealedfile.h"
#include "base/mem.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PLACE "acme/7.mp3"
#define LABEL "sealed:1::AAAA"
#define HEAD  (26 + sizeof(LABEL) - 1)
#define CHUNK SEALEDFILE_CHUNK
#define BOX   (CHUNK + 16)
#define MAX   (3 * CHUNK)

static const uint8_t key[SEALED_KEY] = { 1, 2, 3 }, other[SEALED_KEY] = { 1, 2, 4 };
static uint8_t clear[MAX], got[MAX + 1];

static int new_file(void)
{
	int fd = memfd_create("sealedfile", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The first ten bytes are written last, as LAME does. */
static int written(size_t n)
{
	size_t head = n < 10 ? n : 10;
	int fd = new_file();
	FILE *f;

	for (size_t i = 0; i < MAX; i++)
		clear[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(sealedfile_create(&f, dup(fd), key, PLACE, LABEL), ERR_OK);
	assert_int_equal(fwrite("0123456789", 1, head, f), head);
	assert_int_equal(fwrite(clear + head, 1, n - head, f), n - head);
	assert_int_equal(ftello(f), n);
	assert_int_equal(fseeko(f, 0, SEEK_SET), 0);
	assert_int_equal(fwrite(clear, 1, head, f), head);
	assert_int_equal(fclose(f), 0);
	return fd;
}

static err_t open_at(int fd, FILE **ret)
{
	return sealedfile_open(ret, dup(fd), key, PLACE);
}

static void what_was_written_is_read_from_anywhere_GT_16(void **state)
{
	static const size_t sizes[] = { 0, 1, 9, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 100, MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = sizes[i];
		int fd = written(n);
		FILE *f;

		assert_int_equal(open_at(fd, &f), ERR_OK);
		assert_int_equal(fread(got, 1, sizeof(got), f), n);
		assert_memory_equal(got, clear, n);
		assert_int_equal(fseeko(f, 0, SEEK_END), 0);
		assert_int_equal(ftello(f), n);
		for (size_t at = n; at > 9999; at -= 9999) {
			assert_int_equal(fseeko(f, (off_t)(at - 9999), SEEK_SET), 0);
			assert_int_equal(fread(got, 1, 9999, f), 9999);
			assert_memory_equal(got, clear + at - 9999, 9999);
		}
		fclose(f);
		close(fd);
	}
}

static void a_file_of_another_implementation_opens_GT_16(void **state)
{
	/* Of Python's cryptography: key and salt 00 01 …, label "who". */
	static const uint8_t file[] =
	    "TLKSEF1\n\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x03\x00who\x10\xf3\x07\xca\x7d"
	    "\xef\xc6\x85\x4a\xc1\x8d\xa6\x2b\x16\xde\x2a\xdf\x41\xa9\x0b\x14\xfc\x8e\x60\xee";
	uint8_t its_key[SEALED_KEY];
	int fd = new_file();
	FILE *f;

	(void)state;
	for (unsigned i = 0; i < SEALED_KEY; i++)
		its_key[i] = (uint8_t)i;
	assert_int_equal(write(fd, file, sizeof(file) - 1), sizeof(file) - 1);
	assert_int_equal(sealedfile_open(&f, fd, its_key, PLACE), ERR_OK);
	assert_int_equal(fread(got, 1, sizeof(got), f), 9);
	assert_memory_equal(got, "the voice", 9);
	fclose(f);
}

static void nothing_of_it_is_in_the_file_but_the_label_GT_16(void **state)
{
	char label[SEALEDFILE_LABEL];
	int fd = written(MAX);
	ssize_t n;

	(void)state;
	for (off_t at = 0; (n = pread(fd, got, sizeof(got), at)) > 0; at += n)
		assert_null(memmem(got, (size_t)n, clear + 100, 8));
	assert_int_equal(sealedfile_label(fd, label), ERR_OK);
	assert_string_equal(label, LABEL);
	close(fd);
}

static void another_key_or_place_does_not_open_it_GT_16(void **state)
{
	int fd = written(100);
	FILE *f;

	(void)state;
	assert_int_equal(sealedfile_open(&f, dup(fd), other, PLACE), ERR_DATA_LOSS);
	assert_int_equal(sealedfile_open(&f, dup(fd), key, "acme/8.mp3"), ERR_DATA_LOSS);
	assert_int_equal(sealedfile_open(&f, dup(fd), key, "beta/7.mp3"), ERR_DATA_LOSS);
	assert_int_equal(sealedfile_open(&f, dup(fd), key, "acme/7.mono.mp3"), ERR_DATA_LOSS);
	close(fd);
}

/* ---- changed ---- */

static void change_byte(int fd, off_t at)
{
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
}

static void swap_chunks(int fd)
{
	static uint8_t a[BOX], b[BOX];

	assert_int_equal(pread(fd, a, BOX, HEAD), BOX);
	assert_int_equal(pread(fd, b, BOX, HEAD + BOX), BOX);
	assert_int_equal(pwrite(fd, b, BOX, HEAD), BOX);
	assert_int_equal(pwrite(fd, a, BOX, HEAD + BOX), BOX);
}

/* Bytes that are right before the stream fails; the file does not even open: -1. */
static ssize_t good_bytes(int fd)
{
	size_t n;
	FILE *f;

	if (open_at(fd, &f))
		return -1;
	n = fread(got, 1, sizeof(got), f);
	assert_memory_equal(got, clear, n);
	assert_true(ferror(f));
	assert_int_equal(errno, EIO);
	fclose(f);
	return (ssize_t)n;
}

static void a_chunk_that_was_changed_or_swapped_is_not_read_GT_16(void **state)
{
	int fd = written(MAX);

	(void)state;
	change_byte(fd, HEAD + BOX + 77);
	assert_int_equal(good_bytes(fd), CHUNK);
	change_byte(fd, HEAD + BOX + 77);
	change_byte(fd, HEAD + BOX - 1); /* a tag */
	assert_int_equal(good_bytes(fd), 0);
	change_byte(fd, HEAD + BOX - 1);
	swap_chunks(fd);
	assert_int_equal(good_bytes(fd), 0);
	close(fd);
	fd = written(MAX);
	change_byte(fd, HEAD + 2 * BOX); /* the last one */
	assert_int_equal(good_bytes(fd), -1);
	close(fd);
}

static void a_file_that_was_cut_off_does_not_open_GT_16(void **state)
{
	static const off_t sizes[] = { 0,	  7,	      HEAD - 1,	       HEAD,	       HEAD + 15,
				       HEAD + 16, HEAD + BOX, HEAD + BOX + 16, HEAD + 2 * BOX, HEAD + 3 * BOX - 1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = written(MAX);

		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		assert_int_equal(good_bytes(fd), -1);
		close(fd);
	}
}

static void a_file_that_has_more_at_its_end_does_not_open_GT_16(void **state)
{
	int fd = written(CHUNK);

	(void)state;
	assert_int_equal(ftruncate(fd, HEAD + BOX + 17), 0);
	assert_int_equal(good_bytes(fd), -1);
	assert_int_equal(ftruncate(fd, HEAD + 2 * BOX), 0);
	assert_int_equal(good_bytes(fd), -1);
	close(fd);
}

static void every_byte_of_the_head_counts_GT_16(void **state)
{
	int fd = written(100);

	(void)state;
	for (off_t at = 0; at < (off_t)HEAD; at++) {
		change_byte(fd, at);
		assert_int_equal(good_bytes(fd), -1);
		change_byte(fd, at);
	}
	FILE *f;
	assert_int_equal(open_at(fd, &f), ERR_OK);
	fclose(f);
	close(fd);
}

/* ---- writing ---- */

static void only_the_first_chunk_is_gone_back_to(void **state)
{
	int fd = new_file();
	FILE *f;

	(void)state;
	assert_int_equal(sealedfile_create(&f, dup(fd), key, PLACE, LABEL), ERR_OK);
	assert_int_equal(fwrite(clear, 1, MAX, f), MAX);
	assert_int_equal(fseeko(f, CHUNK, SEEK_SET), 0);
	(void)fwrite("x", 1, 1, f);
	assert_true(fflush(f));
	assert_int_equal(errno, ESPIPE);
	assert_true(fclose(f)); /* and what is not whole does not pass for it */
	assert_int_equal(good_bytes(fd), -1);
	close(fd);
}

static void a_full_disk_is_told(void **state)
{
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);
	char label[SEALEDFILE_LABEL + 1];
	FILE *f;

	(void)state;
	assert_int_equal(sealedfile_create(&f, fd, key, PLACE, LABEL), ERR_EXHAUSTED);
	memset(label, 'x', SEALEDFILE_LABEL);
	label[SEALEDFILE_LABEL] = '\0';
	assert_int_equal(sealedfile_create(&f, new_file(), key, PLACE, label), ERR_INVALID);
}

static err_t write_one(int fd)
{
	FILE *f;
	err_t e = sealedfile_create(&f, dup(fd), key, PLACE, LABEL);

	if (e)
		return e;
	size_t n = fwrite(clear, 1, 1000, f);
	return fclose(f) || n != 1000 ? ERR_INTERNAL : ERR_OK;
}

static err_t write_and_read(void *arg)
{
	int fd = new_file();
	err_t e = write_one(fd);
	FILE *f;

	(void)arg;
	if (!e)
		e = open_at(fd, &f);
	if (!e) {
		assert_int_equal(fread(got, 1, sizeof(got), f), 1000);
		fclose(f);
	}
	close(fd);
	return e;
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	testkit_each_alloc_failure(write_and_read, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read_from_anywhere_GT_16),
		cmocka_unit_test(a_file_of_another_implementation_opens_GT_16),
		cmocka_unit_test(nothing_of_it_is_in_the_file_but_the_label_GT_16),
		cmocka_unit_test(another_key_or_place_does_not_open_it_GT_16),
		cmocka_unit_test(a_chunk_that_was_changed_or_swapped_is_not_read_GT_16),
		cmocka_unit_test(a_file_that_was_cut_off_does_not_open_GT_16),
		cmocka_unit_test(a_file_that_has_more_at_its_end_does_not_open_GT_16),
		cmocka_unit_test(every_byte_of_the_head_counts_GT_16),
		cmocka_unit_test(only_the_first_chunk_is_gone_back_to),
		cmocka_unit_test(a_full_disk_is_told),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
