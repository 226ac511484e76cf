/*
 * reseal: a table gone through, lot by lot, while a tenant's key is being rotated: what was encrypted with a former version is encrypted with
 * the newest one, beside everything else that is done with the table. How far it is stands in KV `rotation`, for tenant-manager, which
 * destroys the former versions when every service has finished. Loop thread; the lots on a worker.
 *
 * Killed at any point: rows are renewed in transactions, a lot each, and the walk begins again; what is done is passed over. Finished is a walk
 * that found nothing, begun settle_ms after the newest version was seen: by then whoever wrote with a former one has ended.
 *
 *	e = reseal_new(&r, &(struct reseal_params){ .loop = loop, .bus = bus, .db = db, .vault = vault, .table = &table, … }, &detail);
 */
#ifndef VAULT_RESEAL_H
#define VAULT_RESEAL_H

#include "db/db.h"
#include "loop/loop.h"
#include "vault/vault.h"

struct reseal;

struct reseal_table {
	const char *service; /* "reporting": who tells */
	const char *lock;    /* before each lot; NULL: none */
	const char *count;   /* rows of the tenant; within the statement timeout, so up to some limit */
	const char
	    *select; /* $1 last id, $2 at most so many: id and the columns as the vault has them, by id, for update */
	const char *update; /* $1 ids, then an array for each column; NULL in it: stays */
	size_t n_columns;   /* at most 4 */
	size_t file_column; /* of seal_file */
};
struct reseal_params {
	struct loop *loop;
	struct bus *bus;
	struct db *db;
	struct vault *vault;
	const struct reseal_table *table; /* lives as long */
	int64_t settle_ms;
	/* Not NULL: the table has a column whose text in clear is the path of files. Encrypts them, and appends what is to be stored in place
	 * of it: the envelope of their key; nothing: they stay as they are. On a worker, with the row locked; few of them a lot. */
	err_t (*seal_file)(const struct vault_tenant *t, const char *id, const char *path, struct str *out, void *arg);
	void *arg;
};
/* For start-up. */
err_t reseal_new(struct reseal **ret, const struct reseal_params *p, struct err_detail *detail) MUST;
/* No lot begins any more; before the database is freed. NULL-safe. */
void reseal_stop(struct reseal *r);
/* After the database, whose jobs come back to it. */
void reseal_free(struct reseal **r);

#endif
