#include "audiofile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "recording/segment.h"
#include "store.h"

#define FULL_PATH (2 * AUDIOFILE_PATH)

const char *const audiofile_suffixes[AUDIOFILE_NAMES] = { ".mp3", ".mono.mp3", ".mp3.sealed", ".mono.mp3.sealed" };

static const char *suffix_of(const struct audiofile *a, bool sealed)
{
	return audiofile_suffixes[2 * sealed + a->mono];
}

static void full_path(char buf[FULL_PATH], const struct audiofile *a, bool sealed, const char *more)
{
	snprintf(buf, FULL_PATH, "%s/%s%s%s", a->dir, a->path, suffix_of(a, sealed), more);
}

/* Where it belongs: does not change when directories do. */
static void place_of(char buf[FULL_PATH], const struct audiofile *a)
{
	snprintf(buf, FULL_PATH, "%s/%s%s", a->tenant, a->recording_id, suffix_of(a, false));
}

/* ---- writing ---- */

err_t audiofile_make_key(struct audiofile_key *ret, bool *ret_sealed, const struct vault_tenant *t,
			 const char *recording_id)
{
	struct str envelope = STR_INIT;
	err_t e;

	*ret_sealed = vault_sensitive(t, STORE_DATA_KEY);
	if (!*ret_sealed)
		return ERR_OK;
	if (!vault_version(t))
		return ERR_PRECONDITION;
	e = sealed_key_make(ret->key);
	if (!e)
		e = vault_keep(t, STORE_DATA_KEY, recording_id, (const char *)ret->key, SEALED_KEY, &envelope);
	if (!e && !(envelope.len && str_copy(ret->envelope, sizeof(ret->envelope), str_text(&envelope))))
		e = ERR_INTERNAL;
	str_done(&envelope);
	return e;
}

err_t audiofile_create(FILE **ret, const struct audiofile *a, const struct audiofile_key *key)
{
	char path[FULL_PATH], place[FULL_PATH];
	int fd;

	full_path(path, a, key != NULL, ".tmp");
	if (!key) {
		*ret = fopen(path, "we");
		return *ret ? ERR_OK : err_from_errno(errno);
	}
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_from_errno(errno);
	place_of(place, a);
	return sealedfile_create(ret, fd, key->key, place, key->envelope);
}

err_t audiofile_put_in_place(const struct audiofile *a, bool sealed)
{
	char from[FULL_PATH], to[FULL_PATH], other[FULL_PATH];

	full_path(from, a, sealed, ".tmp");
	full_path(to, a, sealed, "");
	full_path(other, a, !sealed, "");
	if (rename(from, to) || (unlink(other) && errno != ENOENT))
		return err_from_errno(errno);
	full_path(other, a, !sealed, ".tmp"); /* of a recorder that was killed before the tenant's settings changed */
	return unlink(other) && errno != ENOENT ? err_from_errno(errno) : ERR_OK;
}

/* ---- reading ---- */

/* ERR_NOT_FOUND: no key of the tenant opens it. */
static err_t open_envelope(uint8_t key[SEALED_KEY], const struct audiofile *a, const struct vault_tenant *t,
			   const char *envelope)
{
	struct str clear = STR_INIT;
	err_t e = ERR_NOT_FOUND;

	if (sealed_is(envelope, strlen(envelope)))
		e = vault_show(t, STORE_DATA_KEY, a->recording_id, envelope, true, &clear);
	if (!e && clear.len != SEALED_KEY)
		e = ERR_NOT_FOUND;
	if (!e)
		memcpy(key, clear.data, SEALED_KEY);
	if (clear.data)
		explicit_bzero(clear.data, clear.cap);
	str_done(&clear);
	return e;
}

/* The head's own first: it is that of this file for certain. */
static err_t find_key(uint8_t key[SEALED_KEY], int fd, const struct audiofile *a, const struct vault_tenant *t,
		      const char *data_key)
{
	char label[SEALEDFILE_LABEL];
	err_t e = sealedfile_label(fd, label);

	if (!e)
		e = open_envelope(key, a, t, label);
	return e == ERR_NOT_FOUND ? open_envelope(key, a, t, data_key) : e;
}

static err_t open_sealed(FILE **ret, int fd, const struct audiofile *a, const struct vault_tenant *t,
			 const char *data_key, struct err_detail *detail)
{
	uint8_t key[SEALED_KEY];
	char place[FULL_PATH];
	err_t e = find_key(key, fd, a, t, data_key);

	if (e == ERR_NOT_FOUND)
		e = err_set(detail, ERR_PRECONDITION, "recording_id",
			    "no key opens this recording: another keys.master_file, or the tenant's key was destroyed");
	if (e) {
		close(fd);
	} else {
		place_of(place, a);
		e = sealedfile_open(ret, fd, key, place);
	}
	explicit_bzero(key, sizeof(key));
	return e == ERR_DATA_LOSS ? err_set(detail, e, "recording_id", "the file of this recording was damaged") : e;
}

err_t audiofile_open(FILE **ret, const struct audiofile *a, const struct vault_tenant *t, const char *data_key,
		     struct err_detail *detail)
{
	char path[FULL_PATH];
	int fd;

	full_path(path, a, true, "");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return open_sealed(ret, fd, a, t, data_key, detail);
	if (errno != ENOENT)
		return err_from_errno(errno);
	full_path(path, a, false, "");
	*ret = fopen(path, "re");
	return *ret ? ERR_OK : err_from_errno(errno);
}

/* ---- what was in clear before ---- */

static err_t copy(FILE *from, FILE *to)
{
	char bytes[16384];
	size_t n;

	while ((n = fread(bytes, 1, sizeof(bytes), from)))
		if (fwrite(bytes, 1, n, to) != n)
			return err_from_errno(errno);
	return ferror(from) ? ERR_DATA_LOSS : ERR_OK;
}

/* ERR_NOT_FOUND: there is none in clear. */
static err_t seal_one(const struct audiofile *a, const struct audiofile_key *key)
{
	char path[FULL_PATH];
	FILE *from, *to = NULL;
	err_t e;

	full_path(path, a, false, "");
	from = fopen(path, "re");
	if (!from)
		return err_from_errno(errno);
	e = audiofile_create(&to, a, key);
	if (!e) {
		e = copy(from, to);
		if (fclose(to) && !e)
			e = err_from_errno(errno);
	}
	fclose(from);
	return e ? e : audiofile_put_in_place(a, true);
}

/* That of a file which was encrypted before the index knew. ERR_NOT_FOUND: there is none that opens. */
static err_t take_key(struct audiofile_key *ret, const struct audiofile *a, const struct vault_tenant *t)
{
	char path[FULL_PATH];
	err_t e;
	int fd;

	full_path(path, a, true, "");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_NOT_FOUND;
	e = sealedfile_label(fd, ret->envelope);
	close(fd);
	return e ? ERR_NOT_FOUND : open_envelope(ret->key, a, t, ret->envelope);
}

static bool is_made_again(const struct audiofile *a)
{
	char name[SEGMENT_PATH], path[FULL_PATH];

	if (segment_path(name, a->tenant, a->recording_id))
		return false;
	snprintf(path, sizeof(path), "%s/%s", a->dir, name);
	return access(path, F_OK) == 0;
}

static err_t seal_both(struct audiofile files[2], const struct vault_tenant *t, struct audiofile_key *key,
		       bool *ret_any)
{
	bool sealed = true;
	err_t e = take_key(key, &files[0], t);

	if (e == ERR_NOT_FOUND)
		e = take_key(key, &files[1], t);
	*ret_any = !e;
	if (e == ERR_NOT_FOUND)
		e = audiofile_make_key(key, &sealed, t, files[0].recording_id);
	for (int i = 0; !e && sealed && i < 2; i++) {
		e = seal_one(&files[i], key);
		*ret_any = *ret_any || !e;
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
	}
	return e;
}

err_t audiofile_seal(const char *dir, const char *path, const struct vault_tenant *t, const char *recording_id,
		     struct str *data_key)
{
	struct audiofile files[2] = { { dir, path, vault_id(t), recording_id, true },
				      { dir, path, vault_id(t), recording_id, false } };
	struct audiofile_key key = { 0 };
	bool any = false;
	err_t e = is_made_again(&files[0]) ? ERR_OK : seal_both(files, t, &key, &any);

	explicit_bzero(key.key, sizeof(key.key));
	if (any)
		str_append(data_key, key.envelope);
	if (!e && data_key->failed)
		e = ERR_EXHAUSTED;
	return e;
}
