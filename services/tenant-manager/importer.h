/*
 * importer: takes the imports that wait, one at a time, through their steps (import_run.h). Loop thread; the work is done on a database
 * connection of its own, so that nothing else waits for it.
 */
#ifndef TM_IMPORTER_H
#define TM_IMPORTER_H

#include "manager.h"

struct importer;

err_t importer_new(struct importer **ret, struct manager *tm) MUST;
/* After tm->import_db is gone. */
void importer_free(struct importer **i);
/* One may wait. */
void importer_kick(struct importer *i);

#endif
