/*
 * sealedfile: a file encrypted under a key of its own, written and read through an ordinary FILE (GT-16). Blocking; one thread at a time.
 *
 * The form is the STREAM construction as age and Tink's AES-GCM-HKDF streaming AEAD have it (Hoang, Reyhanitabar, Rogaway, Vizár 2015):
 *
 *	"TLKSEF1\n", salt (16), u16 LE size of the label, label; then chunks of 65,536 bytes, each AES-256-GCM with its tag (16)
 *	behind it, the last one shorter or as long; nonce of a chunk: its number (11 bytes, big-endian), 1 for the last one, else 0
 *
 * Why: whole-file GCM cannot be read from the middle, and gives bytes out before they are verified; XTS (dm-crypt) verifies nothing. Here each
 * chunk is verified before a byte of it is seen, any offset costs one chunk, and chunks that were changed, swapped, left out or
 * brought from another file do not open: number and end are in the nonce. The chunk key is HKDF-SHA-256 of the file's key, salt, place
 * and label, as Tink does, so that the head needs no tag of its own, one key may serve several files, and a counter is enough of a
 * nonce: no chunk is ever encrypted twice. Opening verifies the last chunk, so a file that was cut off, or another key, is
 * noticed before anything is read. The cost is 16 bytes in 65,536. age is not used itself: its keys are asymmetric or passwords.
 *
 * `place` says where the file belongs ("acme/<recording>.mp3"): elsewhere it does not open. `label` is stored in clear in the head: an envelope
 * of the key (sealed.h), so that a copy of the file and the tenant's key are enough to read it.
 *
 *	err_t e = sealedfile_create(&f, fd, key, "acme/7.mp3", envelope);   // then fwrite(), fseek() to the head, fclose()
 *	e = sealedfile_label(fd, envelope);                                 // … the key out of it
 *	e = sealedfile_open(&f, fd, key, "acme/7.mp3");                     // then fread(), fseek(), SEEK_END tells the size
 */
#ifndef SEALED_SEALEDFILE_H
#define SEALED_SEALEDFILE_H

#include <stdio.h>
#include "sealed/sealed.h"

#define SEALEDFILE_CHUNK 65536
#define SEALEDFILE_LABEL 192 /* with its NUL */

/* A stream that writes the empty file fd, which it takes, also on failure. What was written stays as it is, but for the first SEALEDFILE_CHUNK
 * bytes, which may be gone back to: ESPIPE elsewhere. fclose() ends the file and syncs it: only if that succeeds is it whole.
 * ERR_INVALID: the label or the place is too long; else the file system, or ERR_EXHAUSTED, ERR_UNAVAILABLE (no random numbers). */
err_t sealedfile_create(FILE **ret, int fd, const uint8_t key[SEALED_KEY], const char *place, const char *label) MUST;

/* The label of a file, not verified yet. ERR_DATA_LOSS: it is no such file, or its head is damaged. */
err_t sealedfile_label(int fd, char label[SEALEDFILE_LABEL]) MUST;

/* A stream that reads the file fd, which it takes, also on failure. A chunk that does not open is an error of the stream (EIO), and no byte of
 * it is given. ERR_DATA_LOSS: another key or place, cut off, or changed. */
err_t sealedfile_open(FILE **ret, int fd, const uint8_t key[SEALED_KEY], const char *place) MUST;

#endif
