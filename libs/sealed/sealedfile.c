#include "sealedfile.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "sealed_internal.h"

#define MAGIC	   "TLKSEF1\n"
#define MAGIC_SIZE 8
#define SALT	   16
#define FIXED	   (MAGIC_SIZE + SALT + 2)
#define HEAD_MAX   (FIXED + SEALEDFILE_LABEL)
#define PLACE_MAX  512
#define CHUNK	   SEALEDFILE_CHUNK
#define BOX	   (CHUNK + TAG)

struct head {
	uint8_t bytes[HEAD_MAX];
	size_t size;
};

/* Either direction; what it means: */
struct sealedfile {
	int fd;
	uint8_t key[SEALED_KEY]; /* of the chunks */
	size_t head;		 /* bytes before them */
	int64_t at;		 /* of the stream */
	int64_t size;		 /* writing: so far; reading: of all */
	int error;		 /* writing: errno of what failed, the file is not ended; 0: nothing */
	int64_t number;		 /* of `chunk`; reading, -1: none */
	uint8_t first[CHUNK];	 /* writing: kept back until the end */
	uint8_t chunk[CHUNK];
	uint8_t box[BOX];
};

/* ---- the head ---- */

static err_t write_all(int fd, const uint8_t *bytes, size_t n, off_t at)
{
	while (n) {
		ssize_t done = pwrite(fd, bytes, n, at);

		if (done < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
			at += done;
		}
	}
	return ERR_OK;
}

/* ERR_DATA_LOSS: the file has less. */
static err_t read_all(int fd, uint8_t *bytes, size_t n, off_t at)
{
	while (n) {
		ssize_t got = pread(fd, bytes, n, at);

		if (got < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (!got)
			return ERR_DATA_LOSS;
		if (got > 0) {
			bytes += got;
			n -= (size_t)got;
			at += got;
		}
	}
	return ERR_OK;
}

static err_t make_head(struct head *h, const char *label)
{
	size_t n = strlen(label);

	if (n >= SEALEDFILE_LABEL)
		return ERR_INVALID;
	memcpy(h->bytes, MAGIC, MAGIC_SIZE);
	if (RAND_bytes(h->bytes + MAGIC_SIZE, SALT) != 1)
		return ERR_UNAVAILABLE;
	h->bytes[FIXED - 2] = (uint8_t)n;
	h->bytes[FIXED - 1] = 0;
	memcpy(h->bytes + FIXED, label, n);
	h->size = FIXED + n;
	return ERR_OK;
}

static err_t read_head(struct head *h, int fd)
{
	err_t e = read_all(fd, h->bytes, FIXED, 0);

	if (e)
		return e;
	h->size = FIXED + h->bytes[FIXED - 2];
	if (memcmp(h->bytes, MAGIC, MAGIC_SIZE) != 0 || h->bytes[FIXED - 1] || h->size >= HEAD_MAX)
		return ERR_DATA_LOSS;
	return read_all(fd, h->bytes + FIXED, h->size - FIXED, FIXED);
}

/* Place and head have their ends in them, so that two pairs never give one text. */
static err_t chunk_key(const uint8_t key[SEALED_KEY], const char *place, const struct head *h, uint8_t ret[SEALED_KEY])
{
	uint8_t info[PLACE_MAX + HEAD_MAX];
	size_t n = strlen(place) + 1;

	if (n > PLACE_MAX)
		return ERR_INVALID;
	memcpy(info, place, n);
	memcpy(info + n, h->bytes, h->size);
	return hkdf(key, h->bytes + MAGIC_SIZE, SALT, info, n + h->size, ret);
}

/* ---- chunks ---- */

static void make_nonce(uint8_t nonce[NONCE], int64_t number, bool last)
{
	memset(nonce, 0, NONCE);
	for (int i = 0; i < 8; i++)
		nonce[NONCE - 2 - i] = (uint8_t)((uint64_t)number >> 8 * i);
	nonce[NONCE - 1] = last;
}

static off_t place_of(const struct sealedfile *s, int64_t number)
{
	return (off_t)s->head + number * BOX;
}

static bool put_chunk(struct sealedfile *s, int64_t number, bool last, const uint8_t *clear, size_t n)
{
	uint8_t nonce[NONCE];
	err_t e;

	make_nonce(nonce, number, last);
	e = gcm_encrypt(s->key, nonce, "", 0, clear, n, s->box);
	if (e)
		s->error = ENOMEM;
	else if (write_all(s->fd, s->box, n + TAG, place_of(s, number)))
		s->error = errno;
	return !s->error;
}

static int64_t last_number(const struct sealedfile *s)
{
	return s->size ? (s->size - 1) / CHUNK : 0;
}

static err_t get_chunk(struct sealedfile *s, int64_t number)
{
	bool last = number == last_number(s);
	size_t n = last ? (size_t)(s->size - number * CHUNK) : CHUNK;
	uint8_t nonce[NONCE];
	err_t e = number == s->number ? ERR_EXISTS : read_all(s->fd, s->box, n + TAG, place_of(s, number));

	if (e)
		return e == ERR_EXISTS ? ERR_OK : e;
	s->number = -1;
	make_nonce(nonce, number, last);
	e = gcm_decrypt(s->key, nonce, "", 0, s->box, n + TAG, s->chunk);
	if (!e)
		s->number = number;
	return e;
}

/* ---- the streams ---- */

static ssize_t on_read(void *arg, char *buf, size_t size)
{
	struct sealedfile *s = arg;
	int64_t number = s->at / CHUNK, from = s->at % CHUNK;
	int64_t n = s->size - s->at < CHUNK - from ? s->size - s->at : CHUNK - from;

	if (n <= 0)
		return 0;
	if (get_chunk(s, number)) {
		errno = EIO;
		return -1;
	}
	n = n < (int64_t)size ? n : (int64_t)size;
	memcpy(buf, s->chunk + from, (size_t)n);
	s->at += n;
	return n;
}

/* Up to the end of a chunk, *ret_n bytes; full ones are written when more comes, so that the last one is known at the end. */
static bool put_some(struct sealedfile *s, const char *buf, size_t size, size_t *ret_n)
{
	int64_t number = s->at / CHUNK, from = s->at % CHUNK;
	int64_t n = (int64_t)size < CHUNK - from ? (int64_t)size : CHUNK - from;

	if (number && s->at != s->size)
		s->error = ESPIPE;
	else if (number > 1 && !from)
		(void)put_chunk(s, number - 1, false, s->chunk, CHUNK);
	if (s->error)
		return false;
	memcpy((number ? s->chunk : s->first) + from, buf, (size_t)n);
	s->at += n;
	s->size = s->at > s->size ? s->at : s->size;
	*ret_n = (size_t)n;
	return true;
}

static ssize_t on_write(void *arg, const char *buf, size_t size)
{
	struct sealedfile *s = arg;
	size_t n, done = 0;

	while (done < size && !s->error && put_some(s, buf + done, size - done, &n))
		done += n;
	errno = s->error;
	return s->error ? 0 : (ssize_t)done;
}

static int on_seek(void *arg, off64_t *at, int whence)
{
	struct sealedfile *s = arg;
	int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->at : s->size;

	if (*at < -base || *at > s->size - base) {
		errno = EINVAL;
		return -1;
	}
	s->at = *at += base;
	return 0;
}

static void sealedfile_free(struct sealedfile *s)
{
	close(s->fd);
	OPENSSL_cleanse(s, sizeof(*s));
	mem_free(s);
}

static int on_read_close(void *arg)
{
	sealedfile_free(arg);
	return 0;
}

static void end_file(struct sealedfile *s)
{
	int64_t last = last_number(s);

	if ((!last || put_chunk(s, last, true, s->chunk, (size_t)(s->size - last * CHUNK))) &&
	    put_chunk(s, 0, !last, s->first, last ? CHUNK : (size_t)s->size) && fdatasync(s->fd))
		s->error = errno;
}

static int on_write_close(void *arg)
{
	struct sealedfile *s = arg;
	int error;

	if (!s->error)
		end_file(s);
	error = s->error;
	sealedfile_free(s);
	errno = error;
	return error ? -1 : 0;
}

static err_t to_stream(FILE **ret, struct sealedfile *s, const char *mode)
{
	bool reads = *mode == 'r';

	*ret = fopencookie(s, mode,
			   (cookie_io_functions_t){ .read = reads ? on_read : NULL,
						    .write = reads ? NULL : on_write,
						    .seek = on_seek,
						    .close = reads ? on_read_close : on_write_close });
	return *ret ? ERR_OK : ERR_EXHAUSTED;
}

static err_t new_with_head(struct sealedfile **ret, int fd, const uint8_t key[SEALED_KEY], const char *place,
			   const struct head *h)
{
	struct sealedfile *s = mem_zalloc(sizeof(*s));
	err_t e = s ? chunk_key(key, place, h, s->key) : ERR_EXHAUSTED;

	if (e) {
		mem_free(s);
		return e;
	}
	s->fd = fd;
	s->head = h->size;
	s->number = -1;
	*ret = s;
	return ERR_OK;
}

err_t sealedfile_create(FILE **ret, int fd, const uint8_t key[SEALED_KEY], const char *place, const char *label)
{
	struct sealedfile *s = NULL;
	struct head h = { 0 };
	err_t e = make_head(&h, label);

	if (!e)
		e = write_all(fd, h.bytes, h.size, 0);
	if (!e)
		e = new_with_head(&s, fd, key, place, &h);
	if (!e)
		e = to_stream(ret, s, "w");
	if (e && s)
		sealedfile_free(s);
	else if (e)
		close(fd);
	return e;
}

err_t sealedfile_label(int fd, char label[SEALEDFILE_LABEL])
{
	struct head h = { 0 };
	err_t e = read_head(&h, fd);

	if (e)
		return e;
	if (memchr(h.bytes + FIXED, '\0', h.size - FIXED))
		return ERR_DATA_LOSS;
	memcpy(label, h.bytes + FIXED, h.size - FIXED);
	label[h.size - FIXED] = '\0';
	return ERR_OK;
}

/* Of what is in the file that many are clear. ERR_DATA_LOSS: no file has so many. */
static err_t measure(struct sealedfile *s)
{
	struct stat st;

	if (fstat(s->fd, &st))
		return err_from_errno(errno);
	int64_t body = (int64_t)st.st_size - (int64_t)s->head, whole = body / BOX, rest = body % BOX;

	/* Only an empty file has an empty chunk. */
	if (body < TAG || (rest && (rest < TAG || (rest == TAG && whole))))
		return ERR_DATA_LOSS;
	s->size = body - (whole + (rest != 0)) * TAG;
	return ERR_OK;
}

err_t sealedfile_open(FILE **ret, int fd, const uint8_t key[SEALED_KEY], const char *place)
{
	struct sealedfile *s = NULL;
	struct head h = { 0 };
	err_t e = read_head(&h, fd);

	if (!e)
		e = new_with_head(&s, fd, key, place, &h);
	if (!e)
		e = measure(s);
	if (!e)
		e = get_chunk(s, last_number(s));
	if (!e)
		e = to_stream(ret, s, "r");
	if (e && s)
		sealedfile_free(s);
	else if (e)
		close(fd);
	return e;
}
