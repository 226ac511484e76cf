/*
 * promptstore: audio of prompts and music, content-addressed, from tenant-manager (which writes) to the media engines
 * (which fetch and cache on disk by hash). Asynchronous, on the bus' loop.
 *
 * Audio is raw: 8,000 Hz, 16 bit signed little-endian, mono; its key is the SHA-256 of these bytes in lower-case hex.
 *
 * Layout: KV bucket `prompts` (a JetStream stream, mirrored to sites), key <tenant>.<sha256>.<n>, n = 0 … count-1 decimal.
 * Value: 20 bytes of header, little-endian, then the chunk's audio (131,072 bytes; the last one what is left, 1 or more):
 *	0  "TLP1"	4  count of chunks	8  n of this one	12  size of the whole in bytes (64 bit)
 * Chunk 0 is written last: who finds it finds all. Entries are never changed, so a put is idempotent.
 *
 *	err_t e = promptstore_fetch(ps, "acme", sha256, loaded, self);	// loaded(ERR_OK, pcm, size, self)
 */
#ifndef PROMPTSTORE_PROMPTSTORE_H
#define PROMPTSTORE_PROMPTSTORE_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "bus/bus.h"

#define PROMPTSTORE_BUCKET	"prompts"
#define PROMPTSTORE_CHUNK_BYTES 131072
#define PROMPTSTORE_MAX_BYTES	(64u << 20) /* 69 minutes */
#define PROMPTSTORE_HEX		65

struct promptstore;

/* Opens (creates) the bucket: blocking, for start-up. */
err_t promptstore_new(struct promptstore **ret, struct bus *bus, struct err_detail *detail) MUST;
/* Running operations end without a callback. */
void promptstore_free(struct promptstore **ps);

/* Writes the chunks; pcm is copied. fn (may be NULL) once: ERR_OK when all are acknowledged. ERR_EXHAUSTED: too large. */
err_t promptstore_put(struct promptstore *ps, const char *tenant, const void *pcm, size_t size,
		      void (*fn)(err_t e, void *arg), void *arg) MUST;
/* Removes all chunks. fn (may be NULL) once. */
err_t promptstore_delete(struct promptstore *ps, const char *tenant, const char *sha256, void (*fn)(err_t e, void *arg),
			 void *arg) MUST;
/* fn exactly once: ERR_OK and the audio (valid during the call; the hash is checked), ERR_NOT_FOUND, ERR_DATA_LOSS
 * (chunks do not fit together), ERR_TIMEOUT/ERR_UNAVAILABLE. Several fetches run at a time. */
err_t promptstore_fetch(struct promptstore *ps, const char *tenant, const char *sha256,
			void (*fn)(err_t e, const void *pcm, size_t size, void *arg), void *arg) MUST;

/* SHA-256 of the bytes in hex. */
void promptstore_hash(const void *pcm, size_t size, char hex[PROMPTSTORE_HEX]);

/* One chunk's value ↔ its parts. ERR_INVALID with what is wrong. For this library, its tests and the fuzz target. */
struct promptstore_chunk {
	uint32_t count, n;
	uint64_t total_bytes;
	const void *audio;
	size_t audio_size;
};
err_t promptstore_chunk_parse(struct promptstore_chunk *ret, const void *value, size_t size) MUST;

#endif
