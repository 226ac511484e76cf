/* A file that somebody else may have written to. As it comes: it does not open, the key was thrown away. And a good one that was changed by what
 * comes (three bytes of offset, one to XOR with; 0 cuts it off there): each byte that is read is the one that was written. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sealed/sealedfile.h"

#define CLEAR (2 * SEALEDFILE_CHUNK + 500)
#define PLACE "acme/7.mp3"

static const uint8_t key[SEALED_KEY] = { 1 };
static uint8_t clear[CLEAR], good[CLEAR + 1000], got[CLEAR + 1];
static size_t good_size;

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("sealedfile", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	return fd;
}

static void make_good(void)
{
	int fd = file_of(NULL, 0);
	FILE *f;

	for (size_t i = 0; i < CLEAR; i++)
		clear[i] = (uint8_t)(i * 31 + i / 253);
	if (sealedfile_create(&f, dup(fd), key, PLACE, "label") || fwrite(clear, 1, CLEAR, f) != CLEAR || fclose(f))
		abort();
	good_size = (size_t)pread(fd, good, sizeof(good), 0);
	close(fd);
}

static void read_as_it_comes(const uint8_t *data, size_t size)
{
	char label[SEALEDFILE_LABEL];
	int fd = file_of(data, size);
	FILE *f;

	if (sealedfile_label(fd, label) == ERR_OK && strlen(label) >= SEALEDFILE_LABEL)
		abort();
	if (sealedfile_open(&f, fd, key, PLACE) == ERR_OK)
		abort();
}

static void read_changed(const uint8_t *data, size_t size)
{
	static uint8_t bytes[sizeof(good)];
	size_t n = good_size;
	FILE *f;

	memcpy(bytes, good, n);
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]) % (n + 1);

		if (!data[3] || at == n)
			n = at;
		else
			bytes[at] ^= data[3];
	}
	if (sealedfile_open(&f, file_of(bytes, n), key, PLACE))
		return;
	n = fread(got, 1, sizeof(got), f);
	if (memcmp(got, clear, n) != 0 || (n != CLEAR && !ferror(f)))
		abort();
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!good_size)
		make_good();
	read_as_it_comes(data, size);
	read_changed(data, size);
	return 0;
}
