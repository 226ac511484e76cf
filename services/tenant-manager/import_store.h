/*
 * import_store: an import's rows against what is in PostgreSQL, and into it, in lots. On a database worker.
 */
#ifndef TM_IMPORT_STORE_H
#define TM_IMPORT_STORE_H

#include "change.h"
#include "import_table.h"

#define IMPORT_LOT 1000

/* The kind of resource that the rows are. */
const struct kind *import_resource_kind(enum import_kind kind);
/* Marks those of rows [from, from + IMPORT_LOT) that are there already, or refer to what is not. */
err_t import_store_check(struct db_tx *tx, struct import_table *t, size_t from) MUST;
/* Writes those of the rows that are not bad, all of them, with their references, and marks them for publishing. After a check under the same lock.
 * *ret_n: how many. ERR_EXISTS: another tenant took one of the numbers in this moment. */
err_t import_store_write(struct change *c, const struct import_table *t, size_t *ret_n) MUST;

#endif
