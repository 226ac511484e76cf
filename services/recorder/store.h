/*
 * store: the index of recordings in PostgreSQL. Loop thread; every call completes once on the loop (unless it returns an
 * error) and copies what it is given.
 */
#ifndef RECORDER_STORE_H
#define RECORDER_STORE_H

#include "db/db.h"
#include "recording.h"
#include "vault/reseal.h"

/* What a tenant may have marked as sensitive (GT-16), for vault_params. */
enum store_column { STORE_CALLER, STORE_DATA_KEY, STORE_COLUMNS };
extern const struct vault_column store_columns[STORE_COLUMNS];
extern const struct reseal_table store_reseal;

/* Writes what is known of a recording. Texts that are empty leave what is there; a state only goes forward (RECORDING →
 * LOST → STORED), and files are only written together with STORED. So facts may come in any order, and twice. The caller is written as the
 * vault keeps it, the data key under the newest version of the tenant's. ERR_UNAVAILABLE: the vault does not know the tenants yet; ERR_PRECONDITION:
 * no key opens the data key any more, so that files must be made with another. done with ERR_NOT_FOUND: its tenant has been purged, and nothing is
 * written. */
err_t store_put(struct db *db, struct vault *vault, const struct recording *r, void (*done)(err_t e, void *arg),
		void *arg) MUST;

/* Who looks: what is sensitive is shown to him in clear, or masked. */
struct store_eye {
	struct vault *vault; /* NULL: what is sensitive is shown to nobody */
	bool clear;
};
/* agent_id: "" all, else only that agent's. ERR_NOT_FOUND. */
typedef void store_found_fn(err_t e, const struct recording *r, void *arg);
err_t store_find(struct db *db, const struct store_eye *eye, const char *tenant, const char *agent_id, const char *id,
		 store_found_fn *done, void *arg) MUST;

#define STORE_PURGE_MAX 500
/* From its first transaction on no recording of the tenant that began up to that time is written any more. Takes up to so many recordings that began up to that time out of the index; paths: theirs below data.dir, without .mp3 and .mono.mp3, "" for
 * none. n 0: that was all. */
typedef void store_purged_fn(err_t e, const char (*paths)[ENCODE_PATH], unsigned n, void *arg);
err_t store_purge(struct db *db, const char *tenant, int64_t upto_ms, store_purged_fn *done, void *arg) MUST;

/* Bytes of the files that the tenant keeps. */
typedef void store_used_fn(err_t e, uint64_t bytes, void *arg);
err_t store_use(struct db *db, const char *tenant, store_used_fn *done, void *arg) MUST;

#define STORE_PAGE_MAX 500
struct store_filter {
	char tenant[RECORDING_ID];
	int64_t from_ms, to_ms;				 /* 0: open */
	char caller[RECORDING_ID], called[RECORDING_ID]; /* a trailing * : all that begin so */
	char agent_id[RECORDING_ID], queue_id[RECORDING_ID], call_id[RECORDING_ID];
	int64_t min_ms, max_ms;
	bool include_unstored;
	unsigned limit;	  /* 1…STORE_PAGE_MAX */
	int64_t after_ms; /* continue behind this one; after_id "" : from the newest */
	char after_id[RECORDING_ID];
};
/* Newest first; more: there are others behind the last. ERR_DENIED, ERR_INVALID with the detail: that is not to be looked for by the caller. */
typedef void store_list_fn(err_t e, const struct recording *list, unsigned n, bool more, void *arg);
err_t store_list(struct db *db, const struct store_eye *eye, const struct store_filter *f, store_list_fn *done,
		 void *arg, struct err_detail *detail) MUST;

#endif
