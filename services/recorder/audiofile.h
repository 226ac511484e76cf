/*
 * audiofile: the files of a recording below data.dir, in clear or encrypted (GT-16). Blocking; any thread.
 *
 * In clear they are <path>.mp3 and <path>.mono.mp3. Of a tenant that has marked recordings as sensitive they are <path>.mp3.sealed and
 * <path>.mono.mp3.sealed (sealed/sealedfile.h), under a data key of the recording's own: a version of this service that does not know them finds
 * no file instead of giving out what nobody can play. The data key stands, under the tenant's key, in the index, where a rotation
 * renews it in a transaction and touches no file; and as it was first in the heads of both files, which serves until the version of the
 * tenant's key that it is under is destroyed: a process that was killed between files and index leaves files that open.
 */
#ifndef RECORDER_AUDIOFILE_H
#define RECORDER_AUDIOFILE_H

#include <stdio.h>
#include "sealed/sealedfile.h"
#include "vault/vault.h"

#define AUDIOFILE_PATH 512

/* What each file may be called, behind the path: for who deletes them. */
#define AUDIOFILE_NAMES 4
extern const char *const audiofile_suffixes[AUDIOFILE_NAMES];

struct audiofile {
	const char *dir, *path; /* path: below dir, without suffixes */
	const char *tenant, *recording_id;
	bool mono;
};
struct audiofile_key {
	uint8_t key[SEALED_KEY];
	char envelope[SEALEDFILE_LABEL]; /* of it, under the tenant's key */
};

/* A new data key of the recording; *ret_sealed false: its tenant's files stay in clear. ERR_PRECONDITION: they do not, and the tenant has no key
 * that opens; else as vault_keep(). */
err_t audiofile_make_key(struct audiofile_key *ret, bool *ret_sealed, const struct vault_tenant *t,
			 const char *recording_id) MUST;

/* Begins the file beside its place; key NULL: in clear. */
err_t audiofile_create(FILE **ret, const struct audiofile *a, const struct audiofile_key *key) MUST;
/* After fclose(): what was made is in its place, and the other one (in clear, or encrypted) is gone. */
err_t audiofile_put_in_place(const struct audiofile *a, bool sealed) MUST;

/* Encrypts the files of a recording that are in clear, whose index says so: appends what is to stand there. Nothing: they stay, as their tenant has
 * not marked them, as they are not here, cannot be read, or are about to be made again. Killed at any point it is done again, with the
 * key in the head of what was made. Errors of the file system, also with something appended: then one of the two stays in clear;
 * ERR_UNAVAILABLE: no random numbers. */
err_t audiofile_seal(const char *dir, const char *path, const struct vault_tenant *t, const char *recording_id,
		     struct str *data_key) MUST;

/* Opens it for reading, whichever there is. data_key: as it stands in the index. With the detail: ERR_PRECONDITION: no key opens it,
 * ERR_DATA_LOSS: it was changed or cut off; without: ERR_NOT_FOUND, else the file system. */
err_t audiofile_open(FILE **ret, const struct audiofile *a, const struct vault_tenant *t, const char *data_key,
		     struct err_detail *detail) MUST;

#endif
