#include "audiofile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
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
	return ERR_OK;
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
